//! Where a component's stores are kept.
//!
//! A capability knows what its stores can do as a trait ([`KeyValue`], [`Blobs`], [`Session`], [`Messages`]), asks for one by its
//! name, and never learns where it is. All of a trait's functions are asynchronous: whether one blocks a thread, or waits for a server, is
//! its own affair. [`of`] is the one place where a backend is chosen.
//!
//! What belongs where: grants, the forms of names and the sizes of what a guest passes are looked at before a store is asked. A backend
//! keeps the quota, because only it knows what is there, and its own deadlines: each call ends with an answer or an error, within a few
//! seconds, however long its disk or its server takes. A call that is dropped ends as a whole: done, or not done at all.

#[cfg(test)]
pub(super) mod guest;
mod lattice;
mod local;
#[cfg(test)]
pub(super) mod memory;
#[cfg(test)]
pub(super) mod site;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::blobstore::Blobs;
use super::keyvalue::KeyValue;
use super::messaging::{Lanes, Messages};
use super::nats::Nats;
use super::sqlite::{Failure, Session};
use crate::locked::LockedLimits;

use lattice::LatticeStores;
use local::LocalStores;

/// Why a store could not do something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum StoreError {
    /// What the guest is told.
    Refused(String),
    /// The store has as many bytes as it may have, which are these.
    Full(u64),
    /// What only the log may say: paths, addresses.
    Failed(String),
}

/// The stores of one component in this worker. Whether it may use one is the caller's to ask, first.
#[wasmtime_wasi::async_trait]
pub(crate) trait Stores: Send + Sync + fmt::Debug {
    /// The key-value store of this name. Called whenever a guest opens one; must not block, and cannot fail: what is wrong with a store
    /// says its first call.
    fn keyvalue(&self, name: &str) -> Arc<dyn KeyValue>;

    /// Its containers of blobs. Called with each container that a guest names; must not block.
    fn blobs(&self) -> Arc<dyn Blobs>;

    /// A connection of a guest's own to the database of this name. Called whenever a guest opens one.
    async fn connect(&self, name: &str) -> Result<Arc<dyn Session>, Failure>;

    /// Where its messages go. Called with each message; must not block.
    fn messages(&self) -> Arc<dyn Messages>;
}

/// What an app has of the lattice of its host.
#[derive(Clone, Debug)]
pub(crate) struct InLattice {
    pub(crate) nats: Arc<Nats>,
    pub(crate) lanes: Arc<Lanes>,
}

/// The stores of a component of an app: as files below this folder, or in the lattice that the host belongs to.
pub(crate) fn of(
    (app, component): (&Arc<str>, &Arc<str>),
    state: &Path,
    limits: LockedLimits,
    lattice: Option<&InLattice>,
) -> Arc<dyn Stores> {
    let room = Room {
        store: limits.store,
        file: limits.file,
    };
    let local = LocalStores::new(component.clone(), state, room);
    match lattice {
        Some(lattice) => Arc::new(LatticeStores::new(
            lattice.clone(),
            (app.clone(), component.clone()),
            (room, lattice::patience(limits.timeout_ms)),
            local,
        )),
        None => Arc::new(local),
    }
}

/// How much each store of a component may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes of a store, or of a container.
    pub(crate) store: u64,
    /// Bytes of one blob.
    pub(crate) file: u64,
}
