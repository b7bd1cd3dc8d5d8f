//! The seam: what Python may ask of the core. Translation only; no domain logic.
//!
//! Everything that takes time runs with the interpreter released. Values cross as JSON and bytes.

mod bindings;
mod embed;
mod error;
mod host;
mod tools;
mod wit;

use pyo3::prelude::*;

/// The extension module `wisp._core`; `wisp.native` is its only importer.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::bindings::bindings;
    #[pymodule_export]
    use super::embed::{
        PyCall, PyChunks, PyComponent, PyEmbedding, PyFeed, PyFunction, PyHandle, PyInstance,
        PyModule, PyModuleInstance, PyWorld, ending, forked,
    };
    #[pymodule_export]
    use super::host::PyHost;
    #[pymodule_export]
    use super::tools::{
        check_link, compile, compose, encode, engine_key, inspect, interfaces, merge,
        preview1_to_component, run_command, version,
    };
    #[pymodule_export]
    use super::wit::{wit_check, wit_decode, wit_read, wit_try_link, wit_try_world};
}
