//! Containers of blobs in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::store::{BlobError, BlobNames, BlobReader, BlobWriter, Blobs, Facts, Place, Span};
use crate::capability::stores::Room;

type Container = BTreeMap<String, Bytes>;
type Containers = BTreeMap<String, Container>;

/// The containers of an app as one component uses them. Clones share what they hold.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBlobs {
    containers: Arc<Mutex<Containers>>,
    room: Room,
}

impl Default for MemoryBlobs {
    fn default() -> Self {
        let room = Room { store: 0, file: 0 };
        Self {
            containers: Arc::default(),
            room,
        }
    }
}

impl MemoryBlobs {
    /// The same ones, for a component that may write so much.
    pub(crate) fn with(&self, room: Room) -> Self {
        let containers = self.containers.clone();
        Self { containers, room }
    }

    fn lock(&self) -> MutexGuard<'_, Containers> {
        self.containers.lock().unwrap()
    }

    fn put(&self, place: &Place, bytes: Bytes) -> Result<(), BlobError> {
        if place.object.is_empty() {
            return Err(BlobError::NoName);
        }
        let mut containers = self.lock();
        let container = find(&mut containers, &place.container)?;
        let others = container.iter().filter(|(name, _)| **name != place.object);
        let used: usize = others.map(|(_, bytes)| bytes.len()).sum();
        if (used + bytes.len()) as u64 > self.room.store {
            return Err(BlobError::Full(self.room.store));
        }
        container.insert(place.object.clone(), bytes);
        Ok(())
    }

    fn get(&self, place: &Place) -> Result<Bytes, BlobError> {
        let mut containers = self.lock();
        let found = find(&mut containers, &place.container)?.get(&place.object);
        let no_object = || BlobError::NoObject(place.object.clone());
        found.cloned().ok_or_else(no_object)
    }
}

fn find<'a>(containers: &'a mut Containers, name: &str) -> Result<&'a mut Container, BlobError> {
    let no_container = || BlobError::NoContainer(name.to_owned());
    containers.get_mut(name).ok_or_else(no_container)
}

fn facts(size: usize) -> Facts {
    Facts {
        created: 0,
        size: size as u64,
    }
}

#[wasmtime_wasi::async_trait]
impl Blobs for MemoryBlobs {
    async fn create(&self, container: Arc<str>) -> Result<(), BlobError> {
        let mut containers = self.lock();
        if containers.contains_key(&*container) {
            return Err(BlobError::ContainerExists(container.to_string()));
        }
        containers.insert(container.to_string(), Container::new());
        Ok(())
    }

    async fn container(&self, container: Arc<str>) -> Result<Facts, BlobError> {
        find(&mut self.lock(), &container).map(|_| facts(0))
    }

    async fn clear(&self, container: Arc<str>) -> Result<(), BlobError> {
        find(&mut self.lock(), &container).map(Container::clear)
    }

    async fn remove(&self, container: Arc<str>) -> Result<(), BlobError> {
        self.lock().remove(&*container);
        Ok(())
    }

    async fn names(&self, container: Arc<str>) -> Result<Box<dyn BlobNames>, BlobError> {
        let names = find(&mut self.lock(), &container)?
            .keys()
            .cloned()
            .collect();
        Ok(Box::new(MemoryNames(names)))
    }

    async fn object(&self, place: Place) -> Result<Facts, BlobError> {
        Ok(facts(self.get(&place)?.len()))
    }

    async fn delete(&self, container: Arc<str>, objects: Vec<String>) -> Result<(), BlobError> {
        let mut containers = self.lock();
        find(&mut containers, &container)?.retain(|name, _| !objects.contains(name));
        Ok(())
    }

    async fn copy(&self, from: Place, to: Place) -> Result<(), BlobError> {
        let bytes = self.get(&from)?;
        if bytes.len() as u64 > self.room.file {
            return Err(BlobError::TooLarge(self.room.file));
        }
        self.put(&to, bytes)
    }

    async fn rename(&self, from: Place, to: Place) -> Result<(), BlobError> {
        let bytes = self.get(&from)?;
        if from == to {
            return Ok(());
        }
        let mut containers = self.lock();
        find(&mut containers, &from.container)?.remove(&from.object);
        drop(containers);
        let put = self.put(&to, bytes.clone());
        if put.is_err() {
            find(&mut self.lock(), &from.container)?.insert(from.object, bytes);
        }
        put
    }

    async fn check(&self, place: Place) -> Result<(), BlobError> {
        if place.object.is_empty() {
            return Err(BlobError::NoName);
        }
        self.container(place.container).await.map(drop)
    }

    async fn read(&self, place: Place, span: Span) -> Result<Box<dyn BlobReader>, BlobError> {
        let bytes = self.get(&place)?;
        let end = bytes
            .len()
            .min(usize::try_from(span.last).unwrap().saturating_add(1));
        let start = usize::try_from(span.first).unwrap().min(end);
        Ok(Box::new(MemoryReader(bytes.slice(start..end))))
    }

    async fn write(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(MemoryWriter {
            blobs: self.clone(),
            bytes: Vec::new(),
        }))
    }
}

#[derive(Debug)]
struct MemoryNames(Vec<String>);

#[wasmtime_wasi::async_trait]
impl BlobNames for MemoryNames {
    async fn next(&mut self, most: usize) -> Result<Vec<String>, BlobError> {
        Ok(self.0.drain(..most.min(self.0.len())).collect())
    }
}

#[derive(Debug)]
struct MemoryReader(Bytes);

#[wasmtime_wasi::async_trait]
impl BlobReader for MemoryReader {
    fn left(&self) -> u64 {
        self.0.len() as u64
    }

    async fn next(&mut self, most: usize) -> Result<Bytes, BlobError> {
        Ok(self.0.split_to(most.min(self.0.len())))
    }
}

#[derive(Debug)]
struct MemoryWriter {
    blobs: MemoryBlobs,
    bytes: Vec<u8>,
}

#[wasmtime_wasi::async_trait]
impl BlobWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let Room { store, file } = self.blobs.room;
        let size = (self.bytes.len() + bytes.len()) as u64;
        if size > file {
            return Err(BlobError::TooLarge(file));
        }
        if size > store {
            return Err(BlobError::Full(store));
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>, place: Place) -> Result<(), BlobError> {
        self.blobs.put(&place, self.bytes.into())
    }
}
