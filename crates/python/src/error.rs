//! Errors of the core as the exceptions that `wisp.errors` defines.

use pyo3::PyErr;

pyo3::import_exception!(wisp.errors, ArtifactError);
pyo3::import_exception!(wisp.errors, ComponentError);
pyo3::import_exception!(wisp.errors, HostError);

/// The Python exception for an error of the core.
pub(crate) fn raise(error: &wisp_host::HostError) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        "artifact" => ArtifactError::new_err(message),
        "component" | "trap" => ComponentError::new_err(message),
        _ => HostError::new_err(message),
    }
}
