//! WIT: read, checked, and tried. Documents cross as JSON.
#![expect(
    clippy::needless_pass_by_value,
    reason = "a path from Python is a value of its own"
)]

use std::path::PathBuf;

use pyo3::prelude::*;
use wisp_host::wit::{self, Wit, WitError};

use crate::error;

/// Runs `work` with the interpreter released, and raises what goes wrong.
fn released<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, WitError> + Send,
) -> PyResult<T> {
    py.detach(work).map_err(|failed| error::wit(py, failed))
}

/// Reads a folder with WIT, a file with WIT, an encoded package, or a component.
#[pyfunction]
pub(crate) fn wit_read(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    released(py, || Wit::read(&path)?.to_json())
}

/// Reads an encoded package or a component.
#[pyfunction]
pub(crate) fn wit_decode(py: Python<'_>, wasm: &[u8]) -> PyResult<String> {
    released(py, || Wit::decode(wasm)?.to_json())
}

/// Raises unless a component fits a world.
#[pyfunction]
pub(crate) fn wit_check(
    py: Python<'_>,
    component: &[u8],
    path: PathBuf,
    world: &str,
) -> PyResult<()> {
    released(py, || wit::check(component, &Wit::read(&path)?, world))
}

/// Raises unless a component that imports all of `importer` links to one that exports all of `exporter`.
#[pyfunction]
pub(crate) fn wit_try_link(py: Python<'_>, exporter: PathBuf, importer: PathBuf) -> PyResult<()> {
    released(py, || {
        wit::try_link(&Wit::read(&exporter)?, &Wit::read(&importer)?)
    })
}

/// Raises unless a component of the world of `given` runs where that of `wanted` is meant.
#[pyfunction]
pub(crate) fn wit_try_world(
    py: Python<'_>,
    given: PathBuf,
    wanted: PathBuf,
    world: &str,
) -> PyResult<()> {
    released(py, || {
        wit::try_world(&Wit::read(&given)?, &Wit::read(&wanted)?, world)
    })
}
