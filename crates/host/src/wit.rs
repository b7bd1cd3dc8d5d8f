//! WIT: reads it from text, from an encoded package or out of a component, prints it, and gives it as wit-parser's JSON.
//!
//! Whether two descriptions fit is found by [`check`] and [`try_link`], which build real components and let the
//! validator say what it thinks of them: nothing here has an opinion of its own on what links.

mod error;
mod fit;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use wasmparser::Parser;
use wit_component::{DecodedWasm, OutputToString, WitPrinter, decode};
use wit_parser::{PackageId, Resolve, WorldId};

pub use error::WitError;
pub use fit::{check, try_link, try_world};

/// A WIT package or the world of a component, with everything that it refers to.
#[derive(Clone, Debug)]
pub struct Wit {
    resolve: Resolve,
    package: PackageId,
    world: Option<WorldId>,
}

/// What Python gets to see.
#[derive(Debug, Serialize)]
struct Document<'a> {
    /// The index of the main package.
    package: usize,
    /// The index of the world that a component has; absent for a package.
    world: Option<usize>,
    resolve: &'a Resolve,
    /// The text of each package by its name, each one a file.
    texts: BTreeMap<String, String>,
    /// Everything in one text: the main package, and what it refers to nested in it.
    text: String,
}

impl Wit {
    /// Reads a folder with WIT (and its `deps`), a file with WIT, an encoded WIT package, or a component.
    pub fn read(path: &Path) -> Result<Self, WitError> {
        if !path.is_dir() {
            let bytes = std::fs::read(path).map_err(|error| WitError::unreadable(path, &error))?;
            if bytes.starts_with(b"\0asm") {
                return Self::decode(&bytes).map_err(|error| error.in_file(path));
            }
        }
        let mut resolve = Resolve {
            all_features: true,
            ..Resolve::default()
        };
        match resolve.push_path(path) {
            Ok((package, _)) => Ok(Self {
                resolve,
                package,
                world: None,
            }),
            Err(error) => Err(WitError::of_parser(&resolve, &error).in_file(path)),
        }
    }

    /// Reads an encoded WIT package, or the world that a component has.
    pub fn decode(wasm: &[u8]) -> Result<Self, WitError> {
        if !Parser::is_component(wasm) {
            return Err(WitError::module());
        }
        match decode(wasm).map_err(|error| WitError::new(format!("{error:#}")))? {
            DecodedWasm::WitPackage(resolve, package) => Ok(Self {
                resolve,
                package,
                world: None,
            }),
            DecodedWasm::Component(resolve, world) => {
                let package = resolve.worlds.get(world).and_then(|world| world.package);
                let package =
                    package.ok_or_else(|| WitError::new("the component's world has no package"))?;
                Ok(Self {
                    resolve,
                    package,
                    world: Some(world),
                })
            }
        }
    }

    /// The whole of it as JSON.
    pub fn to_json(&self) -> Result<String, WitError> {
        let all: Vec<PackageId> = self.resolve.packages.iter().map(|(id, _)| id).collect();
        let others: Vec<_> = all
            .iter()
            .copied()
            .filter(|id| *id != self.package)
            .collect();
        let texts = self.resolve.packages.iter().map(|(id, package)| {
            Ok::<_, WitError>((package.name.to_string(), self.print(id, &[])?))
        });
        let document = Document {
            package: self.package.index(),
            world: self.world.map(|world| world.index()),
            resolve: &self.resolve,
            texts: texts.collect::<Result<_, _>>()?,
            text: self.print(self.package, &others)?,
        };
        serde_json::to_string(&document).map_err(|error| WitError::new(error.to_string()))
    }

    fn print(&self, package: PackageId, nested: &[PackageId]) -> Result<String, WitError> {
        let mut printer = WitPrinter::new(OutputToString::default());
        printer
            .print(&self.resolve, package, nested)
            .map_err(|error| WitError::new(format!("{error:#}")))?;
        Ok(printer.output.to_string())
    }
}
