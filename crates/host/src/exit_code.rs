//! Keeps the exit code of preview-1 programs.
//!
//! The adapter knows only whether a program ended well, because `exit` of `wasi:cli/exit` knows no more. The function that WASI
//! 0.2.12 added, `exit-with-code`, takes a number and has the core type of preview 1's `proc_exit`. So a program's import of that
//! one is renamed, and passes the adapter by.

use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder, utils};
use wasm_encoder::{ImportSection, Module};
use wasmparser::{ImportSectionReader, Parser};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::encode::EncodeError;

const PREVIEW1: (&str, &str) = ("wasi_snapshot_preview1", "proc_exit");
const PREVIEW2: (&str, &str) = ("wasi:cli/exit@0.2.12", "exit-with-code");
const WIT: &str = "
package wisp:program;

world program { import wasi:cli/exit@0.2.12; }

package wasi:cli@0.2.12 {
  interface exit { exit-with-code: func(status-code: u8); }
}
";

/// Returns the module with `exit-with-code` in place of `proc_exit`, and described; as it is when it never exits.
pub(crate) fn kept(core: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut exit = Exit { found: false };
    let mut module = Module::new();
    exit.parse_core_module(&mut module, Parser::new(0), core)
        .map_err(|error| EncodeError::Invalid(error.to_string()))?;
    if !exit.found {
        return Ok(core.to_vec());
    }
    let mut renamed = module.finish();
    describe(&mut renamed)?;
    Ok(renamed)
}

fn describe(module: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("program.wit", WIT)
        .map_err(|error| EncodeError::of_encoder(&error))?;
    let world = resolve
        .select_world(&[package], None)
        .map_err(|error| EncodeError::of_encoder(&error))?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| EncodeError::of_encoder(&error))
}

struct Exit {
    found: bool,
}

impl Reencode for Exit {
    type Error = std::convert::Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: ImportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        for import in section.into_imports() {
            let mut import = import?;
            if (import.module, import.name) == PREVIEW1 {
                self.found = true;
                (import.module, import.name) = PREVIEW2;
            }
            utils::parse_import(&mut RoundtripReencoder, imports, import)?;
        }
        Ok(())
    }
}
