//! Makes one table of the table of functions and the table of trampolines.
//!
//! Runtimes often allow an instance only one table. A table of a fixed size that is only called through can be a part
//! at the end of another one: its calls add where that part begins, and so do the segments that fill it.

use std::collections::{HashMap, HashSet};

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{ConstExpr, ElementSection, EntityType, Module as NewModule};
use wasmparser::{Element, ElementKind, Parser, RefType, Table, TableInit, TypeRef};

use super::fold::{Constant, Usage};
use super::graph::{Graph, Kind};
use super::module::Module;
use super::plan::{Definition, Place, Plan};
use super::{MergeError, Reencoded};

/// Which tables become parts of another one.
#[derive(Default)]
pub(super) struct Fusion {
    /// The table that takes the others in.
    pub(super) into: Option<Definition>,
    /// Where each of the others begins in it.
    pub(super) begins: HashMap<Definition, u32>,
    /// By how much it grows.
    pub(super) added: u32,
}

impl Fusion {
    /// Finds the tables of the merged instances that can be one; `constant` knows the values of an instance's globals.
    pub(super) fn find(
        graph: &Graph<'_>,
        plan: &Plan,
        usage: &Usage,
        constant: impl Fn(u32, u32) -> Option<Constant>,
    ) -> Result<Self, MergeError> {
        let tables = plain_tables(graph, plan)?;
        let (fixed, late) = (
            fixed_tables(graph, plan, &constant)?,
            late_imports(graph, plan)?,
        );
        let takes_in = |table: &Definition| {
            !usage.measured.contains(table) && !late.contains(table) && !fixed.contains(table)
        };
        let Some((into, first)) = tables
            .iter()
            .filter(|(table, _)| takes_in(table))
            .max_by_key(|(_, ty)| ty.ty.initial)
        else {
            return Ok(Self::default());
        };
        let mut fusion = Self {
            into: Some(*into),
            ..Self::default()
        };
        let mut end = u32::try_from(first.ty.initial).map_err(MergeError::invalid)?;
        for (table, ty) in &tables {
            let free = table != into && !usage.handled.contains(table) && !fixed.contains(table);
            let size = u32::try_from(ty.ty.initial)
                .ok()
                .filter(|_| ty.ty.maximum == Some(ty.ty.initial));
            let Some((size, new_end)) = size
                .filter(|_| free)
                .and_then(|size| Some((size, end.checked_add(size)?)))
            else {
                continue;
            };
            fusion.begins.insert(*table, end);
            fusion.added += size;
            end = new_end;
        }
        Ok(fusion)
    }
}

/// The merged instances' own tables of functions that begin empty.
fn plain_tables<'a>(
    graph: &Graph<'a>,
    plan: &Plan,
) -> Result<Vec<(Definition, Table<'a>)>, MergeError> {
    let mut tables = Vec::new();
    for instance in plan.merged() {
        let (module, _) = graph.instantiated(instance)?;
        let imported = module.imported(Kind::Table)?;
        for (index, table) in (imported..).zip(module.tables.iter().flat_map(Clone::clone)) {
            let table = table?;
            let is_plain =
                table.ty.element_type == RefType::FUNCREF && !table.ty.table64 && !table.ty.shared;
            if is_plain && matches!(table.init, TableInit::RefNull) {
                tables.push((
                    Definition::Instance {
                        instance,
                        kind: Kind::Table,
                        index,
                    },
                    table,
                ));
            }
        }
    }
    Ok(tables)
}

/// The tables in which nothing may change its place: the component uses them, or a segment's place is not known.
fn fixed_tables(
    graph: &Graph<'_>,
    plan: &Plan,
    constant: &impl Fn(u32, u32) -> Option<Constant>,
) -> Result<HashSet<Definition>, MergeError> {
    let mut fixed = HashSet::new();
    for canonical in &graph.canonicals {
        for (_, index) in canonical
            .needs
            .iter()
            .filter(|(kind, _)| *kind == Kind::Table)
        {
            fixed.insert(graph.definition(Kind::Table, *index)?);
        }
    }
    for (instance, place) in plan.places() {
        if !matches!(place, Place::Merged | Place::Late) {
            continue;
        }
        let (module, _) = graph.instantiated(instance)?;
        for element in module.elements.iter().flat_map(Clone::clone) {
            let ElementKind::Active {
                table_index,
                offset_expr,
            } = element?.kind
            else {
                continue;
            };
            let known = |global| {
                if place == Place::Merged {
                    constant(instance, global)
                } else {
                    None
                }
            };
            if !matches!(Constant::of(&offset_expr, known)?, Some(Constant::I32(_))) {
                fixed.insert(graph.definition_in(
                    instance,
                    Kind::Table,
                    table_index.unwrap_or(0),
                )?);
            }
        }
        // Code of a module that stays apart is not rewritten.
        if place == Place::Late
            && (!module.bodies.is_empty()
                || module
                    .exports
                    .values()
                    .any(|(kind, _)| *kind == Kind::Table))
        {
            fixed.extend(imported_tables(graph, instance)?);
        }
    }
    Ok(fixed)
}

fn late_imports(graph: &Graph<'_>, plan: &Plan) -> Result<HashSet<Definition>, MergeError> {
    let mut imports = HashSet::new();
    for (instance, _) in plan.places().filter(|(_, place)| *place == Place::Late) {
        imports.extend(imported_tables(graph, instance)?);
    }
    Ok(imports)
}

fn imported_tables(graph: &Graph<'_>, instance: u32) -> Result<Vec<Definition>, MergeError> {
    let (module, _) = graph.instantiated(instance)?;
    (0..module.imported(Kind::Table)?)
        .map(|index| graph.definition_in(instance, Kind::Table, index))
        .collect()
}

/// A module that stays apart, with its segments at their new places in the tables that it imports.
pub(super) fn shift(module: &Module<'_>, begins: Vec<Option<u32>>) -> Result<Vec<u8>, MergeError> {
    let mut shifted = NewModule::new();
    Shift { begins }.parse_core_module(&mut shifted, Parser::new(0), module.bytes)?;
    Ok(shifted.finish())
}

struct Shift {
    /// By imported table: where it begins now, if it is a part of another one.
    begins: Vec<Option<u32>>,
}

impl Reencode for Shift {
    type Error = MergeError;

    /// A part of a table has another size than the table: the imports say nothing about it.
    fn entity_type(&mut self, mut ty: TypeRef) -> Reencoded<EntityType> {
        if let TypeRef::Table(table) = &mut ty {
            (table.initial, table.maximum) = (0, None);
        }
        utils::entity_type(self, ty)
    }

    fn parse_element(
        &mut self,
        elements: &mut ElementSection,
        element: Element<'_>,
    ) -> Reencoded<()> {
        let ElementKind::Active {
            table_index,
            offset_expr,
        } = &element.kind
        else {
            return utils::parse_element(self, elements, element);
        };
        let begin = begin_of(&self.begins, table_index.unwrap_or(0));
        match begin {
            Some(begin) => {
                let offset = moved(offset_expr, begin, |_| None)?;
                let items = self.element_items(element.items)?;
                elements.active(*table_index, &offset, items);
                Ok(())
            }
            None => utils::parse_element(self, elements, element),
        }
    }
}

/// Where a table begins in the one that it became a part of.
pub(super) fn begin_of(begins: &[Option<u32>], table: u32) -> Option<u32> {
    usize::try_from(table)
        .ok()
        .and_then(|table| begins.get(table))
        .copied()
        .flatten()
}

/// An offset in a table that begins at `begin` in another one.
pub(super) fn moved(
    offset: &wasmparser::ConstExpr<'_>,
    begin: u32,
    global: impl Fn(u32) -> Option<Constant>,
) -> Reencoded<ConstExpr> {
    match Constant::of(offset, global).map_err(Error::UserError)? {
        Some(Constant::I32(offset)) => {
            Ok(ConstExpr::i32_const(offset.wrapping_add_unsigned(begin)))
        }
        _ => Err(Error::UserError(MergeError::unmergeable(
            "a segment of a table has no constant place",
        ))),
    }
}
