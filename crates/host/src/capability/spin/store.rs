//! What the key-value interfaces of Spin have in common.

use wisp_wasi::State;

use crate::capability::keyvalue::{Bucket, Error, Listing, MOST_KEYS};

/// Bytes of all keys of one answer.
const MOST_BYTES: usize = 16 << 20;

/// Why a call failed; the families have the same cases.
#[derive(Debug)]
pub(super) enum StoreFailure {
    AccessDenied,
    Other(String),
}

impl From<Error> for StoreFailure {
    fn from(error: Error) -> Self {
        match error {
            Error::AccessDenied | Error::NoSuchStore => Self::AccessDenied,
            Error::Other(message) => Self::Other(message),
        }
    }
}

/// The store of this label. One that is not granted is denied, whether it is there or not.
pub(super) fn open(state: &State, import: &str, label: String) -> Result<Bucket, StoreFailure> {
    Bucket::granted(state, import, label).ok_or(StoreFailure::AccessDenied)
}

pub(super) async fn get(bucket: &Bucket, key: String) -> Result<Option<Vec<u8>>, StoreFailure> {
    Ok(bucket.get(key).await?.map(|entry| entry.value))
}

pub(super) async fn set(bucket: &Bucket, key: String, value: Vec<u8>) -> Result<(), StoreFailure> {
    Ok(bucket.set(key, value, None).await?)
}

pub(super) async fn delete(bucket: &Bucket, key: String) -> Result<(), StoreFailure> {
    Ok(bucket.delete(key).await?)
}

pub(super) async fn exists(bucket: &Bucket, key: String) -> Result<bool, StoreFailure> {
    Ok(bucket.version(key).await?.is_some())
}

/// All keys. Spin's interfaces have no pages, so there is a bound instead.
pub(super) async fn keys(bucket: &Bucket) -> Result<Vec<String>, StoreFailure> {
    let (mut keys, mut bytes, mut after) = (Vec::new(), 0_usize, None);
    loop {
        let listing = Listing {
            prefix: String::new(),
            after,
            limit: MOST_KEYS,
        };
        let page = bucket.list(listing).await?;
        bytes += page.keys.iter().map(String::len).sum::<usize>();
        if bytes > MOST_BYTES {
            let told = format!("the keys have more than {MOST_BYTES} bytes together");
            return Err(StoreFailure::Other(told));
        }
        keys.extend(page.keys);
        after = page.cursor;
        if after.is_none() {
            return Ok(keys);
        }
    }
}
