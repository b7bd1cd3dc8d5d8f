//! `wasi:keyvalue`, and what our stores can do more.
//!
//! The interfaces are here, with the grants and the bounds; what a store is says [`store`]. The one in SQLite is [`sqlite`], that of a
//! lattice [`jetstream`].

#[cfg(test)]
mod conformance;
mod jetstream;
#[cfg(test)]
mod memory;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wisp_wasi::State;

use super::Grantee;
use super::stores::StoreError;
pub(crate) use jetstream::LatticeStore;
#[cfg(test)]
pub(crate) use memory::MemoryStore;
pub(crate) use sqlite::SqliteStore;
use store::Version;
pub(crate) use store::{KeyValue, Listing};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/capabilities",
        world: "wisp:capabilities/keyvalue",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::capability::keyvalue::Bucket,
            "wasi:keyvalue/atomics.cas": crate::capability::keyvalue::Cas,
        },
    });
}

use bindings::wasi::keyvalue::atomics::{self, CasError};
use bindings::wasi::keyvalue::batch;
pub(crate) use bindings::wasi::keyvalue::store::Error;
use bindings::wasi::keyvalue::store::{self as interface, KeyResponse};
use bindings::wisp::keyvalue::extension::{self, CompareError};

/// Bytes of a key: what fits in a page of the index a few times.
const LONGEST_KEY: usize = 1024;
/// Bytes of a value, which is in memory as a whole, in the guest and here.
const LARGEST_VALUE: usize = 8 << 20;
/// Keys of one listing.
pub(crate) const MOST_KEYS: usize = 1000;
/// Keys of one batch.
const MOST_IN_BATCH: usize = 1000;

/// A store that a guest has opened.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Bucket {
    store: Arc<dyn KeyValue>,
    name: Arc<str>,
    grantee: Arc<Grantee>,
}

/// A key that a guest wants to swap, with the version that it knows of it. The value is not kept: ten thousand of these may be large.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Cas {
    bucket: Bucket,
    key: String,
    version: Option<Version>,
}

/// A trap, or what the interface answers.
type Answer<T, E = Error> = wasmtime::Result<Result<T, E>>;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    interface::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    atomics::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    batch::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    extension::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

fn refused(message: String) -> Error {
    Error::Other(message)
}

fn check_key(key: &str) -> Result<(), Error> {
    if (1..=LONGEST_KEY).contains(&key.len()) {
        return Ok(());
    }
    let length = key.len();
    let message = format!("a key has 1 to {LONGEST_KEY} bytes, this one has {length}");
    Err(refused(message))
}

fn check_value(value: &[u8]) -> Result<(), Error> {
    if value.len() <= LARGEST_VALUE {
        return Ok(());
    }
    let length = value.len();
    let message = format!("a value has at most {LARGEST_VALUE} bytes, this one has {length}");
    Err(refused(message))
}

fn check_batch<'a>(keys: impl ExactSizeIterator<Item = &'a String>) -> Result<(), Error> {
    if keys.len() > MOST_IN_BATCH {
        let count = keys.len();
        let message = format!("a batch has at most {MOST_IN_BATCH} keys, this one has {count}");
        return Err(refused(message));
    }
    keys.into_iter().try_for_each(|key| check_key(key))
}

fn lifetime(milliseconds: Option<u64>) -> Result<Option<Duration>, Error> {
    match milliseconds {
        Some(0) => Err(refused("a value stays for at least 1 millisecond".into())),
        other => Ok(other.map(Duration::from_millis)),
    }
}

impl Bucket {
    /// The store of this name, if it is granted to the component that calls.
    pub(crate) fn granted(state: &State, import: &str, name: String) -> Option<Self> {
        let grantee = Grantee::of(state)?;
        if !grantee.grants.keyvalue.contains(&name) {
            let grant = format!("keyvalue = [{}]", super::quoted(&name));
            grantee.deny(import, &name, &grant);
            return None;
        }
        Some(Self {
            store: grantee.stores.keyvalue(&name),
            name: name.into(),
            grantee,
        })
    }

    fn told(&self, error: StoreError) -> Error {
        let store = format!("the key-value store `{}`", self.name);
        refused(self.grantee.told(&store, error))
    }

    pub(crate) async fn get(&self, key: String) -> Result<Option<store::Entry>, Error> {
        check_key(&key)?;
        let entries = self.store.get(vec![key]).await;
        Ok(entries.map_err(|error| self.told(error))?.pop().flatten())
    }

    pub(crate) async fn set(
        &self,
        key: String,
        value: Vec<u8>,
        milliseconds: Option<u64>,
    ) -> Result<(), Error> {
        check_key(&key)?;
        check_value(&value)?;
        let set = self.store.set(vec![(key, value)], lifetime(milliseconds)?);
        set.await.map_err(|error| self.told(error))
    }

    pub(crate) async fn delete(&self, key: String) -> Result<(), Error> {
        check_key(&key)?;
        let deleted = self.store.delete(vec![key]).await;
        deleted.map_err(|error| self.told(error))
    }

    pub(crate) async fn version(&self, key: String) -> Result<Option<Version>, Error> {
        check_key(&key)?;
        let version = self.store.version(key).await;
        version.map_err(|error| self.told(error))
    }

    pub(crate) async fn list(&self, listing: Listing) -> Result<KeyResponse, Error> {
        let page = self.store.list(listing).await;
        let page = page.map_err(|error| self.told(error))?;
        let cursor = page.keys.last().filter(|_| page.more).cloned();
        Ok(KeyResponse {
            keys: page.keys,
            cursor,
        })
    }
}

fn bucket(state: &mut State, bucket: &Resource<Bucket>) -> wasmtime::Result<Bucket> {
    Ok(state.ctx().table.get(bucket)?.clone())
}

impl interface::Host for State {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let Some(bucket) = Bucket::granted(self, "wasi:keyvalue/store", identifier) else {
            return Ok(Err(Error::AccessDenied));
        };
        Ok(Ok(self.ctx().table.push(bucket)?))
    }
}

impl interface::HostBucket for State {
    async fn get(&mut self, this: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let entry = bucket(self, &this)?.get(key).await;
        Ok(entry.map(|entry| entry.map(|entry| entry.value)))
    }

    async fn set(&mut self, this: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        Ok(bucket(self, &this)?.set(key, value, None).await)
    }

    async fn delete(&mut self, this: Resource<Bucket>, key: String) -> Answer<()> {
        batch::Host::delete_many(self, this, vec![key]).await
    }

    async fn exists(&mut self, this: Resource<Bucket>, key: String) -> Answer<bool> {
        let version = bucket(self, &this)?.version(key).await;
        Ok(version.map(|version| version.is_some()))
    }

    async fn list_keys(
        &mut self,
        this: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        let listing = Listing {
            prefix: String::new(),
            after: cursor,
            limit: MOST_KEYS,
        };
        Ok(bucket(self, &this)?.list(listing).await)
    }

    async fn drop(&mut self, this: Resource<Bucket>) -> wasmtime::Result<()> {
        self.ctx().table.delete(this)?;
        Ok(())
    }
}

impl batch::Host for State {
    async fn get_many(
        &mut self,
        this: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<(String, Option<Vec<u8>>)>> {
        let bucket = bucket(self, &this)?;
        if let Err(error) = check_batch(keys.iter()) {
            return Ok(Err(error));
        }
        let entries = match bucket.store.get(keys.clone()).await {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(bucket.told(error))),
        };
        let values = entries
            .into_iter()
            .map(|entry| entry.map(|entry| entry.value));
        Ok(Ok(keys.into_iter().zip(values).collect()))
    }

    async fn set_many(
        &mut self,
        this: Resource<Bucket>,
        values: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let bucket = bucket(self, &this)?;
        let checked = check_batch(values.iter().map(|(key, _)| key));
        let checked =
            checked.and_then(|()| values.iter().try_for_each(|(_, value)| check_value(value)));
        if let Err(error) = checked {
            return Ok(Err(error));
        }
        let set = bucket.store.set(values, None).await;
        Ok(set.map_err(|error| bucket.told(error)))
    }

    async fn delete_many(&mut self, this: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let bucket = bucket(self, &this)?;
        if let Err(error) = check_batch(keys.iter()) {
            return Ok(Err(error));
        }
        let deleted = bucket.store.delete(keys).await;
        Ok(deleted.map_err(|error| bucket.told(error)))
    }
}

impl atomics::Host for State {
    async fn increment(&mut self, this: Resource<Bucket>, key: String, delta: i64) -> Answer<i64> {
        let bucket = bucket(self, &this)?;
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        let sum = bucket.store.increment(key, delta).await;
        Ok(sum.map_err(|error| bucket.told(error)))
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Answer<(), CasError> {
        let mut cas = self.ctx().table.delete(cas)?;
        if let Err(error) = check_value(&value) {
            return Ok(Err(CasError::StoreError(error)));
        }
        let store = &cas.bucket.store;
        match store.swap(cas.key.clone(), cas.version, value, None).await {
            Ok(Ok(_)) => Ok(Ok(())),
            Ok(Err(found)) => {
                cas.version = found;
                Ok(Err(CasError::CasFailed(self.ctx().table.push(cas)?)))
            }
            Err(error) => Ok(Err(CasError::StoreError(cas.bucket.told(error)))),
        }
    }
}

impl atomics::HostCas for State {
    async fn new(&mut self, this: Resource<Bucket>, key: String) -> Answer<Resource<Cas>> {
        let bucket = bucket(self, &this)?;
        match bucket.version(key.clone()).await {
            Ok(version) => {
                let cas = Cas {
                    bucket,
                    key,
                    version,
                };
                Ok(Ok(self.ctx().table.push(cas)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn current(&mut self, this: Resource<Cas>) -> Answer<Option<Vec<u8>>> {
        let cas = self.ctx().table.get(&this)?.clone();
        let entry = match cas.bucket.get(cas.key).await {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(error)),
        };
        // What the guest has seen is what its swap may replace.
        self.ctx().table.get_mut(&this)?.version = entry.as_ref().map(|entry| entry.version);
        Ok(Ok(entry.map(|entry| entry.value)))
    }

    async fn drop(&mut self, this: Resource<Cas>) -> wasmtime::Result<()> {
        self.ctx().table.delete(this)?;
        Ok(())
    }
}

impl extension::Host for State {
    async fn get_entry(
        &mut self,
        this: Resource<Bucket>,
        key: String,
    ) -> Answer<Option<extension::Entry>> {
        let entry = bucket(self, &this)?.get(key).await;
        let shown = |entry: store::Entry| extension::Entry {
            value: entry.value,
            version: entry.version,
            time_left: entry
                .left
                .map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        };
        Ok(entry.map(|entry| entry.map(shown)))
    }

    async fn set_for(
        &mut self,
        this: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
        milliseconds: u64,
    ) -> Answer<()> {
        let bucket = bucket(self, &this)?;
        Ok(bucket.set(key, value, Some(milliseconds)).await)
    }

    async fn compare_and_set(
        &mut self,
        this: Resource<Bucket>,
        key: String,
        version: Option<u64>,
        value: Vec<u8>,
        milliseconds: Option<u64>,
    ) -> Answer<u64, CompareError> {
        let bucket = bucket(self, &this)?;
        let checked = check_key(&key).and_then(|()| check_value(&value));
        let lifetime = match checked.and_then(|()| lifetime(milliseconds)) {
            Ok(lifetime) => lifetime,
            Err(error) => return Ok(Err(CompareError::StoreError(error))),
        };
        Ok(
            match bucket.store.swap(key, version, value, lifetime).await {
                Ok(swapped) => swapped.map_err(CompareError::Changed),
                Err(error) => Err(CompareError::StoreError(bucket.told(error))),
            },
        )
    }

    async fn list_prefix(
        &mut self,
        this: Resource<Bucket>,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Answer<KeyResponse> {
        let limit = usize::try_from(limit).unwrap_or(MOST_KEYS);
        let listing = Listing {
            prefix,
            after: cursor,
            limit: limit.clamp(1, MOST_KEYS),
        };
        Ok(bucket(self, &this)?.list(listing).await)
    }
}
