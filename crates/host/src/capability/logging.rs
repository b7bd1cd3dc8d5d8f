//! `wasi:logging`: entries with a level and a context, in the log with the lines that a guest prints.
//!
//! They go the same way as those lines and share their limits, so nothing has to be granted.

use wasmtime::component::{HasSelf, Linker};
use wisp_wasi::State;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/capabilities",
        world: "wisp:capabilities/logging",
        imports: { default: trappable },
    });
}

use bindings::wasi::logging::logging::{self as interface, Level};

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    interface::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// The level as the lines of the log have it.
fn name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

impl interface::Host for State {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        if let Some(lines) = self.lines() {
            lines.entry(name(level), &context, &message);
        }
        Ok(())
    }
}
