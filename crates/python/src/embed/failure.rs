//! How a call ended, as the exceptions of `wisp.errors`.

use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::{PyDict, PyType};
use wisp_host::embed::CallError;

use crate::error::{InstanceClosed, MemoryLimit, Timeout, Trap};

/// The exception for a call that ended its instance.
pub(crate) fn raise_call(py: Python<'_>, function: Option<&str>, error: &CallError) -> PyErr {
    let said = match function {
        Some(function) => format!("{function}: {error}"),
        None => error.to_string(),
    };
    match error {
        CallError::Trap {
            backtrace,
            stderr,
            thrown,
            ..
        } => {
            let trap = make(
                &Trap::type_object(py),
                &said,
                &[("backtrace", backtrace), ("stderr", stderr)],
            );
            let cause = thrown
                .as_ref()
                .and_then(|thrown| thrown.0.downcast_ref::<PyErr>());
            if let Some(cause) = cause {
                trap.set_cause(py, Some(cause.clone_ref(py)));
            }
            trap
        }
        CallError::Memory { stderr, .. } => {
            make(&MemoryLimit::type_object(py), &said, &[("stderr", stderr)])
        }
        CallError::Timeout { stderr, .. } => {
            make(&Timeout::type_object(py), &said, &[("stderr", stderr)])
        }
        _ => make(&InstanceClosed::type_object(py), &said, &[]),
    }
}

fn make(class: &Bound<'_, PyType>, message: &str, details: &[(&str, &str)]) -> PyErr {
    let named = PyDict::new(class.py());
    let made = details
        .iter()
        .try_for_each(|(name, value)| named.set_item(name, value))
        .and_then(|()| class.call((message,), Some(&named)));
    made.map_or_else(|error| error, PyErr::from_value)
}
