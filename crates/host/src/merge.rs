//! Merges the core modules of a component into one.
//!
//! A component that links its libraries at instantiation (what componentize-py builds: 14 core modules that share one
//! memory and one function table) is slow to instantiate: each module becomes an instance of its own, and the table is filled
//! function by function, because the offsets of the element segments are globals of another module. Here the modules become
//! one, and these offsets become constants, so that the table and the memory are images that are mapped when they are used.
//!
//! The component around the modules stays what it is, byte for byte where that is possible: its types, imports, exports,
//! lifts and lowers. That is why any world can be merged, asynchronous ones too. The steps, one file each:
//!
//! 1. [`graph`] reads the component: modules, core instances, aliases, canonical functions.
//! 2. [`module`] reads each core module.
//! 3. [`plan`] says what each import of each module is in truth, and which instances can be one. A canonical function
//!    that uses the memory of an instance can only be made after it: instances that import such a function (the one that fills the
//!    table of trampolines) stay apart and come later, and those that a resource's destructor needs come earlier.
//! 4. [`fold`] finds the globals that never change.
//! 5. [`tables`] makes one table of two, because many hosts allow an instance only one.
//! 6. [`assemble`] gives each thing its new index in the one module, [`sections`] writes it, with [`renumber`] at each use.
//! 7. [`emit`] writes the component with it.

mod assemble;
mod emit;
mod fold;
mod graph;
mod module;
mod plan;
mod renumber;
mod sections;
mod tables;

use wasmparser::{Validator, WasmFeatures};

/// Why the modules of a component were not merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// These bytes are not a valid component.
    #[error("not a valid component: {0}")]
    Invalid(String),
    /// The component is valid, and has a shape that merging would change; it can be used as it is.
    #[error("the modules of this component cannot be merged: {0}")]
    Unmergeable(String),
}

impl MergeError {
    fn invalid(message: impl std::fmt::Display) -> Self {
        Self::Invalid(message.to_string())
    }

    fn unmergeable(message: impl std::fmt::Display) -> Self {
        Self::Unmergeable(message.to_string())
    }
}

impl From<wasmparser::Error> for MergeError {
    fn from(error: wasmparser::Error) -> Self {
        Self::invalid(error)
    }
}

/// The result of re-encoding a part with the error of this module.
type Reencoded<T> = Result<T, wasm_encoder::reencode::Error<MergeError>>;

impl From<wasm_encoder::reencode::Error<MergeError>> for MergeError {
    fn from(error: wasm_encoder::reencode::Error<MergeError>) -> Self {
        match error {
            wasm_encoder::reencode::Error::UserError(error) => error,
            other => Self::unmergeable(other),
        }
    }
}

/// Merges the core modules of `component` into one; the component does the same as before.
///
/// A component with fewer than two modules that could be merged comes back as it is.
pub fn merge(component: &[u8]) -> Result<Vec<u8>, MergeError> {
    let graph = graph::Graph::read(component)?;
    let plan = plan::Plan::new(&graph)?;
    if plan.merged().count() < 2 {
        return Ok(component.to_vec());
    }
    let merged = emit::emit(&graph, &plan)?;
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&merged)
        .map_err(|error| {
            MergeError::unmergeable(format_args!("the result is not valid: {error}"))
        })?;
    Ok(merged)
}
