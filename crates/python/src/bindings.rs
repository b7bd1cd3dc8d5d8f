//! Bindings: what a guest in C or Go is written against, generated from the WIT of its world.
//!
//! The generators are wit-bindgen's. Three things of their output are changed, all of them in Go:
//!
//! - It wants a module with the runtime of bindings from elsewhere. Ours is part of the guest library, and shares its memory
//!   with the HTTP service, so that one component can be both.
//! - It pins what the host reads with `runtime.Pinner`, which refuses addresses that are not of Go's heap, an empty string's
//!   for example. The guest library's runtime has a `Pinner` that only holds references, which is enough in a heap that does not move.
//! - The host writes results to memory that nothing refers to until they have been read. Ours is held by a `Pinner` from before the
//!   call until its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use serde::Deserialize;
use wisp_host::wit::{Wit, WitError};
use wit_bindgen_core::wit_parser::{Function, LiveTypes, Resolve, TypeDefKind, WorldId, WorldItem};
use wit_bindgen_core::{Files, WorldGenerator};

use crate::error;

const THEIR_RUNTIME: &str = "\"go.bytecodealliance.org/pkg/wit/";
const OUR_RUNTIME: &str = "\"github.com/wisp-wasm/wisp/guest/go/wit/";

/// What is to be generated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    language: Language,
    /// The folder or file with the WIT.
    wit: PathBuf,
    /// The world in it.
    world: String,
    /// For Go: the path of the module that the bindings become a part of.
    module: String,
    /// For Go: with a function for each export that says that it is not implemented.
    stubs: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Language {
    C,
    Go,
}

/// Generates bindings, as settings in JSON say; gives each file's name and text.
#[pyfunction]
pub(crate) fn bindings(py: Python<'_>, settings: &str) -> PyResult<Vec<(String, String)>> {
    let settings: Settings = serde_json::from_str(settings)
        .map_err(|error| error::raise(&wisp_host::HostError::from(error)))?;
    py.detach(|| generate(&settings))
        .map_err(|failed| error::wit(py, failed))
}

fn generate(settings: &Settings) -> Result<Vec<(String, String)>, WitError> {
    let (mut resolve, world) = read(&settings.wit, &settings.world)?;
    if let Some(reason) = unbindable(&resolve, world) {
        return Err(failure(
            &settings.wit,
            format!("{reason}, which bindings for C and Go cannot do yet"),
        ));
    }
    let mut generator = generator(settings);
    let mut files = Files::default();
    // The generators panic where they meet a type that they do not know.
    let done = catch_unwind(AssertUnwindSafe(|| {
        generator.generate(&mut resolve, world, &mut files)
    }));
    match done {
        Ok(Ok(())) => Ok(files
            .iter()
            .map(|(name, content)| finish(settings.language, name, content))
            .collect()),
        Ok(Err(error)) => Err(failure(&settings.wit, format!("{error:#}"))),
        Err(_) => Err(failure(
            &settings.wit,
            format!(
                "the world `{}` has a type that bindings cannot do",
                settings.world
            ),
        )),
    }
}

fn read(path: &Path, world: &str) -> Result<(Resolve, WorldId), WitError> {
    // What is wrong with the WIT is told with its place by the core's own reader.
    Wit::read(path)?;
    let mut resolve = Resolve {
        all_features: true,
        ..Resolve::default()
    };
    let unreadable = |error| failure(path, format!("{error:#}"));
    let (package, _) = resolve.push_path(path).map_err(unreadable)?;
    let world = resolve
        .select_world(&[package], Some(world))
        .map_err(unreadable)?;
    Ok((resolve, world))
}

fn generator(settings: &Settings) -> Box<dyn WorldGenerator> {
    match settings.language {
        Language::C => wit_bindgen_c::Opts {
            // The builder gives the encoder the WIT itself.
            no_object_file: true,
            ..wit_bindgen_c::Opts::default()
        }
        .build(),
        Language::Go => wit_bindgen_go::Opts {
            format: wit_bindgen_go::Format::False,
            generate_stubs: settings.stubs,
            pkg_name: Some(format!("{}/bindings", settings.module)),
            export_pkg_name: Some(settings.module.clone()),
            ..wit_bindgen_go::Opts::default()
        }
        .build(),
    }
}

fn finish(language: Language, name: &str, content: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(content);
    let text = match language {
        Language::C => linked_without_object(&text),
        Language::Go => with_our_runtime(&text),
    };
    (name.to_owned(), text)
}

/// The text with the guest library's runtime, to which an import says which results are its own.
fn with_our_runtime(text: &str) -> String {
    let area = "\treturnArea := uintptr(witRuntime.Allocate(";
    text.replace(THEIR_RUNTIME, OUR_RUNTIME)
        .replace(
            "\"runtime\"\n",
            &format!("runtime {OUR_RUNTIME}runtime\"\n"),
        )
        .replace("        ", "\t")
        .replace(area, &format!("\tdefer pinner.Receive()()\n{area}"))
}

/// The text without its last paragraphs, which want an object file with the world's description to be linked.
fn linked_without_object(text: &str) -> String {
    let mark = "\n// Ensure that the *_component_type.o object is linked in";
    text.split_once(mark)
        .map_or(text, |(wanted, _)| wanted)
        .to_owned()
}

/// What in a world the generators cannot do, in words.
fn unbindable(resolve: &Resolve, id: WorldId) -> Option<String> {
    let world = resolve.worlds.get(id)?;
    let items = world.imports.values().chain(world.exports.values());
    let asynchronous = items
        .flat_map(|item| functions(resolve, item))
        .find(|function| function.kind.is_async())
        .map(|function| format!("`{}` is asynchronous", function.name));
    let unknown = || {
        let mut live = LiveTypes::default();
        live.add_world(resolve, id);
        live.iter().find_map(|found| {
            let name = match resolve.types.get(found)?.kind {
                TypeDefKind::Stream(_) => "stream",
                TypeDefKind::Future(_) => "future",
                TypeDefKind::Map(..) => "map",
                TypeDefKind::FixedLengthList(..) => "list of a fixed length",
                _ => return None,
            };
            Some(format!("it has a {name}"))
        })
    };
    asynchronous.or_else(unknown)
}

fn functions<'a>(resolve: &'a Resolve, item: &'a WorldItem) -> Vec<&'a Function> {
    match item {
        WorldItem::Interface { id, .. } => resolve
            .interfaces
            .get(*id)
            .map(|interface| interface.functions.values().collect())
            .unwrap_or_default(),
        WorldItem::Function(function) => vec![function],
        WorldItem::Type { .. } => Vec::new(),
    }
}

fn failure(path: &Path, message: String) -> WitError {
    WitError {
        message,
        hint: None,
        path: Some(path.to_owned()),
        line: None,
        column: None,
    }
}
