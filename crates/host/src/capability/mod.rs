//! What the host gives its guests beyond computing, each capability in a file of its own.
//!
//! A capability finds the component that calls it as the companion of the instance's state: a [`Grantee`]. It looks at the
//! grants before it does anything, answers with its interface's own error when something was not granted, and says so with
//! [`Grantee::deny`].

mod network;
mod outbound_http;
mod sockets;

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::Linker;
use wisp_wasi::{Denial, Denials, State};

use crate::locked::{LockedGrants, LockedLimits};
use crate::telemetry::Refusals;

pub use network::{Resolver, Resolving, SystemResolver};
pub use outbound_http::{OutboundBounds, OutboundHttp};
pub(crate) use sockets::Sockets;

/// Adds all capabilities to what guests of services import; `concurrent` adds those of WASI 0.3.
pub(crate) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    sockets::add_to_linker(linker, concurrent)
}

/// A component of an app, as capabilities know it; the same for all its instances in this worker.
#[derive(Debug)]
#[allow(dead_code, reason = "each capability reads its own part")]
pub(crate) struct Grantee {
    pub(crate) app: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) grants: LockedGrants,
    pub(crate) limits: LockedLimits,
    /// The folder of the app's stores.
    pub(crate) state: PathBuf,
    pub(crate) refusals: Arc<Refusals>,
    /// Its raw sockets.
    pub(crate) sockets: Arc<Sockets>,
}

impl Grantee {
    /// The component that an instance belongs to; `None` for one inside somebody's program.
    pub(crate) fn of(state: &State) -> Option<Arc<Self>> {
        state.companion()?.downcast().ok()
    }

    /// Says that something was refused.
    pub(crate) fn deny(&self, import: &str, target: &str, grant: &str) {
        self.refusals.deny(Denial {
            import,
            target,
            grant,
        });
    }
}
