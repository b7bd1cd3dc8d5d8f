//! Finds the globals that have one value for ever.
//!
//! Libraries that are linked at instantiation take the place of their data and functions from globals of another module. Once
//! these modules are one, each of these globals is either a constant or a variable that no code ever sets.

use std::collections::{HashMap, HashSet};

use wasm_encoder::Instruction;
use wasmparser::{ConstExpr, Operator};

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
    pub(super) fn of(expression: &ConstExpr<'_>, global: impl Fn(u32) -> Option<Self>) -> Result<Option<Self>, MergeError> {
        let mut stack = Vec::new();
        for operator in expression.get_operators_reader() {
            let operator = operator?;
            let value = match operator {
                Operator::End => break,
                Operator::I32Const { value } => Some(Self::I32(value)),
                Operator::I64Const { value } => Some(Self::I64(value)),
                Operator::GlobalGet { global_index } => global(global_index),
                operator => stack.pop().zip(stack.pop()).and_then(|(right, left)| Self::combine(&operator, left, right)),
            };
            let Some(value) = value else { return Ok(None) };
            stack.push(value);
        }
        Ok(stack.pop())
    }

    fn combine(operator: &Operator<'_>, left: Self, right: Self) -> Option<Self> {
        match (operator, left, right) {
            (Operator::I32Add, Self::I32(left), Self::I32(right)) => Some(Self::I32(left.wrapping_add(right))),
            (Operator::I32Sub, Self::I32(left), Self::I32(right)) => Some(Self::I32(left.wrapping_sub(right))),
            (Operator::I32Mul, Self::I32(left), Self::I32(right)) => Some(Self::I32(left.wrapping_mul(right))),
            (Operator::I64Add, Self::I64(left), Self::I64(right)) => Some(Self::I64(left.wrapping_add(right))),
            (Operator::I64Sub, Self::I64(left), Self::I64(right)) => Some(Self::I64(left.wrapping_sub(right))),
            (Operator::I64Mul, Self::I64(left), Self::I64(right)) => Some(Self::I64(left.wrapping_mul(right))),
            _ => None,
        }
    }
}

/// What the code of the merged instances does with globals and functions.
#[derive(Default)]
pub(super) struct Usage {
    /// Globals that code sets.
    set: HashSet<Definition>,
    /// Functions of which code takes a reference, as (instance, function).
    pub(super) referenced: Vec<(u32, u32)>,
}

impl Usage {
    /// Reads all code of the merged instances.
    pub(super) fn of(graph: &Graph<'_>, plan: &Plan) -> Result<Self, MergeError> {
        let mut usage = Self::default();
        for instance in plan.merged() {
            let mut set = HashSet::new();
            let mut referenced = HashSet::new();
            for body in &graph.instantiated(instance)?.0.bodies {
                read_operators(body, &mut set, &mut referenced)?;
            }
            for global in set {
                usage.set.insert(graph.definition_in(instance, Kind::Global, global)?);
            }
            let mut referenced: Vec<u32> = referenced.into_iter().collect();
            referenced.sort_unstable();
            usage.referenced.extend(referenced.into_iter().map(|function| (instance, function)));
        }
        Ok(usage)
    }
}

fn read_operators(body: &wasmparser::FunctionBody<'_>, set: &mut HashSet<u32>, referenced: &mut HashSet<u32>) -> Result<(), MergeError> {
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        match reader.read()? {
            Operator::RefFunc { function_index } => {
                referenced.insert(function_index);
            }
            Operator::GlobalSet { global_index }
            | Operator::GlobalAtomicSet { global_index, .. }
            | Operator::GlobalAtomicRmwAdd { global_index, .. }
            | Operator::GlobalAtomicRmwSub { global_index, .. }
            | Operator::GlobalAtomicRmwAnd { global_index, .. }
            | Operator::GlobalAtomicRmwOr { global_index, .. }
            | Operator::GlobalAtomicRmwXor { global_index, .. }
            | Operator::GlobalAtomicRmwXchg { global_index, .. }
            | Operator::GlobalAtomicRmwCmpxchg { global_index, .. } => {
                set.insert(global_index);
            }
            // An atomic read needs its global to stay one.
            Operator::GlobalAtomicGet { global_index, .. } => {
                set.insert(global_index);
            }
            _ => {}
        }
    }
    Ok(())
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
            let definition = Definition::Instance { instance, kind: Kind::Global, index: position };
            let known = |index| graph.definition_in(instance, Kind::Global, index).ok().and_then(|global| constants.get(&global).copied());
            let value = Constant::of(&global?.init_expr, known)?;
            if let Some(value) = value.filter(|_| !usage.set.contains(&definition) && !kept.contains(&definition)) {
                constants.insert(definition, value);
            }
        }
    }
    Ok(constants)
}
