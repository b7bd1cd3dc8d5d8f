//! Key-value stores of a lattice: a stream of `JetStream` that keeps the newest message of each subject, one subject for each key.
//!
//! A version is the sequence of the message in the stream, which is never used again. A write with a condition carries the sequence that it
//! expects on its subject, and the server looks at it and writes in one step, whichever host asks. An increment is such a write of what was
//! read before, again when another one came between.
//!
//! A write that got no answer may have been done. It is sent again only if it has a condition, and under the same id, so that the server
//! knows it; when that does not tell what became of it, the guest is told that nobody knows. So no write is done twice.
//!
//! A key that was deleted leaves a marker for a minute, because a deletion is a write too. One that has expired is not there for any reader,
//! by the clock of the reader's host; the server removes it, in whole seconds.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::store::{Entry, KeyValue, Listing, MOST_READ, Page, Swapped, Version};
use crate::capability::nats::{
    Failure, Lost, Nats, Pull, Stored, Stream, StreamKind, headers, word,
};
use crate::capability::stores::StoreError;
use crate::telemetry::RequestId;

const EXPIRES: &str = "Wisp-Expires";
const OPERATION: &str = "KV-Operation";
const MARKER: &str = "Nats-Marker-Reason";
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// Seconds for which it is known that a key was deleted.
const MARKED: u64 = 60;
/// Keys that are read at once.
const AT_ONCE: usize = 16;
/// Keys that one answer of a listing brings.
const LISTED: u64 = 500;
/// Writers of one worker that do not stand in each other's way.
const STRIPES: usize = 64;
/// Bytes of a message beside the value.
const HEAD: usize = 1024;

/// A store in a bucket of the lattice.
#[derive(Debug)]
pub(crate) struct LatticeStore {
    stream: Stream,
    prefix: String,
    patience: Duration,
    /// Who changes what was read waits here for others of this worker, rather than to be refused for them by the server.
    stripes: [Mutex<()>; STRIPES],
    hasher: RandomState,
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    milliseconds(since.unwrap_or_default())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An id that no other write has.
fn unique() -> String {
    RequestId::next().to_string()
}

fn refused(message: impl Into<String>) -> StoreError {
    StoreError::Refused(message.into())
}

/// What lies under a key: `None` when it is a marker, or has expired.
fn entry(stored: &Stored, now: u64) -> Option<Entry> {
    if stored.header(OPERATION).is_some() || stored.header(MARKER).is_some() {
        return None;
    }
    let expires: Option<u64> = stored.header(EXPIRES).and_then(|text| text.parse().ok());
    let left = match expires {
        Some(expires) if expires <= now => return None,
        expires => expires.map(|expires| Duration::from_millis(expires - now)),
    };
    Some(Entry {
        value: stored.payload.to_vec(),
        version: stored.sequence,
        left,
    })
}

/// A write of one key.
struct Change {
    subject: String,
    headers: Vec<(&'static str, String)>,
    value: Bytes,
}

impl Change {
    fn headers(&self) -> HeaderMap {
        headers(
            self.headers
                .iter()
                .map(|(name, value)| (*name, value.clone())),
        )
    }
}

/// How a write with a condition ended.
enum Outcome {
    Done(Version),
    /// Something else is there.
    Conflict,
}

impl LatticeStore {
    /// The store of this name of an app, which may have `quota` bytes. Each call ends within `patience`.
    pub(crate) fn new(
        nats: &Arc<Nats>,
        (app, name): (&str, &str),
        quota: u64,
        patience: Duration,
    ) -> Self {
        let bucket = format!("wisp_{}_{app}_{name}", nats.lattice());
        let prefix = format!("$KV.{bucket}.");
        let names = (format!("KV_{bucket}"), format!("{prefix}>"));
        Self {
            stream: Stream::new(nats.clone(), StreamKind::Newest, names, quota),
            prefix,
            patience,
            stripes: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    fn until(&self) -> Instant {
        Instant::now() + self.patience
    }

    fn subject(&self, key: &str) -> String {
        format!("{}{}", self.prefix, word::encode(key))
    }

    async fn turn(&self, key: &str, until: Instant) -> Result<MutexGuard<'_, ()>, StoreError> {
        let number = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % STRIPES;
        let stripe = self.stripes.get(number).unwrap_or(&self.stripes[0]);
        let turn = tokio::time::timeout_at(until, stripe.lock()).await;
        turn.map_err(|_| busy())
    }

    async fn last(&self, key: &str, until: Instant) -> Result<Option<Stored>, StoreError> {
        let found = self.stream.last(&self.subject(key), until).await;
        found.map_err(|failure| self.stream.error(failure))
    }

    async fn entry(&self, key: &str, until: Instant) -> Result<Option<Entry>, StoreError> {
        let stored = self.last(key, until).await?;
        Ok(stored.and_then(|stored| entry(&stored, now())))
    }

    /// What sets a value; the error is that it is too large for this NATS.
    async fn setting(
        &self,
        (key, value): (&str, Vec<u8>),
        lifetime: Option<Duration>,
        until: Instant,
    ) -> Result<Change, StoreError> {
        let largest = self.stream.nats.largest(until).await;
        let largest = largest.map_err(|lost| self.stream.error(lost.into()))?;
        if value.len() + HEAD > largest {
            let most = largest.saturating_sub(HEAD);
            let message = format!(
                "a value has at most {most} bytes in this lattice (max_payload of its NATS), this one has {}",
                value.len()
            );
            return Err(refused(message));
        }
        let mut headers = Vec::new();
        if let Some(lifetime) = lifetime {
            let seconds = lifetime.as_secs().saturating_add(2);
            headers.push((
                EXPIRES,
                now().saturating_add(milliseconds(lifetime)).to_string(),
            ));
            headers.push(("Nats-TTL", format!("{}s", seconds.min(u64::from(u32::MAX)))));
        }
        Ok(Change {
            subject: self.subject(key),
            headers,
            value: value.into(),
        })
    }

    fn deleting(&self, key: &str) -> Change {
        let headers = vec![
            (OPERATION, "DEL".to_owned()),
            ("Nats-TTL", format!("{MARKED}s")),
        ];
        Change {
            subject: self.subject(key),
            headers,
            value: Bytes::new(),
        }
    }

    /// Writes whatever is there. What was not answered is looked for, and never sent again: another may have written since.
    async fn write(&self, mut change: Change, until: Instant) -> Result<(), StoreError> {
        let id = unique();
        change.headers.push(("Nats-Msg-Id", id.clone()));
        let (subject, headers) = (&change.subject, change.headers());
        let written = self.stream.publish(subject, &headers, &change.value, until);
        let Err(failure) = written.await else {
            return Ok(());
        };
        if failure == Failure::Lost(Lost::Unanswered)
            && let Ok(Some(found)) = self.stream.last(subject, until).await
            && found.header("Nats-Msg-Id") == Some(id.as_str())
        {
            return Ok(());
        }
        Err(self.stream.error(failure))
    }

    /// Writes if the newest message of the key has this sequence, 0 being none.
    async fn write_if(
        &self,
        mut change: Change,
        sequence: u64,
        until: Instant,
    ) -> Result<Outcome, StoreError> {
        change.headers.push(("Nats-Msg-Id", unique()));
        change.headers.push((EXPECTED, sequence.to_string()));
        let headers = change.headers();
        let mut unanswered = false;
        loop {
            let written = self
                .stream
                .publish(&change.subject, &headers, &change.value, until);
            match written.await {
                Ok(version) => return Ok(Outcome::Done(version)),
                Err(Failure::Refused(refusal)) if refusal.is_conflict() && !unanswered => {
                    return Ok(Outcome::Conflict);
                }
                // The same id again: the server writes it once, and says that it knows it.
                Err(Failure::Lost(Lost::Unanswered)) if Instant::now() < until => unanswered = true,
                Err(_) if unanswered => {
                    return Err(self.stream.error(Failure::Lost(Lost::Unanswered)));
                }
                Err(failure) => return Err(self.stream.error(failure)),
            }
        }
    }

    /// Writes some keys as one.
    async fn write_all(&self, changes: Vec<Change>, until: Instant) -> Result<(), StoreError> {
        let told = |failure| self.stream.error(failure);
        if !self.stream.is_atomic(until).await.map_err(told)? {
            let message = "several keys are written as one by NATS 2.12 and newer, and that of the lattice is older";
            return Err(refused(message));
        }
        let messages = changes.into_iter().map(|change| {
            let headers = change.headers();
            (change.subject, headers, change.value)
        });
        let (messages, batch) = (messages.collect(), unique());
        let written = self.stream.publish_all(messages, &batch, until);
        written.await.map(drop).map_err(told)
    }
}

fn busy() -> StoreError {
    refused("others write this key all the time; nothing was done")
}

#[wasmtime_wasi::async_trait]
impl KeyValue for LatticeStore {
    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Entry>>, StoreError> {
        let until = self.until();
        let (mut entries, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        let reading = keys
            .into_iter()
            .map(|key| async move { self.entry(&key, until).await });
        let mut reading = futures::stream::iter(reading).buffered(AT_ONCE);
        while let Some(entry) = reading.try_next().await? {
            bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
            if bytes > MOST_READ {
                let message = format!("the values have more than {MOST_READ} bytes together");
                return Err(refused(message));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    async fn version(&self, key: String) -> Result<Option<Version>, StoreError> {
        let found = self.entry(&key, self.until()).await?;
        Ok(found.map(|entry| entry.version))
    }

    async fn set(
        &self,
        values: Vec<(String, Vec<u8>)>,
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        let until = self.until();
        // A key that comes twice has its last value.
        let values: BTreeMap<_, _> = values.into_iter().collect();
        let mut changes = Vec::with_capacity(values.len());
        for (key, value) in values {
            changes.push(self.setting((&key, value), lifetime, until).await?);
        }
        match changes.pop() {
            None => Ok(()),
            Some(only) if changes.is_empty() => self.write(only, until).await,
            Some(last) => {
                changes.push(last);
                self.write_all(changes, until).await
            }
        }
    }

    async fn delete(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let until = self.until();
        let mut there = Vec::new();
        for key in keys {
            // What is not there needs no marker, for which there may be no room.
            if self.entry(&key, until).await?.is_some() && !there.contains(&key) {
                there.push(key);
            }
        }
        match there.as_slice() {
            [] => Ok(()),
            [only] => self.write(self.deleting(only), until).await,
            some => {
                let changes = some.iter().map(|key| self.deleting(key));
                self.write_all(changes.collect(), until).await
            }
        }
    }

    async fn increment(&self, key: String, delta: i64) -> Result<i64, StoreError> {
        let until = self.until();
        let _turn = self.turn(&key, until).await?;
        while Instant::now() < until {
            let stored = self.last(&key, until).await?;
            let sequence = stored.as_ref().map_or(0, |stored| stored.sequence);
            let found = stored.and_then(|stored| entry(&stored, now()));
            let lifetime = found.as_ref().and_then(|entry| entry.left);
            let number = found.map_or(Some(0), |entry| {
                str::from_utf8(&entry.value).ok()?.parse::<i64>().ok()
            });
            let number =
                number.ok_or_else(|| refused("the value is not a decimal number of 64 bits"))?;
            let sum = number.checked_add(delta);
            let sum = sum.ok_or_else(|| refused("the sum has more than 64 bits"))?;
            let value = sum.to_string().into_bytes();
            let change = self.setting((&key, value), lifetime, until).await?;
            if let Outcome::Done(_) = self.write_if(change, sequence, until).await? {
                return Ok(sum);
            }
        }
        Err(busy())
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Version>,
        value: Vec<u8>,
        lifetime: Option<Duration>,
    ) -> Result<Swapped, StoreError> {
        let until = self.until();
        let _turn = self.turn(&key, until).await?;
        while Instant::now() < until {
            let stored = self.last(&key, until).await?;
            let sequence = stored.as_ref().map_or(0, |stored| stored.sequence);
            let found = stored.and_then(|stored| entry(&stored, now()));
            let found = found.map(|entry| entry.version);
            if found != expected {
                return Ok(Err(found));
            }
            let change = self.setting((&key, value.clone()), lifetime, until).await?;
            if let Outcome::Done(version) = self.write_if(change, sequence, until).await? {
                return Ok(Ok(version));
            }
        }
        Err(busy())
    }

    async fn list(&self, listing: Listing) -> Result<Page, StoreError> {
        let Listing {
            prefix,
            after,
            limit,
        } = listing;
        let keys = self.keys(self.until()).await;
        let mut keys = keys.map_err(|failure| self.stream.error(failure))?;
        keys.retain(|key| {
            key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after)
        });
        keys.sort_unstable();
        let more = keys.len() > limit;
        keys.truncate(limit);
        Ok(Page { keys, more })
    }
}

impl LatticeStore {
    /// All keys, in no order. The server has no other way to list: it goes through all of them each time.
    async fn keys(&self, until: Instant) -> Result<Vec<String>, Failure> {
        let config = json!({
            "deliver_policy": "last_per_subject", "ack_policy": "none", "headers_only": true, "mem_storage": true,
            "num_replicas": 1, "filter_subject": format!("{}>", self.prefix), "inactive_threshold": 10_000_000_000_u64, "replay_policy": "instant",
        });
        let mut pull = Pull::open(&self.stream, config, until).await?;
        let (mut keys, mut seen, now) = (Vec::new(), 0, now());
        while seen < pull.pending {
            pull.ask(LISTED, None, until).await?;
            while let Some(delivered) = pull.next(until).await? {
                seen += 1;
                let word = delivered.subject.strip_prefix(&self.prefix);
                let there = entry(&delivered.stored, now).is_some();
                keys.extend(word.filter(|_| there).and_then(word::decode));
            }
        }
        Ok(keys)
    }
}
