//! Stores that forget everything when they go: for tests, and to see that capabilities do not know where their stores are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::site::COMPONENT;
use super::{Room, Stores};
use crate::capability::blobstore::{Blobs, MemoryBlobs};
use crate::capability::keyvalue::{KeyValue, MemoryStore};
use crate::capability::messaging::{Kept, MemoryMessages, Message, Messages};
use crate::capability::sqlite::{Failure, MemoryDatabase, Session};

/// What all stores of an app hold.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    keyvalue: Mutex<BTreeMap<String, MemoryStore>>,
    databases: Mutex<BTreeMap<String, MemoryDatabase>>,
    blobs: MemoryBlobs,
    messages: Arc<Mutex<Vec<Kept>>>,
}

impl Memory {
    pub(super) fn published(&self) -> Vec<(String, Message)> {
        self.messages.lock().unwrap().clone()
    }
}

/// The stores of one component.
#[derive(Debug)]
pub(crate) struct MemoryStores {
    memory: Arc<Memory>,
    room: Room,
}

impl MemoryStores {
    pub(crate) fn new(memory: Arc<Memory>, room: Room) -> Self {
        Self { memory, room }
    }
}

#[wasmtime_wasi::async_trait]
impl Stores for MemoryStores {
    fn keyvalue(&self, name: &str) -> Arc<dyn KeyValue> {
        let mut all = self.memory.keyvalue.lock().unwrap();
        let store = all.entry(name.to_owned()).or_default();
        Arc::new(store.with(self.room.store))
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(self.memory.blobs.with(self.room))
    }

    async fn connect(&self, name: &str) -> Result<Arc<dyn Session>, Failure> {
        let mut all = self.memory.databases.lock().unwrap();
        let made = || MemoryDatabase::new(self.room.store);
        let database = all.entry(name.to_owned()).or_insert_with(made);
        Ok(database.connect())
    }

    fn messages(&self) -> Arc<dyn Messages> {
        let kept = self.memory.messages.clone();
        Arc::new(MemoryMessages::new(kept, COMPONENT, self.room.store))
    }
}
