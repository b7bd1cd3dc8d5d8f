//! The core of wisp: serves, runs, compiles and makes WebAssembly components on Wasmtime. It does not know Python.

mod blueprint;
mod capability;
mod command;
mod compose;
mod demand;
pub mod embed;
mod encode;
mod engine;
mod errand;
mod error;
mod exit_code;
mod extent;
mod handlers;
mod host;
mod inspect;
pub mod lattice;
mod link;
mod loader;
mod locked;
mod mapping;
#[cfg(target_os = "linux")]
mod memory;
mod merge;
#[cfg(target_os = "linux")]
mod pagemap;
mod peers;
mod pool;
pub mod remote;
#[cfg(target_os = "linux")]
mod reservation;
mod settings;
mod shutdown;
mod snapshot;
#[cfg(target_os = "linux")]
mod stacks;
mod telemetry;
pub mod trigger;
pub mod value;
pub mod wit;

pub use capability::{OutboundBounds, OutboundHttp, Resolver, Resolving, SystemResolver};
pub use command::{CommandOptions, Directory, run_command};
pub use compose::{
    ComposeError, Composition, Import, Interfaces, Part, check_link, compose, interfaces,
};
pub use encode::{Adapter, EncodeError, encode, preview1_to_component};
pub use engine::{Strategy, compile, engine_key};
pub use error::HostError;
pub use host::Host;
pub use inspect::{FileKind, InspectError, Inspection, Producers, inspect};
pub use locked::{
    Artifact, Convention, Hidden, LinkMode, LockedApp, LockedComponent, LockedCron, LockedFolder,
    LockedGrants, LockedInstances, LockedLimits, LockedLink, LockedResponse, LockedRoute,
    LockedTarget, Profile, Resources, TargetKind,
};
pub use merge::{MergeError, merge};
pub use pool::{InvokeError, Pool, PoolStatus};
pub use settings::{HttpSettings, LogFormat, LogSettings, Settings, Start, TlsSettings};
pub use shutdown::Shutdown;
pub use telemetry::{AccessLine, Log, Metrics, RequestId};
