//! A key-value store in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::store::{Entry, KeyValue, Listing, MOST_READ, Page, Swapped, Version};
use crate::capability::stores::StoreError;

#[derive(Clone, Debug)]
struct Held {
    value: Vec<u8>,
    version: Version,
    expires: Option<Instant>,
}

impl Held {
    fn is_there(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

#[derive(Debug, Default)]
struct Content {
    entries: BTreeMap<String, Held>,
    version: Version,
}

impl Content {
    fn find(&self, key: &str, now: Instant) -> Option<&Held> {
        self.entries.get(key).filter(|held| held.is_there(now))
    }

    fn put(&mut self, key: String, value: Vec<u8>, expires: Option<Instant>) -> Version {
        self.version += 1;
        let version = self.version;
        let held = Held {
            value,
            version,
            expires,
        };
        self.entries.insert(key, held);
        version
    }

    /// Bytes of what is there.
    fn size(&self) -> u64 {
        let sizes = self
            .entries
            .iter()
            .map(|(key, held)| key.len() + held.value.len());
        sizes.sum::<usize>() as u64
    }
}

/// A store as one component uses it. Clones share what it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore {
    content: Arc<Mutex<Content>>,
    quota: u64,
}

impl MemoryStore {
    /// The same one, for a component that may write until it has so many bytes.
    pub(crate) fn with(&self, quota: u64) -> Self {
        let content = self.content.clone();
        Self { content, quota }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    /// Does something as a whole, or takes it back when there is no room for it.
    fn write<T>(&self, job: impl FnOnce(&mut Content, Instant) -> T) -> Result<T, StoreError> {
        let (mut content, now) = (self.lock(), Instant::now());
        content.entries.retain(|_, held| held.is_there(now));
        let before = content.entries.clone();
        let done = job(&mut content, now);
        if content.size() > self.quota {
            content.entries = before;
            return Err(StoreError::Full(self.quota));
        }
        Ok(done)
    }
}

fn refused(message: impl Into<String>) -> StoreError {
    StoreError::Refused(message.into())
}

#[wasmtime_wasi::async_trait]
impl KeyValue for MemoryStore {
    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Entry>>, StoreError> {
        let (content, now) = (self.lock(), Instant::now());
        let entry = |held: &Held| Entry {
            value: held.value.clone(),
            version: held.version,
            left: held.expires.map(|expires| expires - now),
        };
        let entries: Vec<_> = keys
            .iter()
            .map(|key| content.find(key, now).map(entry))
            .collect();
        let bytes: usize = entries.iter().flatten().map(|one| one.value.len()).sum();
        if bytes > MOST_READ {
            let message = format!("the values have more than {MOST_READ} bytes together");
            return Err(refused(message));
        }
        Ok(entries)
    }

    async fn version(&self, key: String) -> Result<Option<Version>, StoreError> {
        let found = self.lock();
        let found = found.find(&key, Instant::now());
        Ok(found.map(|held| held.version))
    }

    async fn set(
        &self,
        values: Vec<(String, Vec<u8>)>,
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.write(|content, now| {
            for (key, value) in values {
                content.put(key, value, lifetime.map(|lifetime| now + lifetime));
            }
        })
    }

    async fn delete(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let mut content = self.lock();
        content.entries.retain(|key, _| !keys.contains(key));
        Ok(())
    }

    async fn increment(&self, key: String, delta: i64) -> Result<i64, StoreError> {
        self.write(|content, now| {
            let found = content.find(&key, now).cloned();
            let expires = found.as_ref().and_then(|held| held.expires);
            let number = found.map_or(Some(0), |held| {
                String::from_utf8(held.value).ok()?.parse::<i64>().ok()
            });
            let no_number = || refused("the value is not a decimal number of 64 bits");
            let sum = number.ok_or_else(no_number)?.checked_add(delta);
            let sum = sum.ok_or_else(|| refused("the sum has more than 64 bits"))?;
            content.put(key, sum.to_string().into_bytes(), expires);
            Ok(sum)
        })?
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Version>,
        value: Vec<u8>,
        lifetime: Option<Duration>,
    ) -> Result<Swapped, StoreError> {
        self.write(|content, now| {
            let found = content.find(&key, now).map(|held| held.version);
            if found != expected {
                return Err(found);
            }
            Ok(content.put(key, value, lifetime.map(|lifetime| now + lifetime)))
        })
    }

    async fn list(&self, listing: Listing) -> Result<Page, StoreError> {
        let (content, now) = (self.lock(), Instant::now());
        let Listing {
            prefix,
            after,
            limit,
        } = listing;
        let fits = |key: &String| {
            key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after)
        };
        let there = content
            .entries
            .iter()
            .filter(|(_, held)| held.is_there(now));
        let mut keys: Vec<_> = there.map(|(key, _)| key.clone()).filter(fits).collect();
        let more = keys.len() > limit;
        keys.truncate(limit);
        Ok(Page { keys, more })
    }
}
