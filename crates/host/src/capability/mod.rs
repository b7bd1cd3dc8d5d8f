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
mod network;
mod outbound_http;
mod sockets;
mod spin;
mod sqlite;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Linker;
use wisp_wasi::{Denial, Denials, State};

use crate::locked::{LockedGrants, LockedLimits};
use crate::telemetry::{Excesses, Log, Refusals};
use database::{Database, Format, Place};

pub use network::{Resolver, Resolving, SystemResolver};
pub use outbound_http::{OutboundBounds, OutboundHttp};
pub(crate) use sockets::Sockets;

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
    /// The folder of the app's stores.
    pub(crate) state: PathBuf,
    pub(crate) refusals: Arc<Refusals>,
    /// Its raw sockets.
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) log: Log,
    /// Its stores that were used, each by its kind and name.
    pub(crate) databases: Mutex<Databases>,
    /// Counts what it runs into, and bounds what it logs.
    pub(crate) excesses: Arc<Excesses>,
}

/// Stores by kind and name.
pub(crate) type Databases = BTreeMap<(&'static str, String), Arc<Database>>;

impl Grantee {
    /// The component that an instance belongs to; `None` for one inside somebody's program.
    pub(crate) fn of(state: &State) -> Option<Arc<Self>> {
        state.companion()?.downcast().ok()
    }

    /// A store of this component, the same for all its instances; it is opened when it is used.
    ///
    /// Whether the component may use it is the caller's to ask, first.
    pub(crate) fn database(&self, kind: &'static str, name: &str, format: Format) -> Arc<Database> {
        let mut databases = self
            .databases
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let database = databases.entry((kind, name.to_owned())).or_insert_with(|| {
            let place = Place {
                state: self.state.clone(),
                kind,
                name: name.to_owned(),
            };
            Database::new(place, format, self.limits.store)
        });
        database.clone()
    }

    /// Says in the log what only the host's owner may know.
    pub(crate) fn fault(&self, message: &str) {
        self.log.fault(&self.app, &self.component, message);
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
