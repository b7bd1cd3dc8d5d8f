//! New indices for old ones, in one core module and in the component.

use std::collections::HashMap;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils, utils};
use wasm_encoder::{
    CanonicalFunctionSection, CodeSection, ComponentTypeSection, ConstExpr, ElementSection,
    Instruction,
};
use wasmparser::{
    CanonicalFunction, ComponentTypeSectionReader, Element, ElementKind, FunctionBody, Operator,
};

use super::fold::Constant;
use super::graph::{ByKind, Kind, item};
use super::tables::{begin_of, moved};
use super::{MergeError, Reencoded};

/// The things of core index spaces that a part of the component refers to.
pub(super) type Needs = Vec<(Kind, u32)>;

/// The core things that a canonical function refers to.
pub(super) fn needs_of_canonical(function: &CanonicalFunction) -> Result<Needs, MergeError> {
    let mut collector = Collector::default();
    collector.parse_component_canonical(&mut CanonicalFunctionSection::new(), function.clone())?;
    Ok(collector.0)
}

/// Writes down what it is asked for and changes nothing.
#[derive(Default)]
struct Collector(Needs);

impl Reencode for Collector {
    type Error = MergeError;

    fn function_index(&mut self, index: u32) -> Reencoded<u32> {
        self.0.push((Kind::Function, index));
        Ok(index)
    }

    fn table_index(&mut self, index: u32) -> Reencoded<u32> {
        self.0.push((Kind::Table, index));
        Ok(index)
    }

    fn memory_index(&mut self, index: u32) -> Reencoded<u32> {
        self.0.push((Kind::Memory, index));
        Ok(index)
    }
}

impl ReencodeComponent for Collector {}

/// New indices in the component for what a part of it needs.
pub(super) struct Rewire(pub(super) HashMap<(Kind, u32), u32>);

impl Rewire {
    /// A canonical function with its new indices.
    pub(super) fn canonical(
        mut self,
        function: &CanonicalFunction,
    ) -> Result<CanonicalFunctionSection, MergeError> {
        let mut section = CanonicalFunctionSection::new();
        self.parse_component_canonical(&mut section, function.clone())?;
        Ok(section)
    }

    /// Types with the new indices of their destructors.
    pub(super) fn types(
        mut self,
        section: ComponentTypeSectionReader<'_>,
    ) -> Result<ComponentTypeSection, MergeError> {
        let mut types = ComponentTypeSection::new();
        component_utils::parse_component_type_section(&mut self, &mut types, section)?;
        Ok(types)
    }

    fn new_index(&self, kind: Kind, index: u32) -> Reencoded<u32> {
        let new = self.0.get(&(kind, index)).copied();
        new.ok_or_else(|| {
            Error::UserError(MergeError::invalid(
                "a canonical function refers to what does not exist",
            ))
        })
    }
}

impl Reencode for Rewire {
    type Error = MergeError;

    fn function_index(&mut self, index: u32) -> Reencoded<u32> {
        self.new_index(Kind::Function, index)
    }

    fn table_index(&mut self, index: u32) -> Reencoded<u32> {
        self.new_index(Kind::Table, index)
    }

    fn memory_index(&mut self, index: u32) -> Reencoded<u32> {
        self.new_index(Kind::Memory, index)
    }
}

impl ReencodeComponent for Rewire {}

/// What an instance's module calls a thing, to what the one module calls it.
#[derive(Default)]
pub(super) struct Renumber {
    pub(super) types: Vec<u32>,
    /// Globals that became constants have no index any more.
    pub(super) things: ByKind<Vec<Option<u32>>>,
    /// By global: its value, when it has only one.
    pub(super) constants: Vec<Option<Constant>>,
    /// By table: where it begins in the table that it became a part of.
    pub(super) begins: Vec<Option<u32>>,
    /// The table that takes others in, and by how much it grows.
    pub(super) grown: Option<(u32, u32)>,
    pub(super) first_element: u32,
    pub(super) first_data: u32,
}

impl Renumber {
    fn thing(&self, kind: Kind, index: u32) -> Reencoded<u32> {
        let index = item(self.things.get(kind), index).map_err(Error::UserError)?;
        index.ok_or_else(|| {
            Error::UserError(MergeError::unmergeable(
                "a constant global is used as a variable",
            ))
        })
    }

    fn constant(&self, global: u32) -> Option<Constant> {
        usize::try_from(global)
            .ok()
            .and_then(|global| self.constants.get(global))
            .copied()
            .flatten()
    }
}

impl Reencode for Renumber {
    type Error = MergeError;

    fn type_index(&mut self, index: u32) -> Reencoded<u32> {
        item(&self.types, index).copied().map_err(Error::UserError)
    }

    fn function_index(&mut self, index: u32) -> Reencoded<u32> {
        self.thing(Kind::Function, index)
    }

    fn table_index(&mut self, index: u32) -> Reencoded<u32> {
        self.thing(Kind::Table, index)
    }

    fn memory_index(&mut self, index: u32) -> Reencoded<u32> {
        self.thing(Kind::Memory, index)
    }

    fn global_index(&mut self, index: u32) -> Reencoded<u32> {
        self.thing(Kind::Global, index)
    }

    fn tag_index(&mut self, index: u32) -> Reencoded<u32> {
        self.thing(Kind::Tag, index)
    }

    fn element_index(&mut self, index: u32) -> Reencoded<u32> {
        Ok(self.first_element.saturating_add(index))
    }

    fn data_index(&mut self, index: u32) -> Reencoded<u32> {
        Ok(self.first_data.saturating_add(index))
    }

    /// A call through a table that became a part of another one adds where it begins.
    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Reencoded<()> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            if let Operator::CallIndirect { table_index, .. }
            | Operator::ReturnCallIndirect { table_index, .. } = operator
                && let Some(begin) = begin_of(&self.begins, table_index)
            {
                function.instruction(&Instruction::I32Const(begin.cast_signed()));
                function.instruction(&Instruction::I32Add);
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        Ok(())
    }

    fn parse_element(
        &mut self,
        elements: &mut ElementSection,
        element: Element<'_>,
    ) -> Reencoded<()> {
        if let ElementKind::Active {
            table_index,
            offset_expr,
        } = &element.kind
            && let Some(begin) = begin_of(&self.begins, table_index.unwrap_or(0))
        {
            let table = self.table_index(table_index.unwrap_or(0))?;
            let offset = moved(offset_expr, begin, |global| self.constant(global))?;
            let items = self.element_items(element.items)?;
            elements.active(Some(table), &offset, items);
            return Ok(());
        }
        utils::parse_element(self, elements, element)
    }

    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Reencoded<Instruction<'a>> {
        if let Operator::GlobalGet { global_index } = operator
            && let Some(constant) = self.constant(global_index)
        {
            return Ok(constant.into());
        }
        utils::instruction(self, operator)
    }

    /// Offsets become single constants: only those does Wasmtime turn into images of memories and tables.
    fn const_expr(&mut self, expression: wasmparser::ConstExpr<'_>) -> Reencoded<ConstExpr> {
        match Constant::of(&expression, |global| self.constant(global)).map_err(Error::UserError)? {
            Some(Constant::I32(value)) => Ok(ConstExpr::i32_const(value)),
            Some(Constant::I64(value)) => Ok(ConstExpr::i64_const(value)),
            None => utils::const_expr(self, expression),
        }
    }
}
