//! Stores on the disk of this host: databases of SQLite, and files for blobs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Room, Stores};
use crate::capability::blobstore::{Blobs, FileBlobs};
use crate::capability::keyvalue::{KeyValue, SqliteStore};
use crate::capability::messaging::{MessageLog, Messages};
use crate::capability::sqlite::{Exchange, Failure, Session};

/// The stores of one component. Each is opened when it is used first, and is the same one for all instances.
#[derive(Debug)]
pub(crate) struct LocalStores {
    state: PathBuf,
    room: Room,
    keyvalue: Mutex<BTreeMap<String, Arc<SqliteStore>>>,
    databases: Mutex<BTreeMap<String, Arc<Exchange>>>,
    blobs: Arc<FileBlobs>,
    messages: Arc<MessageLog>,
}

impl LocalStores {
    pub(super) fn new(component: Arc<str>, state: &Path, room: Room) -> Self {
        Self {
            state: state.to_owned(),
            room,
            keyvalue: Mutex::default(),
            databases: Mutex::default(),
            blobs: Arc::new(FileBlobs::new(state, room)),
            messages: Arc::new(MessageLog::new(component, state, room.store)),
        }
    }
}

/// What is known by this name, made when nobody has asked for it before.
pub(super) fn known<T>(
    all: &Mutex<BTreeMap<String, Arc<T>>>,
    name: &str,
    make: impl FnOnce() -> T,
) -> Arc<T> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(one) = all.get(name) {
        return one.clone();
    }
    all.entry(name.to_owned())
        .or_insert(Arc::new(make()))
        .clone()
}

#[wasmtime_wasi::async_trait]
impl Stores for LocalStores {
    fn keyvalue(&self, name: &str) -> Arc<dyn KeyValue> {
        let make = || SqliteStore::new(&self.state, name, self.room.store);
        known::<SqliteStore>(&self.keyvalue, name, make)
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        self.blobs.clone()
    }

    async fn connect(&self, name: &str) -> Result<Arc<dyn Session>, Failure> {
        let make = || Exchange::new(&self.state, name, self.room.store);
        let link = known(&self.databases, name, make).connect().await?;
        Ok(link)
    }

    fn messages(&self) -> Arc<dyn Messages> {
        self.messages.clone()
    }
}
