//! The type of a function, and whether values fit it.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::component::types::ComponentFunc;

use super::{Type, Value};

/// Core values that a call passes without memory, at most (Canonical ABI, `MAX_FLAT_PARAMS`).
pub(super) const MOST_FLAT: usize = 16;
/// Bytes of a signature's digest: enough that no two signatures of one interface have the same by chance.
const DIGEST: usize = 12;

/// The names and types of a function's parameters, and the type of its result.
///
/// Two are equal when a call of one can be answered by the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    parameters: Box<[(Box<str>, Type)]>,
    result: Option<Type>,
    asynchronous: bool,
    flat_parameters: Option<usize>,
    flat_result: Option<usize>,
}

/// A value that does not fit its type: where, what was expected, and what was found.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{path}expected {expected}, found {found}")]
pub struct Mismatch {
    path: String,
    expected: String,
    found: String,
}

impl Mismatch {
    fn new(expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self {
            path: String::new(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn within(mut self, place: impl fmt::Display) -> Self {
        self.path = format!("{place}: {}", self.path);
        self
    }
}

impl Signature {
    /// The signature of a function that a component exports or imports.
    pub fn of(function: &ComponentFunc) -> Self {
        let parameters: Box<[(Box<str>, Type)]> = function
            .params()
            .map(|(name, ty)| (name.into(), Type::of(&ty)))
            .collect();
        let result = function.results().next().map(|ty| Type::of(&ty));
        let flat_parameters = parameters
            .iter()
            .try_fold(0, |sum, (_, ty)| Some(sum + ty.flat_count()?))
            .filter(|count| *count <= MOST_FLAT);
        let flat_result = result.as_ref().map_or(Some(0), Type::flat_count);
        Self {
            parameters,
            result,
            asynchronous: function.async_(),
            flat_parameters,
            flat_result,
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> &[(Box<str>, Type)] {
        &self.parameters
    }

    /// The type of the result, where there is one.
    pub fn result(&self) -> Option<&Type> {
        self.result.as_ref()
    }

    /// Whether WIT says `async func`.
    pub fn asynchronous(&self) -> bool {
        self.asynchronous
    }

    /// All types of parameters and result.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        self.parameters
            .iter()
            .map(|(_, ty)| ty)
            .chain(self.result.as_ref())
    }

    /// A short digest of all that makes two signatures equal, for a comparison with one on another host.
    pub fn digest(&self) -> String {
        let mut text = if self.asynchronous {
            "async(".to_owned()
        } else {
            "(".to_owned()
        };
        for (name, ty) in &self.parameters {
            let _ = write!(text, "{name}:");
            ty.describe(&mut text);
            text.push(',');
        }
        text.push(')');
        if let Some(ty) = &self.result {
            ty.describe(&mut text);
        }
        let digest = Sha256::digest(text);
        let mut short = String::with_capacity(2 * DIGEST);
        for byte in digest.iter().take(DIGEST) {
            let _ = write!(short, "{byte:02x}");
        }
        short
    }

    /// Whether a call can be made with these arguments; the first that cannot be passed is named.
    pub fn check_arguments(&self, arguments: &[Value]) -> Result<(), Mismatch> {
        if arguments.len() != self.parameters.len() {
            let (expected, found) = (self.parameters.len(), arguments.len());
            return Err(Mismatch::new(format!("{expected} arguments"), found));
        }
        for ((name, ty), value) in self.parameters.iter().zip(arguments) {
            check(ty, value).map_err(|error| error.within(format_args!("argument {name}")))?;
        }
        Ok(())
    }

    /// Whether the function can give this result.
    pub fn check_result(&self, result: Option<&Value>) -> Result<(), Mismatch> {
        match (&self.result, result) {
            (Some(ty), Some(value)) => check(ty, value).map_err(|error| error.within("result")),
            (None, None) => Ok(()),
            (Some(ty), None) => Err(Mismatch::new(ty, "no result")),
            (None, Some(value)) => Err(Mismatch::new("no result", value.kind())),
        }
    }

    /// Core values that hold the parameters; `None` when they are passed in memory.
    pub(super) fn flat_parameters(&self) -> Option<usize> {
        self.flat_parameters
    }

    /// Core values that hold the result, of at most `most`; otherwise it is in memory.
    pub(super) fn flat_result(&self, most: usize) -> Option<usize> {
        self.flat_result.filter(|count| *count <= most)
    }
}

/// As WIT writes it: `func(packet: record { id, level }) -> u32`.
impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.asynchronous {
            "async func"
        } else {
            "func"
        };
        let parameters: Vec<String> = self
            .parameters
            .iter()
            .map(|(name, ty)| format!("{name}: {ty}"))
            .collect();
        write!(formatter, "{word}({})", parameters.join(", "))?;
        match &self.result {
            Some(ty) => write!(formatter, " -> {ty}"),
            None => Ok(()),
        }
    }
}

fn check(ty: &Type, value: &Value) -> Result<(), Mismatch> {
    match (ty, value) {
        (Type::Bool, Value::Bool(_))
        | (Type::S8, Value::S8(_))
        | (Type::U8, Value::U8(_))
        | (Type::S16, Value::S16(_))
        | (Type::U16, Value::U16(_))
        | (Type::S32, Value::S32(_))
        | (Type::U32, Value::U32(_))
        | (Type::S64, Value::S64(_))
        | (Type::U64, Value::U64(_))
        | (Type::F32, Value::F32(_))
        | (Type::F64, Value::F64(_))
        | (Type::Char, Value::Char(_))
        | (Type::String, Value::String(_))
        | (Type::Stream(_), Value::Stream(_))
        | (Type::Future(_), Value::Future(_))
        | (Type::Own(_) | Type::Borrow(_), Value::Resource(_)) => Ok(()),
        (Type::List(element), _) => check_list(ty, element, value),
        (Type::Record(_) | Type::Tuple(_), _) => check_parts(ty, value),
        _ => check_case(ty, value),
    }
}

fn check_list(ty: &Type, element: &Type, value: &Value) -> Result<(), Mismatch> {
    match value {
        Value::Bytes(_) if *element == Type::U8 => Ok(()),
        Value::Numbers(numbers) if numbers.element() == *element => Ok(()),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                check(element, item).map_err(|error| error.within(format_args!("item {index}")))?;
            }
            Ok(())
        }
        other => Err(Mismatch::new(ty, other.kind())),
    }
}

fn check_parts(ty: &Type, value: &Value) -> Result<(), Mismatch> {
    match (ty, value) {
        (Type::Record(fields), Value::Record(values)) if fields.len() == values.len() => {
            for ((name, ty), value) in fields.iter().zip(values) {
                check(ty, value).map_err(|error| error.within(format_args!("field {name}")))?;
            }
            Ok(())
        }
        (Type::Tuple(members), Value::Tuple(values)) if members.len() == values.len() => {
            for (index, (ty, value)) in members.iter().zip(values).enumerate() {
                check(ty, value).map_err(|error| error.within(format_args!("member {index}")))?;
            }
            Ok(())
        }
        (_, Value::Record(values) | Value::Tuple(values)) => {
            let (kind, count) = (value.kind(), values.len());
            Err(Mismatch::new(ty, format!("{kind} of {count}")))
        }
        (_, other) => Err(Mismatch::new(ty, other.kind())),
    }
}

fn check_case(ty: &Type, value: &Value) -> Result<(), Mismatch> {
    let found = || Mismatch::new(ty, value.kind());
    let position = |case: u32| usize::try_from(case).unwrap_or(usize::MAX);
    match (ty, value) {
        (Type::Variant(cases), Value::Variant { case, payload }) => {
            let Some((name, ty)) = cases.get(position(*case)) else {
                return Err(Mismatch::new(ty, format!("case {case}")));
            };
            check_payload(ty.as_ref(), payload.as_deref())
                .map_err(|error| error.within(format_args!("case {name}")))
        }
        (Type::Enum(names), Value::Enum(case)) if position(*case) < names.len() => Ok(()),
        (Type::Enum(_), Value::Enum(case)) => Err(Mismatch::new(ty, format!("case {case}"))),
        (Type::Flags(names), Value::Flags(bits)) => {
            if bits
                .checked_shr(u32::try_from(names.len()).unwrap_or(u32::MAX))
                .unwrap_or(0)
                == 0
            {
                Ok(())
            } else {
                Err(Mismatch::new(ty, format!("flags {bits:#x}")))
            }
        }
        (Type::Option(_), Value::Option(None)) => Ok(()),
        (Type::Option(ty), Value::Option(Some(some))) => check(ty, some),
        (Type::Result(ok, _), Value::Result(Ok(value))) => {
            check_payload(ok.as_deref(), value.as_deref()).map_err(|error| error.within("ok"))
        }
        (Type::Result(_, err), Value::Result(Err(value))) => {
            check_payload(err.as_deref(), value.as_deref()).map_err(|error| error.within("err"))
        }
        _ => Err(found()),
    }
}

fn check_payload(ty: Option<&Type>, value: Option<&Value>) -> Result<(), Mismatch> {
    match (ty, value) {
        (Some(ty), Some(value)) => check(ty, value),
        (None, None) => Ok(()),
        (Some(ty), None) => Err(Mismatch::new(ty, "nothing")),
        (None, Some(value)) => Err(Mismatch::new("nothing", value.kind())),
    }
}
