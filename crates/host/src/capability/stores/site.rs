//! Where the same tests find stores of every backend: what a capability relies on is tested with each of them.

use std::sync::Arc;

use tempfile::TempDir;

use super::memory::{Memory, MemoryStores};
use super::{LocalStores, Room, Stores};
use crate::capability::messaging::{self, Message};

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
    fn published(&self) -> Vec<(String, Message)>;
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

    fn published(&self) -> Vec<(String, Message)> {
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

    fn published(&self) -> Vec<(String, Message)> {
        self.0.published()
    }
}

/// Makes a test of each of these functions for each backend.
macro_rules! on_each_backend {
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
pub(crate) use on_each_backend;
