//! Writes the component around the one module.

use std::collections::{BTreeMap, HashMap, HashSet};

use wasm_encoder::reencode::{ReencodeComponent, RoundtripReencoder};
use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentSectionId, ExportKind, ImportSection,
    InstanceSection, Module as NewModule, ModuleArg, ModuleSection, RawSection, StartSection,
    TypeSection,
};

use super::MergeError;
use super::assemble::Assembly;
use super::graph::{ByKind, Graph, Item, Kind};
use super::plan::{Definition, KINDS, Place, Plan};
use super::renumber::{Needs, Rewire};
use super::sections::START;
use super::tables::shift;

/// Writes the component with one module in the place of those that `plan` merges.
pub(super) fn emit(graph: &Graph<'_>, plan: &Plan) -> Result<Vec<u8>, MergeError> {
    let mut emitter = Emitter::new(graph, plan);
    let last = graph
        .items
        .iter()
        .rposition(|item| emitter.is_made_with_the_one_module(item));
    for (position, item) in graph.items.iter().enumerate() {
        emitter.item(item)?;
        if Some(position) == last {
            emitter.one_module()?;
        }
    }
    Ok(emitter.component.finish())
}

struct Emitter<'g, 'a> {
    graph: &'g Graph<'a>,
    plan: &'g Plan,
    component: Component,
    modules: u32,
    instances: u32,
    spaces: ByKind<u32>,
    /// The new index of a thing in the component's core index spaces.
    indices: HashMap<(Kind, Definition), u32>,
    /// The new index of an instance that stays apart.
    apart: HashMap<u32, u32>,
    /// The one module's instance, and its name for each thing that is needed from it.
    merged: Option<u32>,
    names: HashMap<Definition, String>,
    /// Where each table begins that became a part of another one.
    begins: HashMap<Definition, u32>,
    /// What can only be made after the one module.
    deferred: Vec<&'g Item<'a>>,
}

impl<'g, 'a> Emitter<'g, 'a> {
    fn new(graph: &'g Graph<'a>, plan: &'g Plan) -> Self {
        Self {
            graph,
            plan,
            component: Component::new(),
            modules: 0,
            instances: 0,
            spaces: ByKind::default(),
            indices: HashMap::new(),
            apart: HashMap::new(),
            merged: None,
            names: HashMap::new(),
            begins: HashMap::new(),
            deferred: Vec::new(),
        }
    }

    fn is_made_with_the_one_module(&self, item: &Item<'_>) -> bool {
        matches!(item, Item::Instance(instance) if matches!(self.plan.place(*instance), Place::Merged | Place::Late))
    }

    fn item(&mut self, item: &'g Item<'a>) -> Result<(), MergeError> {
        match item {
            Item::Raw { id, data } => {
                self.component.section(&RawSection { id: *id, data });
            }
            Item::Alias(alias) => {
                let mut section = ComponentAliasSection::new();
                section.alias(
                    RoundtripReencoder
                        .component_alias(alias.clone())
                        .map_err(MergeError::invalid)?,
                );
                self.component.section(&section);
            }
            Item::Types { section, needs } => {
                let types = self.rewire(needs)?.types(section.clone())?;
                self.component.section(&types);
            }
            Item::Canonical(index)
                if self.merged.is_none() && self.graph.canonical(*index)?.is_lift() =>
            {
                return Err(MergeError::unmergeable(
                    "a function is lifted before all modules are instantiated",
                ));
            }
            Item::Canonical(index)
                if self.merged.is_none() && self.plan.is_deferred(self.graph, *index)? =>
            {
                self.deferred.push(item);
            }
            Item::Canonical(index) => self.canonical(*index)?,
            Item::Instance(index) => match self.plan.place(*index) {
                Place::Bag | Place::Merged => {}
                Place::Late if self.merged.is_none() => self.deferred.push(item),
                Place::Early | Place::Late => self.instance(*index)?,
            },
        }
        Ok(())
    }

    fn one_module(&mut self) -> Result<(), MergeError> {
        let assembly = Assembly::new(self.graph, self.plan, &demanded(self.graph, self.plan)?)?;
        let imports = assembly
            .imports
            .iter()
            .map(|import| {
                (
                    import.module.clone(),
                    import.name.clone(),
                    import.definition,
                )
            })
            .collect();
        self.names = assembly
            .exports
            .iter()
            .map(|(name, definition)| (*definition, name.clone()))
            .collect();
        self.begins.clone_from(&assembly.fusion.begins);
        let started_late = !self.plan.starts(self.graph)?.is_empty() && !self.deferred.is_empty();
        let module = assembly.write(started_late)?;
        let merged = self.instantiate(&module, imports)?;
        self.merged = Some(merged);
        for item in std::mem::take(&mut self.deferred) {
            self.item(item)?;
        }
        if started_late {
            self.start(merged);
        }
        Ok(())
    }

    fn canonical(&mut self, index: u32) -> Result<(), MergeError> {
        let canonical = self.graph.canonical(index)?;
        let section = self
            .rewire(&canonical.needs)?
            .canonical(&canonical.function)?;
        self.component.section(&section);
        if !canonical.is_lift() {
            let new = self.next(Kind::Function);
            self.indices
                .insert((Kind::Function, Definition::Canonical(index)), new);
        }
        Ok(())
    }

    fn instance(&mut self, index: u32) -> Result<(), MergeError> {
        let (module, _) = self.graph.instantiated(index)?;
        let mut imports = Vec::new();
        for kind in KINDS {
            for (position, import) in (0..).zip(module.imports.get(kind)) {
                imports.push((
                    import.module.to_owned(),
                    import.name.to_owned(),
                    self.graph.definition_in(index, kind, position)?,
                ));
            }
        }
        let begins = self.begins_of_imported_tables(index)?;
        let shifted = if begins.iter().any(Option::is_some) {
            Some(shift(module, begins)?)
        } else {
            None
        };
        self.component.section(&RawSection {
            id: ComponentSectionId::CoreModule.into(),
            data: shifted.as_deref().unwrap_or(module.bytes),
        });
        let new = self.instantiate_last_module(imports)?;
        self.apart.insert(index, new);
        Ok(())
    }

    fn begins_of_imported_tables(&self, instance: u32) -> Result<Vec<Option<u32>>, MergeError> {
        let (module, _) = self.graph.instantiated(instance)?;
        (0..module.imported(Kind::Table)?)
            .map(|index| {
                Ok(self
                    .begins
                    .get(&self.graph.definition_in(instance, Kind::Table, index)?)
                    .copied())
            })
            .collect()
    }

    fn instantiate(
        &mut self,
        module: &NewModule,
        imports: Vec<(String, String, Definition)>,
    ) -> Result<u32, MergeError> {
        self.component.section(&ModuleSection(module));
        self.instantiate_last_module(imports)
    }

    fn instantiate_last_module(
        &mut self,
        imports: Vec<(String, String, Definition)>,
    ) -> Result<u32, MergeError> {
        let module = self.modules;
        self.modules += 1;
        let mut bags: BTreeMap<String, BTreeMap<String, (ExportKind, u32)>> = BTreeMap::new();
        for (from, name, definition) in imports {
            let kind = kind_of(&definition);
            let index = self.provide(kind, definition)?;
            bags.entry(from)
                .or_default()
                .insert(name, (kind.into(), index));
        }
        let mut section = InstanceSection::new();
        let mut arguments = Vec::new();
        for (from, items) in bags {
            section.export_items(
                items
                    .into_iter()
                    .map(|(name, (kind, index))| (name, kind, index))
                    .collect::<Vec<_>>(),
            );
            arguments.push((from, ModuleArg::Instance(self.instances)));
            self.instances += 1;
        }
        section.instantiate(module, arguments);
        self.component.section(&section);
        self.instances += 1;
        Ok(self.instances - 1)
    }

    /// Runs the start functions of the one module now.
    fn start(&mut self, merged: u32) {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import("", START, wasm_encoder::EntityType::Function(0));
        let mut module = NewModule::new();
        module
            .section(&types)
            .section(&imports)
            .section(&StartSection { function_index: 0 });
        let mut section = InstanceSection::new();
        section.instantiate(self.modules, [("", ModuleArg::Instance(merged))]);
        self.component
            .section(&ModuleSection(&module))
            .section(&section);
        self.modules += 1;
        self.instances += 1;
    }

    fn rewire(&mut self, needs: &Needs) -> Result<Rewire, MergeError> {
        let mut indices = HashMap::new();
        for (kind, index) in needs {
            let definition = self.graph.definition(*kind, *index)?;
            indices.insert((*kind, *index), self.provide(*kind, definition)?);
        }
        Ok(Rewire(indices))
    }

    /// The new index of a thing in the component, with an alias for it when there is none yet.
    fn provide(&mut self, kind: Kind, definition: Definition) -> Result<u32, MergeError> {
        if let Some(index) = self.indices.get(&(kind, definition)) {
            return Ok(*index);
        }
        let Definition::Instance {
            instance, index, ..
        } = definition
        else {
            return Err(too_early());
        };
        let (new, name) = if self.plan.place(instance) == Place::Merged {
            (self.merged, self.names.get(&definition).cloned())
        } else {
            let (module, _) = self.graph.instantiated(instance)?;
            let name = module.export_name(kind, index);
            (self.apart.get(&instance).copied(), name.map(str::to_owned))
        };
        let (Some(instance), Some(name)) = (new, name) else {
            return Err(too_early());
        };
        let mut section = ComponentAliasSection::new();
        section.alias(Alias::CoreInstanceExport {
            instance,
            kind: kind.into(),
            name: &name,
        });
        self.component.section(&section);
        let new = self.next(kind);
        self.indices.insert((kind, definition), new);
        Ok(new)
    }

    fn next(&mut self, kind: Kind) -> u32 {
        let count = self.spaces.get_mut(kind);
        *count += 1;
        *count - 1
    }
}

/// What the rest of the component needs from the merged instances, each once.
fn demanded(graph: &Graph<'_>, plan: &Plan) -> Result<Vec<Definition>, MergeError> {
    let mut all = Vec::new();
    for item in &graph.items {
        match item {
            Item::Canonical(index) => {
                for (kind, index) in &graph.canonical(*index)?.needs {
                    all.push(graph.definition(*kind, *index)?);
                }
            }
            Item::Instance(index) if plan.place(*index) == Place::Late => {
                all.extend(graph.imports_of(*index)?);
            }
            _ => {}
        }
    }
    let mut seen = HashSet::new();
    all.retain(|definition| {
        let merged = matches!(definition, Definition::Instance { instance, .. } if plan.place(*instance) == Place::Merged);
        merged && seen.insert(*definition)
    });
    Ok(all)
}

fn kind_of(definition: &Definition) -> Kind {
    match definition {
        Definition::Canonical(_) => Kind::Function,
        Definition::Instance { kind, .. } => *kind,
    }
}

fn too_early() -> MergeError {
    MergeError::unmergeable("something is used before it can be made")
}
