//! Gives everything its index in the one module.

use std::collections::{HashMap, HashSet};

use wasm_encoder::TypeSection;
use wasm_encoder::reencode::Reencode;
use wasmparser::{CompositeInnerType, FuncType, Import, SubType};

use super::MergeError;
use super::fold::{Usage, constants};
use super::graph::{ByKind, Graph, Kind};
use super::plan::{Definition, KINDS, Place, Plan};
use super::renumber::Renumber;
use super::tables::Fusion;

/// Something that the one module imports.
pub(super) struct NewImport<'a> {
    pub(super) definition: Definition,
    /// The instance that asked for it first, and how.
    pub(super) instance: u32,
    pub(super) import: Import<'a>,
    pub(super) module: String,
    pub(super) name: String,
}

/// The one module before it is written.
pub(super) struct Assembly<'g, 'a> {
    pub(super) graph: &'g Graph<'a>,
    pub(super) plan: &'g Plan,
    pub(super) usage: Usage,
    pub(super) fusion: Fusion,
    pub(super) types: TypeSection,
    pub(super) imports: Vec<NewImport<'a>>,
    pub(super) exports: Vec<(String, Definition)>,
    /// One for each merged instance, in order.
    pub(super) renumbers: Vec<(u32, Renumber)>,
    pub(super) indices: HashMap<Definition, u32>,
    pub(super) counts: ByKind<u32>,
}

impl<'g, 'a> Assembly<'g, 'a> {
    /// Counts everything; `demanded` is what the component needs from the one module.
    pub(super) fn new(
        graph: &'g Graph<'a>,
        plan: &'g Plan,
        demanded: &[Definition],
    ) -> Result<Self, MergeError> {
        let usage = Usage::of(graph, plan)?;
        let kept: HashSet<Definition> = demanded.iter().copied().collect();
        let constants = constants(graph, plan, &usage, &kept)?;
        let known = |instance, global| {
            graph
                .definition_in(instance, Kind::Global, global)
                .ok()
                .and_then(|global| constants.get(&global).copied())
        };
        let fusion = Fusion::find(graph, plan, &usage, known)?;
        let mut assembly = Self {
            graph,
            plan,
            usage,
            fusion,
            types: TypeSection::new(),
            imports: Vec::new(),
            exports: export_names(graph, demanded)?,
            renumbers: Vec::new(),
            indices: HashMap::new(),
            counts: ByKind::default(),
        };
        assembly.add_imports()?;
        for instance in plan.merged() {
            assembly.add_definitions(instance, |definition| constants.contains_key(definition))?;
        }
        assembly.add_parts_of_tables();
        for instance in plan.merged() {
            let renumber =
                assembly.renumber(instance, |definition| constants.get(definition).copied())?;
            assembly.renumbers.push((instance, renumber));
        }
        assembly.add_types()?;
        assembly.add_segments();
        Ok(assembly)
    }

    /// The new index of a thing.
    pub(super) fn index(&self, definition: &Definition) -> Result<u32, MergeError> {
        self.indices
            .get(definition)
            .copied()
            .ok_or_else(|| MergeError::invalid("a module uses what nothing defines"))
    }

    fn add_imports(&mut self) -> Result<(), MergeError> {
        let mut names = HashSet::new();
        for instance in self.plan.merged() {
            let (module, _) = self.graph.instantiated(instance)?;
            for kind in KINDS {
                for (index, import) in (0..).zip(module.imports.get(kind)) {
                    let definition = self.graph.definition_in(instance, kind, index)?;
                    if self.is_merged(&definition) || self.indices.contains_key(&definition) {
                        continue;
                    }
                    self.add_index(kind, definition);
                    let name = unique(&mut names, import.module, import.name);
                    self.imports.push(NewImport {
                        definition,
                        instance,
                        import: *import,
                        module: import.module.to_owned(),
                        name,
                    });
                }
            }
        }
        Ok(())
    }

    fn add_definitions(
        &mut self,
        instance: u32,
        skip: impl Fn(&Definition) -> bool,
    ) -> Result<(), MergeError> {
        let (module, _) = self.graph.instantiated(instance)?;
        for kind in KINDS {
            let imported = module.imported(kind)?;
            for index in imported..imported.saturating_add(module.defined(kind)) {
                let definition = Definition::Instance {
                    instance,
                    kind,
                    index,
                };
                if !skip(&definition) && !self.fusion.begins.contains_key(&definition) {
                    self.add_index(kind, definition);
                }
            }
        }
        Ok(())
    }

    /// A part of a table has the index of the whole.
    fn add_parts_of_tables(&mut self) {
        let whole = self
            .fusion
            .into
            .and_then(|table| self.indices.get(&table))
            .copied();
        for table in self.fusion.begins.keys() {
            self.indices.extend(whole.map(|whole| (*table, whole)));
        }
    }

    fn add_index(&mut self, kind: Kind, definition: Definition) {
        let count = self.counts.get_mut(kind);
        self.indices.insert(definition, *count);
        *count += 1;
    }

    fn is_merged(&self, definition: &Definition) -> bool {
        matches!(definition, Definition::Instance { instance, .. } if self.plan.place(*instance) == Place::Merged)
    }

    fn renumber(
        &self,
        instance: u32,
        constant: impl Fn(&Definition) -> Option<super::fold::Constant>,
    ) -> Result<Renumber, MergeError> {
        let (module, _) = self.graph.instantiated(instance)?;
        let mut renumber = Renumber::default();
        for kind in KINDS {
            for index in 0..module.imported(kind)?.saturating_add(module.defined(kind)) {
                let definition = self.graph.definition_in(instance, kind, index)?;
                renumber
                    .things
                    .get_mut(kind)
                    .push(self.indices.get(&definition).copied());
                if kind == Kind::Global {
                    renumber.constants.push(constant(&definition));
                }
                if kind == Kind::Table {
                    renumber
                        .begins
                        .push(self.fusion.begins.get(&definition).copied());
                    let grown = self.fusion.into == Some(definition);
                    renumber.grown = renumber
                        .grown
                        .or(grown.then_some((index, self.fusion.added)));
                }
            }
        }
        Ok(renumber)
    }

    /// Plain function types are shared, all others copied.
    fn add_types(&mut self) -> Result<(), MergeError> {
        let mut known: HashMap<FuncType, u32> = HashMap::new();
        let mut next = 0;
        for (instance, renumber) in &mut self.renumbers {
            let (module, _) = self.graph.instantiated(*instance)?;
            for group in module.types.iter().flat_map(Clone::clone) {
                let group = group?;
                let plain = plain_function(&group);
                if let Some(index) = plain.as_ref().and_then(|ty| known.get(ty)) {
                    renumber.types.push(*index);
                    continue;
                }
                if let Some(ty) = plain {
                    known.insert(ty, next);
                }
                for _ in group.types() {
                    renumber.types.push(next);
                    next += 1;
                }
                renumber.parse_recursive_type_group(self.types.ty(), group)?;
            }
        }
        Ok(())
    }

    fn add_segments(&mut self) {
        let (mut elements, mut data) = (0, 0);
        for (instance, renumber) in &mut self.renumbers {
            renumber.first_element = elements;
            renumber.first_data = data;
            if let Ok((module, _)) = self.graph.instantiated(*instance) {
                elements += module
                    .elements
                    .as_ref()
                    .map_or(0, wasmparser::SectionLimited::count);
                data += module
                    .data
                    .as_ref()
                    .map_or(0, wasmparser::SectionLimited::count);
            }
        }
    }
}

/// The function type of a group that has nothing else, when it refers to no other type.
fn plain_function(group: &wasmparser::RecGroup) -> Option<FuncType> {
    let mut types = group.types();
    let (
        Some(SubType {
            is_final: true,
            supertype_idx: None,
            composite_type,
        }),
        None,
        false,
    ) = (types.next(), types.next(), group.is_explicit_rec_group())
    else {
        return None;
    };
    let CompositeInnerType::Func(function) = &composite_type.inner else {
        return None;
    };
    let numbers = function
        .params()
        .iter()
        .chain(function.results())
        .all(|ty| !ty.is_reference_type());
    (numbers && !composite_type.shared).then(|| function.clone())
}

fn export_names(
    graph: &Graph<'_>,
    demanded: &[Definition],
) -> Result<Vec<(String, Definition)>, MergeError> {
    let mut names = HashSet::new();
    let mut exports = Vec::new();
    for definition in demanded {
        let Definition::Instance {
            instance,
            kind,
            index,
        } = definition
        else {
            continue;
        };
        let name = graph
            .instantiated(*instance)?
            .0
            .export_name(*kind, *index)
            .unwrap_or("");
        exports.push((unique(&mut names, "", name), *definition));
    }
    Ok(exports)
}

/// A name that the module does not have yet: the one that is asked for, or that with a number.
fn unique(names: &mut HashSet<(String, String)>, module: &str, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !names.insert((module.to_owned(), candidate.clone())) {
        number += 1;
        candidate = format!("{name}#{number}");
    }
    candidate
}
