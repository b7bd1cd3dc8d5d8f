//! From Python to a guest. What does not fit says where, in WIT's names, and what would.

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use wisp_host::embed::{Numbers, TypeIndex, Value};

use super::handle::PyHandle;
use super::module;
use super::object::Object;
use super::plan::{Case, Field, Integer, Members, Plan, Record, Signature, Variant};
use crate::error::TypeMismatch;

/// A value that does not fit, with the way to it, innermost part first.
pub(crate) enum Unfit {
    Here {
        path: Vec<String>,
        message: String,
    },
    /// An exception of Python's own, raised by an object that was asked for its parts.
    Raised(PyErr),
}

impl Unfit {
    fn new(message: String) -> Self {
        Self::Here {
            path: Vec::new(),
            message,
        }
    }

    fn within(mut self, part: impl FnOnce() -> String) -> Self {
        if let Self::Here { path, .. } = &mut self {
            path.push(part());
        }
        self
    }

    /// The exception for it.
    pub(crate) fn raise(self, function: &str) -> PyErr {
        match self {
            Self::Raised(error) => error,
            Self::Here { path, message } => {
                let way: String = path.into_iter().rev().collect();
                let way = way.trim_start_matches('.');
                if way.is_empty() {
                    TypeMismatch::new_err(format!("{function}: {message}"))
                } else {
                    TypeMismatch::new_err(format!("{function}: {way}: {message}"))
                }
            }
        }
    }
}

impl From<PyErr> for Unfit {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

type Lowered<T = Value> = Result<T, Unfit>;

/// The arguments of a call, given by position or by name.
pub(crate) fn arguments(
    signature: &Signature,
    given: &Bound<'_, PyTuple>,
    named: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<Value>> {
    let mut values = Vec::with_capacity(signature.parameters.len());
    if given.len() > signature.parameters.len() {
        return Err(count(signature, given.len()));
    }
    for (place, parameter) in signature.parameters.iter().enumerate() {
        let object = match given.get_item(place) {
            Ok(object) => object,
            Err(_) => by_name(signature, parameter, named)?,
        };
        let value = lower(&parameter.plan, &object).map_err(|unfit| {
            unfit
                .within(|| parameter.wit.clone())
                .raise(&signature.name)
        })?;
        values.push(value);
    }
    match named {
        Some(named) if named.len() + given.len() > signature.parameters.len() => {
            Err(unknown(signature, named))
        }
        _ => Ok(values),
    }
}

fn by_name<'py>(
    signature: &Signature,
    parameter: &Field,
    named: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let found = match named {
        Some(named) => named.get_item(parameter.attribute.bind(named.py()))?,
        None => None,
    };
    found.ok_or_else(|| {
        TypeMismatch::new_err(format!(
            "{}: the argument `{}` is missing",
            signature.name, parameter.wit
        ))
    })
}

fn count(signature: &Signature, given: usize) -> PyErr {
    TypeMismatch::new_err(format!(
        "{}: {given} arguments were given, it takes {}",
        signature.name,
        signature.parameters.len()
    ))
}

fn unknown(signature: &Signature, named: &Bound<'_, PyDict>) -> PyErr {
    let takes: Vec<&str> = signature
        .parameters
        .iter()
        .map(|parameter| parameter.wit.as_str())
        .collect();
    let given: Vec<String> = named.keys().iter().map(|name| name.to_string()).collect();
    TypeMismatch::new_err(format!(
        "{}: an argument is given twice, or is not one of its parameters: given {}, it takes {}",
        signature.name,
        given.join(", "),
        takes.join(", ")
    ))
}

/// The value for an object.
pub(crate) fn lower(plan: &Plan, object: &Bound<'_, PyAny>) -> Lowered {
    match plan {
        Plan::Bool => match object.cast::<PyBool>() {
            Ok(value) => Ok(Value::Bool(value.is_true())),
            Err(_) => Err(expected("bool", object)),
        },
        Plan::Integer(kind) => integer(*kind, object),
        Plan::Word => module::word(object)
            .map(Value::S32)
            .map_err(|_| expected("i32", object)),
        Plan::LongWord => module::long_word(object)
            .map(Value::S64)
            .map_err(|_| expected("i64", object)),
        #[expect(clippy::cast_possible_truncation, reason = "it is what f32 means")]
        Plan::F32 => Ok(Value::F32(float("f32", object)? as f32)),
        Plan::F64 => Ok(Value::F64(float("f64", object)?)),
        Plan::Char => character(object),
        Plan::String => string(object).map(Value::String),
        Plan::Bytes => bytes(object).map(Value::Bytes),
        Plan::List(item) => list(item, object),
        Plan::Tuple(items) => tuple(items, object),
        Plan::Record(record) => fields(record, object),
        Plan::Variant(variant) => case(variant, object),
        Plan::Enum(members) => member(members, object).map(Value::Enum),
        Plan::Flags(members) => flags(members, object),
        Plan::Option { item, some } => option(item, some.as_ref(), object),
        Plan::Result { ok, err } => {
            if object.is_instance(ok.0.bind(object.py()))? {
                Ok(Value::Result(Ok(carried(ok.1.as_deref(), object)?)))
            } else if object.is_instance(err.0.bind(object.py()))? {
                Ok(Value::Result(Err(carried(err.1.as_deref(), object)?)))
            } else {
                Err(expected("a result: wisp.Ok or wisp.Err", object))
            }
        }
        Plan::Handle {
            resource,
            wit,
            owned,
            ..
        } => match PyHandle::of(object) {
            Some(handle) => handle
                .get()
                .pass(*resource, *owned)
                .map_err(|message| Unfit::new(format!("resource {wit}: {message}"))),
            None => Err(expected(&format!("resource {wit}"), object)),
        },
        Plan::Object {
            resource,
            class,
            wit,
            owned,
        } => hosted(class, *resource, wit, *owned, object),
        Plan::Passing(passing) => passing.give(object),
        Plan::Refused(what) => Err(Unfit::new(format!("a {what} cannot be passed from Python"))),
    }
}

/// An object of the class that implements a resource.
fn hosted(
    class: &Py<PyAny>,
    resource: TypeIndex,
    wit: &str,
    owned: bool,
    object: &Bound<'_, PyAny>,
) -> Lowered {
    let class = class.bind(object.py());
    if object.is_instance(class)? {
        return Ok(Object::give(object, resource, owned)?);
    }
    let class = class.repr()?;
    Err(expected(&format!("resource {wit}, a {class}"), object))
}

pub(super) fn expected(what: &str, object: &Bound<'_, PyAny>) -> Unfit {
    let found = object
        .get_type()
        .qualname()
        .map_or_else(|_| "something else".into(), |name| name.to_string());
    Unfit::new(format!("expected {what}, found {found}"))
}

fn integer(kind: Integer, object: &Bound<'_, PyAny>) -> Lowered {
    macro_rules! integers {
        ($($name:ident $variant:ident $rust:ty),*) => {
            match kind {
                $(Integer::$name => number::<$rust>(stringify!($rust), object).map(Value::$variant),)*
            }
        };
    }
    integers!(U8 U8 u8, U16 U16 u16, U32 U32 u32, U64 U64 u64, S8 S8 i8, S16 S16 i16, S32 S32 i32, S64 S64 i64)
}

/// An integer in its range. A `bool` is no number here, though Python says so.
fn number<T>(rust: &str, object: &Bound<'_, PyAny>) -> Lowered<T>
where
    T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr> + Bounds,
{
    let wit = rust.replace('i', "s");
    if object.is_instance_of::<PyBool>() {
        return Err(expected(&wit, object));
    }
    object.extract::<T>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(object.py()) {
            let (least, most) = (T::LEAST, T::MOST);
            Unfit::new(format!(
                "{object} does not fit {wit}, which is {least} to {most}"
            ))
        } else {
            expected(&wit, object)
        }
    })
}

/// The range of an integer type.
trait Bounds {
    const LEAST: i128;
    const MOST: i128;
}

macro_rules! bounds {
    ($($rust:ty),*) => {
        $(impl Bounds for $rust {
            const LEAST: i128 = <$rust>::MIN as i128;
            const MOST: i128 = <$rust>::MAX as i128;
        })*
    };
}
bounds!(u8, u16, u32, u64, i8, i16, i32, i64);

fn float(wit: &str, object: &Bound<'_, PyAny>) -> Lowered<f64> {
    if object.is_instance_of::<PyFloat>()
        || (object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyBool>())
    {
        return Ok(object.extract()?);
    }
    Err(expected(wit, object))
}

fn character(object: &Bound<'_, PyAny>) -> Lowered {
    let text = string(object)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(Value::Char(character)),
        _ => Err(Unfit::new(format!(
            "expected char, one character, found {} of them",
            text.chars().count()
        ))),
    }
}

fn string(object: &Bound<'_, PyAny>) -> Lowered<String> {
    match object.cast::<PyString>() {
        Ok(text) => text.to_str().map(str::to_owned).map_err(|_| {
            Unfit::new("expected string, found a lone surrogate, which Unicode text has not".into())
        }),
        Err(_) => Err(expected("string", object)),
    }
}

fn bytes(object: &Bound<'_, PyAny>) -> Lowered<Bytes> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
    }
    let buffer = PyBuffer::<u8>::get(object)
        .map_err(|_| expected("list<u8>: bytes, or another buffer of bytes", object))?;
    Ok(buffer.to_vec(object.py())?.into())
}

fn list(item: &Plan, object: &Bound<'_, PyAny>) -> Lowered {
    if object.is_instance_of::<PyString>() || object.is_instance_of::<PyDict>() {
        return Err(expected("list", object));
    }
    macro_rules! numbers {
        ($variant:ident, $each:expr) => {
            Ok(Value::Numbers(Numbers::$variant(each(object, $each)?)))
        };
    }
    match item {
        Plan::Integer(Integer::S8) => numbers!(S8, |object| number("i8", object)),
        Plan::Integer(Integer::S16) => numbers!(S16, |object| number("i16", object)),
        Plan::Integer(Integer::U16) => numbers!(U16, |object| number("u16", object)),
        Plan::Integer(Integer::S32) => numbers!(S32, |object| number("i32", object)),
        Plan::Integer(Integer::U32) => numbers!(U32, |object| number("u32", object)),
        Plan::Integer(Integer::S64) => numbers!(S64, |object| number("i64", object)),
        Plan::Integer(Integer::U64) => numbers!(U64, |object| number("u64", object)),
        #[expect(clippy::cast_possible_truncation, reason = "it is what f32 means")]
        Plan::F32 => numbers!(F32, |object| float("f32", object).map(|value| value as f32)),
        Plan::F64 => numbers!(F64, |object| float("f64", object)),
        item => Ok(Value::List(each(object, |object| lower(item, object))?)),
    }
}

/// Every element, with its place in what is said when one does not fit.
fn each<'py, T>(
    object: &Bound<'py, PyAny>,
    mut element: impl FnMut(&Bound<'py, PyAny>) -> Lowered<T>,
) -> Lowered<Vec<T>> {
    let mut values = Vec::with_capacity(object.len().unwrap_or(0));
    let mut add = |object: &Bound<'py, PyAny>| {
        let place = values.len();
        let value = element(object).map_err(|unfit| unfit.within(|| format!("[{place}]")))?;
        values.push(value);
        Ok::<(), Unfit>(())
    };
    if let Ok(list) = object.cast::<PyList>() {
        for object in list {
            add(&object)?;
        }
    } else {
        let iterator = object.try_iter().map_err(|_| expected("list", object))?;
        for object in iterator {
            add(&object?)?;
        }
    }
    Ok(values)
}

fn tuple(items: &[std::sync::Arc<Plan>], object: &Bound<'_, PyAny>) -> Lowered {
    let Ok(tuple) = object.cast::<PyTuple>() else {
        return Err(expected(&format!("tuple of {}", items.len()), object));
    };
    if tuple.len() != items.len() {
        return Err(Unfit::new(format!(
            "expected tuple of {}, found one of {}",
            items.len(),
            tuple.len()
        )));
    }
    let mut values = Vec::with_capacity(items.len());
    for (place, (item, object)) in items.iter().zip(tuple).enumerate() {
        let value = lower(item, &object);
        values.push(value.map_err(|unfit| unfit.within(|| format!(".{place}")))?);
    }
    Ok(Value::Tuple(values))
}

fn fields(record: &Record, object: &Bound<'_, PyAny>) -> Lowered {
    let py = object.py();
    let class = record.class.bind(py);
    if !object.get_type().is(class) && !object.is_instance(class)? {
        return Err(expected(&format!("record {}", record.wit), object));
    }
    let mut values = Vec::with_capacity(record.fields.len());
    for field in &record.fields {
        let part = object.getattr(field.attribute.bind(py))?;
        let value = lower(&field.plan, &part);
        values.push(value.map_err(|unfit| unfit.within(|| format!(".{}", field.wit)))?);
    }
    Ok(Value::Record(values))
}

fn case(variant: &Variant, object: &Bound<'_, PyAny>) -> Lowered {
    let py = object.py();
    let of = object.get_type();
    let mut cases = (0_u32..).zip(&variant.cases);
    let found = cases.find(|(_, case)| of.is(case.class.bind(py)));
    let Some((place, case)) = found else {
        let names: Vec<&str> = variant.cases.iter().map(|case| case.wit.as_str()).collect();
        let what = format!("variant {}, one of {}", variant.wit, names.join(", "));
        return Err(expected(&what, object));
    };
    Ok(Value::Variant {
        case: place,
        payload: payload(case, object)?,
    })
}

fn payload(case: &Case, object: &Bound<'_, PyAny>) -> Lowered<Option<Box<Value>>> {
    carried(case.plan.as_deref(), object).map_err(|unfit| unfit.within(|| format!(".{}", case.wit)))
}

/// What an object carries as its `value`, where its type has one.
fn carried(plan: Option<&Plan>, object: &Bound<'_, PyAny>) -> Lowered<Option<Box<Value>>> {
    let Some(plan) = plan else {
        return Ok(None);
    };
    let value = object.getattr(pyo3::intern!(object.py(), "value"))?;
    Ok(Some(Box::new(lower(plan, &value)?)))
}

fn member(members: &Members, object: &Bound<'_, PyAny>) -> Lowered<u32> {
    let py = object.py();
    let mut all = (0_u32..).zip(&members.all);
    all.find(|(_, member)| object.is(member.bind(py)))
        .map(|(place, _)| place)
        .ok_or_else(|| expected(&format!("enum {}", members.wit), object))
}

fn flags(members: &Members, object: &Bound<'_, PyAny>) -> Lowered {
    let py = object.py();
    if !object.is_instance(members.class.bind(py))? {
        return Err(expected(&format!("flags {}", members.wit), object));
    }
    let bits: u64 = object.getattr(pyo3::intern!(py, "_value_"))?.extract()?;
    let bits = u32::try_from(bits).map_err(|_| {
        Unfit::new(format!(
            "{object} has bits that flags {} has not",
            members.wit
        ))
    })?;
    Ok(Value::Flags(bits))
}

fn option(item: &Plan, some: Option<&Py<PyAny>>, object: &Bound<'_, PyAny>) -> Lowered {
    if object.is_none() {
        return Ok(Value::Option(None));
    }
    let value = match some {
        None => lower(item, object)?,
        Some(some) if object.is_instance(some.bind(object.py()))? => {
            let inner = object.getattr(pyo3::intern!(object.py(), "value"))?;
            lower(item, &inner)?
        }
        Some(_) => {
            let what = "wisp.Some or None, because it is an option of an option";
            return Err(expected(what, object));
        }
    };
    Ok(Value::Option(Some(Box::new(value))))
}
