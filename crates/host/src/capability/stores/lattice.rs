//! Stores in the NATS of the lattice, which all hosts share; SQL databases stay files of each host.
//!
//! Buckets and streams are named by lattice and app, so that apps do not see each other. Names of lattices and apps have no `_`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::local::{LocalStores, known};
use super::{InLattice, Room, Stores};
use crate::capability::blobstore::{Blobs, LatticeBlobs};
use crate::capability::keyvalue::{KeyValue, LatticeStore};
use crate::capability::messaging::{LatticeMessages, Messages};
use crate::capability::sqlite::{Failure, Session};

/// How long one call may take when the component has more time than that.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// The stores of one component in a lattice.
#[derive(Debug)]
pub(crate) struct LatticeStores {
    lattice: InLattice,
    app: Arc<str>,
    component: Arc<str>,
    room: Room,
    patience: Duration,
    keyvalue: Mutex<BTreeMap<String, Arc<LatticeStore>>>,
    local: LocalStores,
}

/// How long one call of a component may take, when a request of it may take so many milliseconds: half of them, so that a guest can say
/// that a store is away before it is out of time itself.
pub(super) fn patience(timeout_ms: u64) -> Duration {
    PATIENCE.min(Duration::from_millis(timeout_ms) / 2)
}

impl LatticeStores {
    /// Those of a component of an app.
    pub(super) fn new(
        lattice: InLattice,
        (app, component): (Arc<str>, Arc<str>),
        (room, patience): (Room, Duration),
        local: LocalStores,
    ) -> Self {
        Self {
            lattice,
            app,
            component,
            room,
            patience,
            keyvalue: Mutex::default(),
            local,
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Stores for LatticeStores {
    fn keyvalue(&self, name: &str) -> Arc<dyn KeyValue> {
        let make = || {
            LatticeStore::new(
                &self.lattice.nats,
                (&self.app, name),
                self.room.store,
                self.patience,
            )
        };
        known::<LatticeStore>(&self.keyvalue, name, make)
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(LatticeBlobs::new(
            &self.lattice.nats,
            &self.app,
            (self.room, self.patience),
        ))
    }

    async fn connect(&self, name: &str) -> Result<Arc<dyn Session>, Failure> {
        self.local.connect(name).await
    }

    fn messages(&self) -> Arc<dyn Messages> {
        Arc::new(LatticeMessages {
            lanes: self.lattice.lanes.clone(),
            component: self.component.clone(),
            patience: self.patience,
        })
    }
}
