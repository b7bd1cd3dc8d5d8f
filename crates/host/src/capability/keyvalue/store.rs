//! What a key-value store is, wherever it is kept.

use std::fmt;
use std::time::Duration;

use crate::capability::stores::StoreError;

/// Changes with every write of a key, and is never seen again.
pub(crate) type Version = u64;

/// Bytes of all values that one reading call gives: they are in memory at once.
pub(crate) const MOST_READ: usize = 16 << 20;

/// A value with what the store knows of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    pub(crate) version: Version,
    /// Until the store forgets it; `None` is never.
    pub(crate) left: Option<Duration>,
}

/// Which keys are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) prefix: String,
    /// Only those that come after this one.
    pub(crate) after: Option<String>,
    pub(crate) limit: usize,
}

/// Keys in the order of their bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    /// Whether others follow.
    pub(crate) more: bool,
}

/// How a swap ended: the new version, or the one that is there instead of the expected one.
pub(crate) type Swapped = Result<Version, Option<Version>>;

/// A store of keys and values.
///
/// Every call is atomic: it is done as a whole or not at all, and no other call sees half of it. What a writing call has answered is
/// there for every later call, of whatever worker, and stays when the host ends in whatever way.
///
/// Names of keys and sizes of values were looked at before. What `conformance` tests, every store does.
#[wasmtime_wasi::async_trait]
pub(crate) trait KeyValue: Send + Sync + fmt::Debug {
    /// The entries of keys, in their order; refuses when they have more than [`MOST_READ`] bytes together.
    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Entry>>, StoreError>;

    /// The version of a key, if it is there.
    async fn version(&self, key: String) -> Result<Option<Version>, StoreError>;

    /// Sets values, for ever or for a while.
    async fn set(
        &self,
        values: Vec<(String, Vec<u8>)>,
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError>;

    /// Forgets keys.
    async fn delete(&self, keys: Vec<String>) -> Result<(), StoreError>;

    /// Adds to a value that is a decimal number, or begins one, and gives the sum. How long the key stays does not change.
    async fn increment(&self, key: String, delta: i64) -> Result<i64, StoreError>;

    /// Sets a value if its key has this version, `None` being a key that is not there.
    async fn swap(
        &self,
        key: String,
        expected: Option<Version>,
        value: Vec<u8>,
        lifetime: Option<Duration>,
    ) -> Result<Swapped, StoreError>;

    /// Keys, a page of them.
    async fn list(&self, listing: Listing) -> Result<Page, StoreError>;
}
