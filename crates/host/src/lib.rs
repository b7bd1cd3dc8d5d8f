//! The core of wisp: serves, runs, compiles and makes WebAssembly components on Wasmtime. It does not know Python.

mod command;
//ENC mod encode;
mod engine;
mod error;
mod host;
//ENC mod inspect;
mod locked;
mod merge;
mod output;
mod pool;
mod settings;
mod shutdown;
mod store;
mod telemetry;
pub mod trigger;

pub use command::{CommandOptions, Directory, run_command};
//ENC pub use encode::*;
pub use engine::{Strategy, compile, engine_key};
pub use error::HostError;
pub use host::Host;
//ENC pub use inspect::*;
pub use locked::{Artifact, LockedApp, LockedComponent, LockedInstances, LockedLimits, LockedRoute, Profile, Resources};
pub use merge::{MergeError, merge};
pub use pool::{InvokeError, Pool, PoolStatus};
pub use settings::{HttpSettings, LogFormat, LogSettings, Settings, Start, TlsSettings};
pub use shutdown::Shutdown;
pub use telemetry::{AccessLine, Log, Metrics, RequestId};
