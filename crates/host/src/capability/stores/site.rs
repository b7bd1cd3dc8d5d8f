//! Where the same tests find stores of every backend: what a capability relies on is tested with each of them.

use std::sync::Arc;

use tempfile::TempDir;

use super::lattice::{LatticeStores, PATIENCE};
use super::memory::{Memory, MemoryStores};
use super::{InLattice, LocalStores, Room, Stores};
use crate::capability::messaging::{self, Lanes, Message};
use crate::capability::nats::server::Server;

/// More than any test needs.
pub(crate) const PLENTY: Room = Room {
    store: 256 << 20,
    file: 64 << 20,
};
/// The component that uses the stores of a site.
pub(crate) const COMPONENT: &str = "shop";

/// The stores of one app.
pub(crate) trait Site {
    /// Stores with nothing in them.
    fn new() -> Self;

    /// The stores as one worker has them; called again, as another one does.
    fn stores(&self, room: Room) -> Arc<dyn Stores>;

    /// Which component has published what, in that order.
    async fn published(&self) -> Vec<(String, Message)>;
}

/// Those below a folder.
pub(crate) struct LocalSite(TempDir);

impl Site for LocalSite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn stores(&self, room: Room) -> Arc<dyn Stores> {
        Arc::new(LocalStores::new(COMPONENT.into(), self.0.path(), room))
    }

    async fn published(&self) -> Vec<(String, Message)> {
        messaging::published_below(self.0.path())
    }
}

/// Those of this process.
pub(crate) struct MemorySite(Arc<Memory>);

impl Site for MemorySite {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn stores(&self, room: Room) -> Arc<dyn Stores> {
        Arc::new(MemoryStores::new(self.0.clone(), room))
    }

    async fn published(&self) -> Vec<(String, Message)> {
        self.0.published()
    }
}

/// Those in a lattice, with a server of their own.
pub(crate) struct LatticeSite {
    server: Server,
    folder: TempDir,
}

impl Site for LatticeSite {
    fn new() -> Self {
        Self {
            server: Server::start(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn stores(&self, room: Room) -> Arc<dyn Stores> {
        let local = LocalStores::new(COMPONENT.into(), self.folder.path(), room);
        let nats = self.server.nats();
        let lanes = Lanes::new(&nats, "app", room.store, Arc::new([]));
        Arc::new(LatticeStores::new(
            InLattice { nats, lanes },
            ("app".into(), COMPONENT.into()),
            (room, PATIENCE),
            local,
        ))
    }

    async fn published(&self) -> Vec<(String, Message)> {
        let lanes = Lanes::new(&self.server.nats(), "app", 0, Arc::new([]));
        messaging::published_in(&lanes).await
    }
}

/// Makes a test of each of these functions for each backend, which a lattice is too.
macro_rules! on_each_backend {
    ($($test:ident),+ $(,)?) => {
        $crate::capability::stores::site::on_local_backends!($($test),+);
        mod in_lattice {
            use $crate::capability::stores::site::{LatticeSite, Site};
            $(#[tokio::test] async fn $test() { super::$test(LatticeSite::new()).await; })+
        }
    };
}
pub(crate) use on_each_backend;

/// Makes a test of each of these functions for each backend of what is never shared between hosts.
macro_rules! on_local_backends {
    ($($test:ident),+ $(,)?) => {
        mod in_files {
            use $crate::capability::stores::site::{LocalSite, Site};
            $(#[tokio::test] async fn $test() { super::$test(LocalSite::new()).await; })+
        }
        mod in_memory {
            use $crate::capability::stores::site::{MemorySite, Site};
            $(#[tokio::test] async fn $test() { super::$test(MemorySite::new()).await; })+
        }
    };
}
pub(crate) use on_local_backends;
