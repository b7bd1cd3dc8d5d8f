//! Errors of the core as the exceptions that `wisp.errors` defines.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

pyo3::import_exception!(wisp.errors, ArtifactError);
pyo3::import_exception!(wisp.errors, ComponentError);
pyo3::import_exception!(wisp.errors, GuestError);
pyo3::import_exception!(wisp.errors, HostError);
pyo3::import_exception!(wisp.errors, WitError);
pyo3::import_exception!(wisp.errors, InstanceClosed);
pyo3::import_exception!(wisp.errors, LinkError);
pyo3::import_exception!(wisp.errors, MemoryLimit);
pyo3::import_exception!(wisp.errors, Timeout);
pyo3::import_exception!(wisp.errors, Trap);
pyo3::import_exception!(wisp.errors, TypeMismatch);

/// The Python exception for an error of the core.
pub(crate) fn raise(error: &wisp_host::HostError) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        "artifact" => ArtifactError::new_err(message),
        "link" => LinkError::new_err(message),
        "component" | "trap" => ComponentError::new_err(message),
        _ => HostError::new_err(message),
    }
}

/// The `OSError` for an error of the system, with its number: `PyO3`'s own has only the text.
pub(crate) fn system(error: &std::io::Error) -> PyErr {
    let message = error.to_string();
    match error.raw_os_error() {
        Some(number) => PyOSError::new_err((number, message)),
        None => PyOSError::new_err(message),
    }
}

/// The `WitError` with its place; or what went wrong while it was made.
pub(crate) fn wit(py: Python<'_>, error: wisp_host::wit::WitError) -> PyErr {
    let arguments = PyDict::new(py);
    let made = arguments
        .set_item("hint", error.hint)
        .and_then(|()| arguments.set_item("path", error.path))
        .and_then(|()| arguments.set_item("line", error.line))
        .and_then(|()| arguments.set_item("column", error.column))
        .and_then(|()| {
            py.get_type::<WitError>()
                .call((error.message,), Some(&arguments))
        });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}
