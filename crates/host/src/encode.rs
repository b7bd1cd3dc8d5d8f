//! Makes components of core modules.
//!
//! What a compiler for `wasm32-wasip1` or a bare target leaves behind becomes a component with the world that its WIT describes;
//! calls of WASI preview 1 are answered by an adapter inside the component.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::Parser;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve, WorldId};

use crate::exit_code;

/// How a module that imports WASI preview 1 is adapted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adapter {
    /// It has a `_start`, which becomes `wasi:cli/run`.
    Command,
    /// It exports functions.
    Reactor,
    /// It does not import WASI preview 1.
    None,
}

impl Adapter {
    fn bytes(self) -> Option<&'static [u8]> {
        match self {
            Self::Command => Some(WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER),
            Self::Reactor => Some(WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER),
            Self::None => None,
        }
    }
}

/// Why a core module did not become a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// These bytes are something else.
    #[error("not a core WebAssembly module")]
    NotAModule,
    /// The WIT cannot be read.
    #[error("the WIT in {} cannot be read: {message}", path.display())]
    Wit {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// There is no such world, or it is not clear which one is meant.
    #[error("no world `{world}` in the WIT: {message}")]
    World {
        /// The name that was asked for.
        world: String,
        /// What was found instead.
        message: String,
    },
    /// The world asks for an export that the module does not have.
    #[error("the module does not export `{0}`, which its world asks for")]
    MissingExport(String),
    /// The module imports what neither its world nor an adapter gives.
    #[error("the module imports `{0}`, which is not in its world")]
    UnknownImport(String),
    /// Everything else that is wrong with the module.
    #[error("the module does not become a component: {0}")]
    Invalid(String),
}

impl EncodeError {
    /// The encoder's errors are text: the two that people meet get names.
    pub(crate) fn of_encoder(error: &impl std::fmt::Display) -> Self {
        let message = format!("{error:#}");
        let export = [
            "failed to find export of function `",
            "does not export a function named `",
            "does not export a memory named `",
        ];
        let import = [
            "module requires an import interface named `",
            "no top-level imported function `",
            "unknown function `",
        ];
        if let Some((interface, function)) = missing_function(&message) {
            return Self::MissingExport(format!("{interface}#{function}"));
        }
        if let Some(name) = export
            .iter()
            .find_map(|prefix| quoted_after(&message, prefix))
        {
            return Self::MissingExport(name.to_owned());
        }
        match import
            .iter()
            .find_map(|prefix| quoted_after(&message, prefix))
        {
            Some(name) => Self::UnknownImport(name.to_owned()),
            None => Self::Invalid(message),
        }
    }
}

/// Makes a component of a core module.
///
/// `wit` is a file or folder with the world; without it the module carries its description itself, as wit-bindgen leaves it.
/// An empty `world` means the only one of the package.
pub fn encode(
    core: &[u8],
    wit: Option<&Path>,
    world: &str,
    adapter: Adapter,
) -> Result<Vec<u8>, EncodeError> {
    if !Parser::is_core_wasm(core) {
        return Err(EncodeError::NotAModule);
    }
    let Some(wit) = wit else {
        return encode_described(core, adapter);
    };
    let mut described = core.to_vec();
    let (resolve, world) = read_world(wit, world)?;
    embed_component_metadata(&mut described, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| EncodeError::of_encoder(&error))?;
    encode_described(&described, adapter)
}

/// Makes a command component of a preview-1 program; its exit code stays what it is.
pub fn preview1_to_component(core: &[u8]) -> Result<Vec<u8>, EncodeError> {
    if !Parser::is_core_wasm(core) {
        return Err(EncodeError::NotAModule);
    }
    encode_described(&exit_code::kept(core)?, Adapter::Command)
}

fn encode_described(core: &[u8], adapter: Adapter) -> Result<Vec<u8>, EncodeError> {
    let failed = |error| EncodeError::of_encoder(&error);
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(core)
        .map_err(failed)?;
    if let Some(bytes) = adapter.bytes() {
        encoder = encoder
            .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, bytes)
            .map_err(failed)?;
    }
    encoder.encode().map_err(failed)
}

fn read_world(wit: &Path, world: &str) -> Result<(Resolve, WorldId), EncodeError> {
    let mut resolve = Resolve {
        all_features: true,
        ..Resolve::default()
    };
    let package = read_package(&mut resolve, wit)?;
    let wanted = (!world.is_empty()).then_some(world);
    let id = resolve
        .select_world(&[package], wanted)
        .map_err(|error| EncodeError::World {
            world: world.to_owned(),
            message: format!("{error:#}"),
        })?;
    Ok((resolve, id))
}

fn read_package(resolve: &mut Resolve, wit: &Path) -> Result<PackageId, EncodeError> {
    match resolve.push_path(wit) {
        Ok((package, _)) => Ok(package),
        Err(error) => Err(EncodeError::Wit {
            path: wit.to_owned(),
            message: resolve.render_error(&error),
        }),
    }
}

/// The interface and function of `failed to find export of interface "I" function "F"`, which stand in back quotes.
fn missing_function(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("failed to find export of interface `")?;
    let (interface, rest) = rest.split_once("` function `")?;
    Some((interface, rest.split_once('`')?.0))
}

fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    Some(message.split_once(prefix)?.1.split_once('`')?.0)
}
