//! Finds the globals that have one value for ever.
//!
//! Libraries that are linked at instantiation take the place of their data and functions from globals of another module. Once
//! these modules are one, each of these globals is either a constant or a variable that no code ever sets.

use std::collections::{BTreeSet, HashMap, HashSet};

use wasm_encoder::Instruction;
use wasmparser::{ConstExpr, FunctionBody, Operator};

use super::MergeError;
use super::graph::{Graph, Kind};
use super::plan::{Definition, Plan};

/// A value that is known before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    I32(i32),
    I64(i64),
}

impl From<Constant> for Instruction<'_> {
    fn from(constant: Constant) -> Self {
        match constant {
            Constant::I32(value) => Self::I32Const(value),
            Constant::I64(value) => Self::I64Const(value),
        }
    }
}

impl Constant {
    /// The value of an expression, when it is an integer that follows from integers.
    pub(super) fn of(
        expression: &ConstExpr<'_>,
        global: impl Fn(u32) -> Option<Self>,
    ) -> Result<Option<Self>, MergeError> {
        let mut stack = Vec::new();
        for operator in expression.get_operators_reader() {
            let operator = operator?;
            let value = match operator {
                Operator::End => break,
                Operator::I32Const { value } => Some(Self::I32(value)),
                Operator::I64Const { value } => Some(Self::I64(value)),
                Operator::GlobalGet { global_index } => global(global_index),
                operator => stack
                    .pop()
                    .zip(stack.pop())
                    .and_then(|(right, left)| Self::combine(&operator, left, right)),
            };
            let Some(value) = value else { return Ok(None) };
            stack.push(value);
        }
        Ok(stack.pop())
    }

    fn combine(operator: &Operator<'_>, left: Self, right: Self) -> Option<Self> {
        match (operator, left, right) {
            (Operator::I32Add, Self::I32(left), Self::I32(right)) => {
                Some(Self::I32(left.wrapping_add(right)))
            }
            (Operator::I32Sub, Self::I32(left), Self::I32(right)) => {
                Some(Self::I32(left.wrapping_sub(right)))
            }
            (Operator::I32Mul, Self::I32(left), Self::I32(right)) => {
                Some(Self::I32(left.wrapping_mul(right)))
            }
            (Operator::I64Add, Self::I64(left), Self::I64(right)) => {
                Some(Self::I64(left.wrapping_add(right)))
            }
            (Operator::I64Sub, Self::I64(left), Self::I64(right)) => {
                Some(Self::I64(left.wrapping_sub(right)))
            }
            (Operator::I64Mul, Self::I64(left), Self::I64(right)) => {
                Some(Self::I64(left.wrapping_mul(right)))
            }
            _ => None,
        }
    }
}

/// What the code of the merged instances does with globals, functions and tables.
#[derive(Default)]
pub(super) struct Usage {
    /// Globals that code sets.
    set: HashSet<Definition>,
    /// Functions of which code takes a reference.
    pub(super) referenced: Vec<Definition>,
    /// Tables whose size code asks for or changes.
    pub(super) measured: HashSet<Definition>,
    /// Tables with which code does anything but call through them.
    pub(super) handled: HashSet<Definition>,
}

impl Usage {
    /// Reads all code of the merged instances.
    pub(super) fn of(graph: &Graph<'_>, plan: &Plan) -> Result<Self, MergeError> {
        let mut usage = Self::default();
        for instance in plan.merged() {
            let mut seen = Seen::default();
            for body in &graph.instantiated(instance)?.0.bodies {
                seen.read(body)?;
            }
            let definitions = |kind, indices: BTreeSet<u32>| {
                indices
                    .into_iter()
                    .map(move |index| graph.definition_in(instance, kind, index))
                    .collect::<Result<Vec<_>, _>>()
            };
            usage.set.extend(definitions(Kind::Global, seen.set)?);
            usage
                .referenced
                .extend(definitions(Kind::Function, seen.referenced)?);
            usage
                .measured
                .extend(definitions(Kind::Table, seen.measured)?);
            usage
                .handled
                .extend(definitions(Kind::Table, seen.handled)?);
        }
        Ok(usage)
    }
}

/// [`Usage`] in the indices of one module.
#[derive(Default)]
struct Seen {
    set: BTreeSet<u32>,
    referenced: BTreeSet<u32>,
    measured: BTreeSet<u32>,
    handled: BTreeSet<u32>,
}

impl Seen {
    fn read(&mut self, body: &FunctionBody<'_>) -> Result<(), MergeError> {
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            match reader.read()? {
                Operator::RefFunc { function_index } => {
                    self.referenced.insert(function_index);
                }
                // An atomic read needs its global to stay one.
                Operator::GlobalSet { global_index }
                | Operator::GlobalAtomicGet { global_index, .. }
                | Operator::GlobalAtomicSet { global_index, .. }
                | Operator::GlobalAtomicRmwAdd { global_index, .. }
                | Operator::GlobalAtomicRmwSub { global_index, .. }
                | Operator::GlobalAtomicRmwAnd { global_index, .. }
                | Operator::GlobalAtomicRmwOr { global_index, .. }
                | Operator::GlobalAtomicRmwXor { global_index, .. }
                | Operator::GlobalAtomicRmwXchg { global_index, .. }
                | Operator::GlobalAtomicRmwCmpxchg { global_index, .. } => {
                    self.set.insert(global_index);
                }
                operator => self.read_table(&operator),
            }
        }
        Ok(())
    }

    fn read_table(&mut self, operator: &Operator<'_>) {
        match *operator {
            Operator::TableSize { table } | Operator::TableGrow { table } => {
                self.measured.insert(table);
                self.handled.insert(table);
            }
            Operator::TableCopy {
                dst_table,
                src_table,
            } => {
                self.handled.extend([dst_table, src_table]);
            }
            Operator::TableGet { table }
            | Operator::TableSet { table }
            | Operator::TableFill { table }
            | Operator::TableInit { table, .. }
            | Operator::TableAtomicGet {
                table_index: table, ..
            }
            | Operator::TableAtomicSet {
                table_index: table, ..
            }
            | Operator::TableAtomicRmwXchg {
                table_index: table, ..
            }
            | Operator::TableAtomicRmwCmpxchg {
                table_index: table, ..
            } => {
                self.handled.insert(table);
            }
            _ => {}
        }
    }
}

/// The globals of the merged instances that have one value for ever; `kept` are those that are seen from outside.
pub(super) fn constants(
    graph: &Graph<'_>,
    plan: &Plan,
    usage: &Usage,
    kept: &HashSet<Definition>,
) -> Result<HashMap<Definition, Constant>, MergeError> {
    let mut constants = HashMap::new();
    for instance in plan.merged() {
        let (module, _) = graph.instantiated(instance)?;
        let imported = module.imported(Kind::Global)?;
        for (position, global) in (imported..).zip(module.globals.iter().flat_map(Clone::clone)) {
            let definition = Definition::Instance {
                instance,
                kind: Kind::Global,
                index: position,
            };
            let known = |index| {
                graph
                    .definition_in(instance, Kind::Global, index)
                    .ok()
                    .and_then(|global| constants.get(&global).copied())
            };
            let value = Constant::of(&global?.init_expr, known)?;
            if let Some(value) =
                value.filter(|_| !usage.set.contains(&definition) && !kept.contains(&definition))
            {
                constants.insert(definition, value);
            }
        }
    }
    Ok(constants)
}
