//! Tools for components: what one is, how one is made, compiled and run.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use wisp_host::{CommandOptions, HostError, Profile, Strategy};

use crate::error::{ComponentError, raise, system};

/// The version of the core.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// A word of the control plane as one of the core's enumerations.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> PyResult<T> {
    serde_json::from_value(text.into()).map_err(|error| raise(&HostError::from(error)))
}

fn json<T: serde::Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| raise(&HostError::from(error)))
}

fn component_error(error: impl std::fmt::Display) -> PyErr {
    ComponentError::new_err(error.to_string())
}

/// Name of the folder of artifacts for this engine and compiler.
#[pyfunction]
pub(crate) fn engine_key(py: Python<'_>, profile: &str, strategy: &str) -> PyResult<String> {
    let profile = word::<Profile>(profile)?;
    let strategy = word::<Strategy>(strategy)?;
    py.detach(|| wisp_host::engine_key(profile, strategy))
        .map_err(|error| raise(&error))
}

/// What a WebAssembly file is, as JSON.
#[pyfunction]
pub(crate) fn inspect(py: Python<'_>, wasm: &[u8]) -> PyResult<String> {
    let inspection = py
        .detach(|| wisp_host::inspect(wasm))
        .map_err(component_error)?;
    json(&inspection)
}

/// Makes a component of a core module.
#[pyfunction]
pub(crate) fn encode(
    py: Python<'_>,
    core: &[u8],
    wit: &str,
    world: &str,
    adapter: &str,
) -> PyResult<Vec<u8>> {
    let adapter = word::<wisp_host::Adapter>(adapter)?;
    let wit = (!wit.is_empty()).then(|| PathBuf::from(wit));
    py.detach(|| wisp_host::encode(core, wit.as_deref(), world, adapter))
        .map_err(component_error)
}

/// Makes a command component of a preview-1 program.
#[pyfunction]
pub(crate) fn preview1_to_component(py: Python<'_>, core: &[u8]) -> PyResult<Vec<u8>> {
    py.detach(|| wisp_host::preview1_to_component(core))
        .map_err(component_error)
}

/// Merges the core modules of a component into one.
#[pyfunction]
pub(crate) fn merge(py: Python<'_>, component: &[u8]) -> PyResult<Vec<u8>> {
    py.detach(|| wisp_host::merge(component))
        .map_err(component_error)
}

/// Composes components into one, as a description in JSON says.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a list from Python is a value of its own"
)]
pub(crate) fn compose(
    py: Python<'_>,
    composition: &str,
    components: Vec<PyBackedBytes>,
) -> PyResult<Vec<u8>> {
    let composition = serde_json::from_str::<wisp_host::Composition>(composition)
        .map_err(|error| raise(&HostError::from(error)))?;
    py.detach(|| wisp_host::compose(&composition, &components))
        .map_err(component_error)
}

/// Refuses two components, each with its name, that do not fit together through an interface.
#[pyfunction]
pub(crate) fn check_link(
    py: Python<'_>,
    consumer: (&str, &[u8]),
    interface: &str,
    provider: (&str, &[u8]),
) -> PyResult<()> {
    py.detach(|| wisp_host::check_link(consumer, interface, provider))
        .map_err(component_error)
}

/// The interfaces through which a component can be linked, as JSON.
#[pyfunction]
pub(crate) fn interfaces(py: Python<'_>, name: &str, component: &[u8]) -> PyResult<String> {
    let found = py
        .detach(|| wisp_host::interfaces(name, component))
        .map_err(component_error)?;
    json(&found)
}

/// Compiles a component for the engine that it needs and writes the artifact; gives its record as JSON.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a path from Python is a value of its own"
)]
pub(crate) fn compile(
    py: Python<'_>,
    wasm_path: PathBuf,
    artifact_path: PathBuf,
    strategy: &str,
) -> PyResult<String> {
    let strategy = word::<Strategy>(strategy)?;
    let record = py.detach(|| -> PyResult<_> {
        let wasm = std::fs::read(&wasm_path).map_err(|error| system(&error))?;
        let inspection = wisp_host::inspect(&wasm).map_err(component_error)?;
        let profile = inspection.profile;
        let resources = inspection.resources;
        let artifact = wisp_host::compile(&wasm, profile, strategy).map_err(|error| raise(&error))?;
        std::fs::write(&artifact_path, artifact).map_err(|error| system(&error))?;
        let engine_key = wisp_host::engine_key(profile, strategy).map_err(|error| raise(&error))?;
        Ok(serde_json::json!({ "profile": profile, "engine_key": engine_key, "resources": resources }))
    })?;
    json(&record)
}

/// Runs a command component with the standard streams of this process; gives its exit code.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, options: &str) -> PyResult<i32> {
    let options: CommandOptions =
        serde_json::from_str(options).map_err(|error| raise(&HostError::from(error)))?;
    py.detach(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let code = runtime
            .block_on(wisp_host::run_command(&options))
            .map_err(|error| raise(&error));
        // A read of standard input that nobody will answer must not keep the process.
        runtime.shutdown_background();
        code
    })
}
