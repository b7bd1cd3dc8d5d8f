//! What the host gives its guests beyond computing, each capability in a file of its own.
//!
//! A capability finds the component that calls it as the companion of the instance's state: a [`Grantee`]. It looks at the
//! grants before it does anything, answers with its interface's own error when something was not granted, and says so with
//! [`Grantee::deny`].

mod blobstore;
mod config;
mod database;
mod keyvalue;
mod logging;
mod messaging;
mod nats;
mod network;
mod outbound_http;
mod sockets;
mod spin;
mod sqlite;
mod stores;

use std::sync::Arc;

use wasmtime::component::Linker;
use wisp_wasi::{Denial, Denials, Limit, Meter, State, Table};

use crate::locked::{LockedGrants, LockedLimits};
use crate::telemetry::{Excesses, Log, Refusals};
use stores::StoreError;

pub(crate) use messaging::{Lanes, Message, SILENCE, consumers, read as read_message};
pub(crate) use nats::{Delivered, Failure as Failed, Lost, Nats, Pull};
pub use network::{Resolver, Resolving, SystemResolver};
pub use outbound_http::{OutboundBounds, OutboundHttp};
pub(crate) use sockets::Sockets;
pub(crate) use stores::{InLattice, Stores, of as stores_of};

/// All capabilities beyond WASI's own. What was not granted is there as well, and answers with its interface's error.
///
/// `concurrent` adds those of WASI 0.3, and those with asynchronous functions, which need an engine with component-model-async.
pub(crate) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    blobstore::add_to_linker(linker)?;
    config::add_to_linker(linker)?;
    keyvalue::add_to_linker(linker)?;
    logging::add_to_linker(linker)?;
    // What is ours in WASI's own interfaces.
    linker.allow_shadowing(true);
    outbound_http::add_to_linker(linker)?;
    sockets::add_to_linker(linker, concurrent)?;
    linker.allow_shadowing(false);
    messaging::add_to_linker(linker)?;
    spin::add_to_linker(linker, concurrent)?;
    sqlite::add_to_linker(linker)
}

/// Text that a guest wrote, as a string of TOML, for the grant that it lacks.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A component of an app, as capabilities know it; the same for all its instances in this worker.
#[derive(Debug)]
pub(crate) struct Grantee {
    pub(crate) app: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) grants: LockedGrants,
    pub(crate) limits: LockedLimits,
    /// What it keeps, wherever that is.
    pub(crate) stores: Arc<dyn Stores>,
    pub(crate) refusals: Arc<Refusals>,
    /// Its raw sockets.
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) log: Log,
    /// Counts what it runs into, and bounds what it logs.
    pub(crate) excesses: Arc<Excesses>,
}

impl Grantee {
    /// The component that an instance belongs to; `None` for one inside somebody's program.
    pub(crate) fn of(state: &State) -> Option<Arc<Self>> {
        state.companion()?.downcast().ok()
    }

    /// Says in the log what only the host's owner may know.
    pub(crate) fn fault(&self, message: &str) {
        self.log.fault(&self.app, &self.component, message);
    }

    /// What a guest is told of an error of one of its stores; the rest is for the log, and a full one is counted.
    pub(crate) fn told(&self, store: &str, error: StoreError) -> String {
        match error {
            StoreError::Refused(message) => message,
            StoreError::Full(quota) => {
                self.exceed(Limit::Store);
                format!("there is no room: a store may have {quota} bytes on disk (limits.store)")
            }
            StoreError::Failed(message) => {
                self.fault(&format!("{store}: {message}"));
                "the store cannot be used; the log of the host says why".into()
            }
        }
    }

    /// Counts that it ran into a limit, and says so now and then.
    pub(crate) fn exceed(&self, limit: Limit) {
        self.excesses.exceeded(limit);
    }

    /// Says that something was refused.
    pub(crate) fn deny(&self, import: &str, target: &str, grant: &str) {
        self.refusals.deny(Denial {
            import,
            target,
            grant,
            table: Table::Grants,
        });
    }

    /// Remembers that something was asked for that is not there, which is no denial, and what would put it there.
    pub(crate) fn miss(&self, import: &str, target: &str, grant: &str) {
        self.refusals.miss(Denial {
            import,
            target,
            grant,
            table: Table::Grants,
        });
    }
}
