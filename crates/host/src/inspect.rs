//! What a WebAssembly file is, without compiling it: its kind, its world, and what one instance of it takes.
//!
//! The structure is validated, function bodies are not (compilation does that), so that this takes milliseconds for
//! a component of 20 MB.

mod names;
mod resources;

use serde::Serialize;
use wasmparser::{Parser, Validator, WasmFeatures};

use crate::locked::{Profile, Resources};
use names::Names;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A component.
    Component,
    /// A core module.
    Module,
    /// Not WebAssembly.
    Unknown,
}

/// What stands in a file.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// What the file is.
    pub kind: FileKind,
    /// The version of `wasi:http` whose handler it exports.
    pub http: Option<&'static str>,
    /// The way in which it is a command, if it is one.
    pub command: Option<&'static str>,
    /// The engine profile that it needs.
    pub profile: Profile,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// The languages and tools that made it.
    pub producers: Producers,
    /// What one instance takes.
    pub resources: Resources,
}

/// The languages and tools that made a component, each once, in the order of their first mention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Producers {
    /// Languages of the sources.
    pub language: Vec<String>,
    /// Tools, with their versions.
    #[serde(rename = "processed-by")]
    pub processed_by: Vec<String>,
}

/// Bytes that begin like WebAssembly and are not valid.
#[derive(Debug, thiserror::Error)]
#[error("not a valid WebAssembly file: {0}")]
pub struct InspectError(#[from] wasmparser::Error);

/// Says what a file is.
pub fn inspect(wasm: &[u8]) -> Result<Inspection, InspectError> {
    if !wasm.starts_with(b"\0asm") {
        return Ok(Inspection::new(
            FileKind::Unknown,
            Profile::Sync,
            Names::default(),
            Resources::default(),
        ));
    }
    let profile = validate(wasm)?;
    let names = Names::read(wasm)?;
    let resources = resources::read(wasm)?;
    let kind = if Parser::is_component(wasm) {
        FileKind::Component
    } else {
        FileKind::Module
    };
    Ok(Inspection::new(kind, profile, names, resources))
}

impl Inspection {
    fn new(kind: FileKind, profile: Profile, names: Names, resources: Resources) -> Self {
        let exports =
            |interface: &str| names.exports.iter().any(|name| in_version(name, interface));
        let http = if exports("wasi:http/handler@0.3") {
            Some("0.3")
        } else {
            exports("wasi:http/incoming-handler@0.2").then_some("0.2")
        };
        let command = match kind {
            FileKind::Component if exports("wasi:cli/run@0.3") => Some("0.3"),
            FileKind::Component if exports("wasi:cli/run@0.2") => Some("0.2"),
            FileKind::Module if names.exports.iter().any(|name| name == "_start") => {
                Some("preview1")
            }
            _ => None,
        };
        let wasi_0_3 = names
            .imports
            .iter()
            .chain(&names.exports)
            .any(|name| name.starts_with("wasi:") && name.contains("@0.3."));
        let profile = if wasi_0_3 { Profile::Async } else { profile };
        Self {
            kind,
            http,
            command,
            profile,
            imports: names.imports,
            exports: names.exports,
            producers: names.producers,
            resources,
        }
    }
}

/// Is `name` the interface `interface`, in a patch version of its version?
fn in_version(name: &str, interface: &str) -> bool {
    name.strip_prefix(interface)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Validates the structure; what is only valid with asynchronous functions needs the asynchronous profile.
fn validate(wasm: &[u8]) -> Result<Profile, InspectError> {
    let all = WasmFeatures::all();
    let mut synchronous = all;
    synchronous.remove(
        WasmFeatures::CM_ASYNC
            | WasmFeatures::CM_MORE_ASYNC_BUILTINS
            | WasmFeatures::CM_ASYNC_STACKFUL
            | WasmFeatures::CM_THREADING
            | WasmFeatures::CM_ERROR_CONTEXT,
    );
    if validate_structure(wasm, synchronous).is_ok() {
        return Ok(Profile::Sync);
    }
    validate_structure(wasm, all)?;
    Ok(Profile::Async)
}

fn validate_structure(wasm: &[u8], features: WasmFeatures) -> Result<(), InspectError> {
    let mut validator = Validator::new_with_features(features);
    for payload in Parser::new(0).parse_all(wasm) {
        // Bodies are left out: what is returned for them is not run.
        validator.payload(&payload?)?;
    }
    Ok(())
}
