//! From a guest to Python.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyList, PyString, PyTuple};
use wisp_host::embed::{Numbers, Value};

use super::handle::PyHandle;
use super::instance::PyInstance;
use super::object::Object;
use super::plan::{Members, Plan, Record, Returns, Signature, Variant};

/// Whose values these are: handles belong to an instance.
pub(crate) type Owner<'a> = Option<&'a Py<PyInstance>>;

/// What a call gives to Python; the error of a result is raised.
pub(crate) fn returned<'py>(
    py: Python<'py>,
    signature: &Signature,
    value: Option<Value>,
    owner: Owner<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let none = || py.None().into_bound(py);
    match (&signature.returns, value) {
        (Returns::Value(plan), Some(value)) => lift(py, plan, value, owner),
        (Returns::Fallible { ok, .. }, Some(Value::Result(Ok(value)))) => {
            optional(py, ok.as_deref(), value, owner)
        }
        (Returns::Fallible { err, exception, .. }, Some(Value::Result(Err(value)))) => {
            let value = optional(py, err.as_deref(), value, owner)?;
            let error = exception.bind(py).call1((value, &signature.name))?;
            Err(PyErr::from_value(error))
        }
        _ => Ok(none()),
    }
}

fn optional<'py>(
    py: Python<'py>,
    plan: Option<&Plan>,
    value: Option<Box<Value>>,
    owner: Owner<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    match (plan, value) {
        (Some(plan), Some(value)) => lift(py, plan, *value, owner),
        _ => Ok(py.None().into_bound(py)),
    }
}

/// The object for a value.
pub(crate) fn lift<'py>(
    py: Python<'py>,
    plan: &Plan,
    value: Value,
    owner: Owner<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    match (plan, value) {
        (_, Value::Bool(value)) => value.into_bound_py_any(py),
        (_, Value::S8(value)) => value.into_bound_py_any(py),
        (_, Value::U8(value)) => value.into_bound_py_any(py),
        (_, Value::S16(value)) => value.into_bound_py_any(py),
        (_, Value::U16(value)) => value.into_bound_py_any(py),
        (_, Value::S32(value)) => value.into_bound_py_any(py),
        (_, Value::U32(value)) => value.into_bound_py_any(py),
        (_, Value::S64(value)) => value.into_bound_py_any(py),
        (_, Value::U64(value)) => value.into_bound_py_any(py),
        (_, Value::F32(value)) => Ok(PyFloat::new(py, value.into()).into_any()),
        (_, Value::F64(value)) => Ok(PyFloat::new(py, value).into_any()),
        (_, Value::Char(value)) => value.into_bound_py_any(py),
        (_, Value::String(value)) => Ok(PyString::new(py, &value).into_any()),
        (_, Value::Bytes(value)) => Ok(PyBytes::new(py, &value).into_any()),
        (_, Value::Numbers(values)) => numbers(py, values),
        (plan, value) => compound(py, plan, value, owner),
    }
}

fn compound<'py>(
    py: Python<'py>,
    plan: &Plan,
    value: Value,
    owner: Owner<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    match (plan, value) {
        (Plan::List(item), Value::List(values)) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(lift(py, item, value, owner)?)?;
            }
            Ok(list.into_any())
        }
        (Plan::Tuple(items), Value::Tuple(values)) => {
            let mut parts = Vec::with_capacity(values.len());
            for (item, value) in items.iter().zip(values) {
                parts.push(lift(py, item, value, owner)?);
            }
            Ok(PyTuple::new(py, parts)?.into_any())
        }
        (Plan::Record(record), Value::Record(values)) => fields(py, record, values, owner),
        (Plan::Variant(variant), Value::Variant { case, payload }) => {
            of_case(py, variant, case, payload, owner)
        }
        (Plan::Enum(members), Value::Enum(place)) => member(py, members, place),
        (Plan::Flags(members), Value::Flags(bits)) => members.class.bind(py).call1((bits,)),
        (Plan::Option { item, some }, Value::Option(value)) => {
            let Some(value) = value else {
                return Ok(py.None().into_bound(py));
            };
            let inner = lift(py, item, *value, owner)?;
            match some {
                Some(some) => some.bind(py).call1((inner,)),
                None => Ok(inner),
            }
        }
        (Plan::Result { ok, err }, Value::Result(value)) => {
            let ((class, plan), value) = match value {
                Ok(value) => (ok, value),
                Err(value) => (err, value),
            };
            let inner = optional(py, plan.as_deref(), value, owner)?;
            class.bind(py).call1((inner,))
        }
        (
            Plan::Handle {
                resource, class, ..
            },
            Value::Resource(handle),
        ) => {
            let Some(owner) = owner else {
                return Err(wrong("a handle came from nowhere"));
            };
            let handle = PyHandle::new(handle, *resource, owner.clone_ref(py));
            class.bind(py).call1((Bound::new(py, handle)?,))
        }
        (Plan::Object { .. }, Value::Given(given)) => {
            Object::of(py, &given).ok_or_else(|| wrong("a handle is of no object of Python's"))
        }
        (Plan::Passing(passing), Value::Given(given)) => {
            passing.take(py, &given, owner.map(|owner| owner.get().blocking()))
        }
        (Plan::Refused(what), _) => Err(wrong(&format!("a {what} cannot be passed to Python"))),
        (plan, value) => Err(wrong(&format!("{value:?} is not of the type {plan:?}"))),
    }
}

fn wrong(message: &str) -> PyErr {
    PyValueError::new_err(message.to_owned())
}

fn numbers(py: Python<'_>, values: Numbers) -> PyResult<Bound<'_, PyAny>> {
    let list = match values {
        Numbers::S8(values) => PyList::new(py, values),
        Numbers::S16(values) => PyList::new(py, values),
        Numbers::U16(values) => PyList::new(py, values),
        Numbers::S32(values) => PyList::new(py, values),
        Numbers::U32(values) => PyList::new(py, values),
        Numbers::S64(values) => PyList::new(py, values),
        Numbers::U64(values) => PyList::new(py, values),
        Numbers::F32(values) => PyList::new(py, values),
        Numbers::F64(values) => PyList::new(py, values),
    };
    Ok(list?.into_any())
}

fn fields<'py>(
    py: Python<'py>,
    record: &Record,
    values: Vec<Value>,
    owner: Owner<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    if let Some(plain) = &record.plain {
        let object = plain.begin(py)?;
        for (field, value) in record.fields.iter().zip(values) {
            object.set(&field.attribute, &lift(py, &field.plan, value, owner)?)?;
        }
        return Ok(object.finish());
    }
    let mut parts = Vec::with_capacity(values.len());
    for (field, value) in record.fields.iter().zip(values) {
        parts.push(lift(py, &field.plan, value, owner)?);
    }
    record.class.bind(py).call1(PyTuple::new(py, parts)?)
}

fn of_case<'py>(
    py: Python<'py>,
    variant: &Variant,
    place: u32,
    payload: Option<Box<Value>>,
    owner: Owner<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(case) = variant.cases.get(place as usize) else {
        return Err(wrong("a variant has a case that its type has not"));
    };
    match (&case.plan, payload) {
        (Some(plan), Some(value)) => case.class.bind(py).call1((lift(py, plan, *value, owner)?,)),
        _ => case.class.bind(py).call0(),
    }
}

fn member<'py>(py: Python<'py>, members: &Members, place: u32) -> PyResult<Bound<'py, PyAny>> {
    match members.all.get(place as usize) {
        Some(member) => Ok(member.bind(py).clone()),
        None => Err(wrong("an enum has a case that its type has not")),
    }
}
