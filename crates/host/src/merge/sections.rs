//! Writes the one module, section by section.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, ElementSection, Elements, ExportSection, Function,
    FunctionSection, GlobalSection, ImportSection, Instruction, MemorySection, Module as NewModule,
    NameMap, NameSection, StartSection, TableSection, TagSection,
};

use super::MergeError;
use super::assemble::Assembly;
use super::graph::{Kind, count};
use super::module::Module;
use super::plan::Definition;
use super::renumber::Renumber;
use super::tables::begin_of;

/// What the exported function is called that runs the start functions of the merged modules.
pub(super) const START: &str = "wisp:start";

impl<'a> Assembly<'_, 'a> {
    /// Writes the module; with `exported_start`, its start functions run when [`START`] is called.
    pub(super) fn write(mut self, exported_start: bool) -> Result<NewModule, MergeError> {
        let starts = self.start_functions()?;
        let start = (!starts.is_empty()).then_some(*self.counts.get(Kind::Function));
        let start_type = self.types.len();
        if start.is_some() {
            self.types.ty().function([], []);
        }
        let mut module = NewModule::new();
        module.section(&self.types);
        module.section(&self.imports()?);
        let mut functions = self.functions()?;
        if start.is_some() {
            functions.function(start_type);
        }
        module.section(&functions);
        self.write_spaces(&mut module)?;
        module.section(&self.exports(start.filter(|_| exported_start))?);
        if let Some(function_index) = start.filter(|_| !exported_start) {
            module.section(&StartSection { function_index });
        }
        module.section(&self.elements()?);
        let data = self.data()?;
        module.section(&DataCountSection { count: data.len() });
        let mut code = self.code()?;
        if start.is_some() {
            code.function(&calls(&starts));
        }
        module.section(&code);
        module.section(&data);
        module.section(&self.names()?);
        Ok(module)
    }

    fn start_functions(&self) -> Result<Vec<u32>, MergeError> {
        let starts = self.plan.starts(self.graph)?;
        starts
            .into_iter()
            .map(|(instance, function)| {
                self.index(
                    &self
                        .graph
                        .definition_in(instance, Kind::Function, function)?,
                )
            })
            .collect()
    }

    fn imports(&mut self) -> Result<ImportSection, MergeError> {
        let mut section = ImportSection::new();
        for import in &self.imports {
            let renumber = self
                .renumbers
                .iter_mut()
                .find(|(instance, _)| *instance == import.instance);
            let (_, renumber) =
                renumber.ok_or_else(|| MergeError::invalid("an import of no instance"))?;
            section.import(
                &import.module,
                &import.name,
                renumber.entity_type(import.import.ty)?,
            );
        }
        Ok(section)
    }

    fn functions(&mut self) -> Result<FunctionSection, MergeError> {
        let mut section = FunctionSection::new();
        self.each(|module, renumber| {
            module
                .functions
                .iter()
                .flat_map(Clone::clone)
                .try_for_each(|ty| {
                    section.function(renumber.type_index(ty?)?);
                    Ok(())
                })
        })?;
        Ok(section)
    }

    fn write_spaces(&mut self, module: &mut NewModule) -> Result<(), MergeError> {
        let (mut tables, mut memories) = (TableSection::new(), MemorySection::new());
        let (mut tags, mut globals) = (TagSection::new(), GlobalSection::new());
        self.each(|module, renumber| {
            write_tables(&mut tables, module, renumber)?;
            if let Some(section) = &module.memories {
                renumber.parse_memory_section(&mut memories, section.clone())?;
            }
            if let Some(section) = &module.tags {
                renumber.parse_tag_section(&mut tags, section.clone())?;
            }
            write_globals(&mut globals, module, renumber)
        })?;
        module.section(&tables).section(&memories);
        // Without any, a section of the exceptions proposal would only ask for that proposal.
        if !tags.is_empty() {
            module.section(&tags);
        }
        module.section(&globals);
        Ok(())
    }

    fn exports(&self, start: Option<u32>) -> Result<ExportSection, MergeError> {
        let mut section = ExportSection::new();
        for (name, definition) in &self.exports {
            let Definition::Instance { kind, .. } = definition else {
                continue;
            };
            section.export(name, (*kind).into(), self.index(definition)?);
        }
        if let Some(start) = start {
            section.export(START, wasm_encoder::ExportKind::Func, start);
        }
        Ok(section)
    }

    fn elements(&mut self) -> Result<ElementSection, MergeError> {
        let mut section = ElementSection::new();
        self.each(|module, renumber| {
            if let Some(elements) = &module.elements {
                renumber.parse_element_section(&mut section, elements.clone())?;
            }
            Ok(())
        })?;
        // A function that was exported could be referenced in code without being declared anywhere else.
        let mut referenced = Vec::new();
        for function in &self.usage.referenced {
            referenced.push(self.index(function)?);
        }
        if !referenced.is_empty() {
            section.declared(Elements::Functions(referenced.into()));
        }
        Ok(section)
    }

    fn code(&mut self) -> Result<CodeSection, MergeError> {
        let mut section = CodeSection::new();
        self.each(|module, renumber| {
            for body in &module.bodies {
                renumber.parse_function_body(&mut section, body.clone())?;
            }
            Ok(())
        })?;
        Ok(section)
    }

    fn data(&mut self) -> Result<DataSection, MergeError> {
        let mut section = DataSection::new();
        self.each(|module, renumber| {
            if let Some(data) = &module.data {
                renumber.parse_data_section(&mut section, data.clone())?;
            }
            Ok(())
        })?;
        Ok(section)
    }

    fn names(&mut self) -> Result<NameSection, MergeError> {
        let mut functions = NameMap::new();
        self.each(|module, renumber| {
            let imported = module.imported(Kind::Function)?;
            let defined = imported..imported.saturating_add(count(&module.bodies)?);
            for (index, name) in module
                .names
                .iter()
                .filter(|(index, _)| defined.contains(index))
            {
                functions.append(renumber.function_index(*index)?, name);
            }
            Ok(())
        })?;
        let mut section = NameSection::new();
        section.functions(&functions);
        Ok(section)
    }

    fn each(
        &mut self,
        mut write: impl FnMut(&Module<'a>, &mut Renumber) -> Result<(), MergeError>,
    ) -> Result<(), MergeError> {
        for (instance, renumber) in &mut self.renumbers {
            write(self.graph.instantiated(*instance)?.0, renumber)?;
        }
        Ok(())
    }
}

/// Tables that became parts of another one are left out.
fn write_tables(
    tables: &mut TableSection,
    module: &Module<'_>,
    renumber: &mut Renumber,
) -> Result<(), MergeError> {
    let imported = module.imported(Kind::Table)?;
    for (index, table) in (imported..).zip(module.tables.iter().flat_map(Clone::clone)) {
        let mut table = table?;
        if begin_of(&renumber.begins, index).is_some() {
            continue;
        }
        if let Some((_, added)) = renumber.grown.filter(|(grown, _)| *grown == index) {
            table.ty.initial += u64::from(added);
            table.ty.maximum = table.ty.maximum.map(|maximum| maximum + u64::from(added));
        }
        renumber.parse_table(tables, table)?;
    }
    Ok(())
}

/// Globals that became constants are left out.
fn write_globals(
    globals: &mut GlobalSection,
    module: &Module<'_>,
    renumber: &mut Renumber,
) -> Result<(), MergeError> {
    let imported = module.imported(Kind::Global)?;
    for (index, global) in (imported..).zip(module.globals.iter().flat_map(Clone::clone)) {
        let kept = usize::try_from(index)
            .ok()
            .and_then(|index| renumber.things.get(Kind::Global).get(index))
            .copied()
            .flatten();
        if kept.is_some() {
            renumber.parse_global(globals, global?)?;
        }
    }
    Ok(())
}

fn calls(functions: &[u32]) -> Function {
    let mut body = Function::new([]);
    for function in functions {
        body.instruction(&Instruction::Call(*function));
    }
    body.instruction(&Instruction::End);
    body
}
