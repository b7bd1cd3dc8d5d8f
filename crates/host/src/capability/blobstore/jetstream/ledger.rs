//! What stands in the stream: containers, objects, loose contents; read one by one, written as one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::store::{BlobError, Place};
use crate::capability::nats::{Failure, Nats, Pull, Stream, StreamKind, headers, word};
use crate::capability::stores::StoreError;
use crate::telemetry::RequestId;

const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const OPERATION: &str = "KV-Operation";
/// Seconds for which it is known that something was deleted.
const MARKED: &str = "60s";
/// Seconds for which a content is kept that no object has.
const KEPT: u64 = 15 * 60;
/// Names that one answer of a listing brings.
const LISTED: u64 = 500;
/// Bytes of an object's name, as the word of a subject.
const LONGEST: usize = 1500;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// A container.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Container {
    pub(super) created: u64,
    /// Bytes of all its objects.
    pub(super) used: u64,
}

/// An object.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Object {
    pub(super) size: u64,
    pub(super) created: u64,
    pub(super) content: String,
}

/// A content that no object has.
#[derive(Debug, Deserialize, Serialize)]
struct Loose {
    since: u64,
    size: u64,
}

/// Refuses what can be no name.
pub(super) fn check_name(name: &str) -> Result<(), BlobError> {
    if name.is_empty() {
        return Err(BlobError::NoName);
    }
    if word::encode(name).len() > LONGEST {
        return Err(BlobError::LongName(LONGEST));
    }
    Ok(())
}

/// The stream of an app's blobs.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) stream: Stream,
    prefix: String,
    patience: Duration,
}

impl Ledger {
    pub(super) fn new(nats: &Arc<Nats>, app: &str, patience: Duration) -> Self {
        let lattice = nats.lattice();
        let prefix = format!("wisp.{lattice}.{app}.blobs.");
        let names = (format!("wisp_{lattice}_{app}_blobs"), format!("{prefix}>"));
        // Containers are bounded by their sums.
        let stream = Stream::new(nats.clone(), StreamKind::Newest, names, u64::MAX);
        Self {
            stream,
            prefix,
            patience,
        }
    }

    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.patience
    }

    pub(super) fn error(&self, failure: Failure) -> BlobError {
        match self.stream.error(failure) {
            StoreError::Refused(message) => BlobError::Refused(message),
            StoreError::Full(quota) => BlobError::Full(quota),
            StoreError::Failed(message) => BlobError::Failed(message),
        }
    }

    fn of_container(&self, name: &str) -> String {
        format!("{}container.{}", self.prefix, word::encode(name))
    }

    fn of_object(&self, place: &Place) -> String {
        let (container, object) = place.names();
        let (container, object) = (word::encode(container), word::encode(object));
        format!("{}object.{container}.{object}", self.prefix)
    }

    fn of_loose(&self, content: &str) -> String {
        format!("{}loose.{content}", self.prefix)
    }

    /// The subject of a piece.
    pub(super) fn of_piece(&self, content: &str, number: u64) -> String {
        format!("{}piece.{content}.{number}", self.prefix)
    }

    /// What stands under a subject, and its sequence, 0 being none.
    async fn find<T: DeserializeOwned>(
        &self,
        subject: &str,
        until: Instant,
    ) -> Result<(Option<T>, u64), BlobError> {
        let found = self.stream.last(subject, until).await;
        let Some(stored) = found.map_err(|failure| self.error(failure))? else {
            return Ok((None, 0));
        };
        if stored.header(OPERATION).is_some() {
            return Ok((None, stored.sequence));
        }
        let read = serde_json::from_slice(&stored.payload);
        let wrong = |error| BlobError::Failed(format!("{subject}: {error}"));
        Ok((Some(read.map_err(wrong)?), stored.sequence))
    }

    pub(super) async fn find_container(
        &self,
        name: &str,
        until: Instant,
    ) -> Result<(Option<Container>, u64), BlobError> {
        self.find(&self.of_container(name), until).await
    }

    /// A container that must be there.
    pub(super) async fn container(
        &self,
        name: &str,
        until: Instant,
    ) -> Result<(Container, u64), BlobError> {
        let (found, sequence) = self.find_container(name, until).await?;
        let missing = || BlobError::NoContainer(name.to_owned());
        Ok((found.ok_or_else(missing)?, sequence))
    }

    /// An object, if it is there; the error is a name that none can have.
    pub(super) async fn object(
        &self,
        place: &Place,
        until: Instant,
    ) -> Result<(Option<Object>, u64), BlobError> {
        check_name(&place.object)?;
        self.find(&self.of_object(place), until).await
    }

    /// The names of all objects of a container.
    pub(super) async fn names(
        &self,
        container: &str,
        until: Instant,
    ) -> Result<Vec<String>, BlobError> {
        let prefix = format!("{}object.{}.", self.prefix, word::encode(container));
        let mut names = Vec::new();
        let each = |subject: &str, _: &[u8]| {
            let rest = subject.strip_prefix(&prefix);
            names.extend(rest.and_then(word::decode));
        };
        let listed = self.each(&format!("{prefix}>"), true, until, each).await;
        listed.map_err(|failure| self.error(failure))?;
        Ok(names)
    }

    /// Goes through all that stands under subjects.
    async fn each(
        &self,
        filter: &str,
        headers_only: bool,
        until: Instant,
        mut look: impl FnMut(&str, &[u8]) + Send,
    ) -> Result<(), Failure> {
        let config = json!({
            "deliver_policy": "last_per_subject", "ack_policy": "none", "headers_only": headers_only, "mem_storage": true,
            "num_replicas": 1, "filter_subject": filter, "inactive_threshold": 10_000_000_000_u64, "replay_policy": "instant",
        });
        let mut pull = Pull::open(&self.stream, config, until).await?;
        let mut seen = 0;
        while seen < pull.pending {
            pull.ask(LISTED, None, until).await?;
            while let Some(delivered) = pull.next(until).await? {
                seen += 1;
                if delivered.stored.header(OPERATION).is_none() {
                    look(&delivered.subject, &delivered.stored.payload);
                }
            }
        }
        Ok(())
    }

    pub(super) fn batch(&self) -> Batch<'_> {
        let writes = Vec::new();
        Batch {
            ledger: self,
            writes,
        }
    }

    /// Says that a content is being uploaded, and gives the sequence of that.
    pub(super) async fn upload(&self, content: &str) -> Result<u64, BlobError> {
        let loose = json!(Loose {
            since: now(),
            size: 0,
        });
        let (subject, until) = (self.of_loose(content), self.until());
        self.put(&subject, loose.to_string().into(), until).await
    }

    /// Writes something under a subject that only we know.
    pub(super) async fn put(
        &self,
        subject: &str,
        payload: Bytes,
        until: Instant,
    ) -> Result<u64, BlobError> {
        let headers = headers([("Nats-Msg-Id", RequestId::next().to_string())]);
        loop {
            let written = self.stream.publish(subject, &headers, &payload, until);
            match written.await {
                Err(Failure::Lost(crate::capability::nats::Lost::Unanswered))
                    if Instant::now() < until => {}
                written => return written.map_err(|failure| self.error(failure)),
            }
        }
    }

    /// Deletes a content that no object has.
    pub(super) async fn discard(&self, content: &str, until: Instant) -> Result<(), BlobError> {
        let question = format!("STREAM.PURGE.{}", self.stream.name);
        let pieces = format!("{}piece.{content}.>", self.prefix);
        for filter in [pieces, self.of_loose(content)] {
            let body = json!({ "filter": filter });
            let purged = self.stream.api::<Value>(&question, &body, until).await;
            purged.map_err(|failure| self.error(failure))?;
        }
        Ok(())
    }

    /// Deletes what has been loose for long, and the oldest of what is loose when that is much.
    pub(super) async fn sweep(&self, most: u64, until: Instant) -> Result<(), BlobError> {
        let prefix = self.of_loose("");
        let mut loose = Vec::new();
        let each = |subject: &str, payload: &[u8]| {
            let content = subject.strip_prefix(&prefix);
            let told = serde_json::from_slice::<Loose>(payload).ok();
            loose.extend(
                content
                    .zip(told)
                    .map(|(content, told)| (told.since, told.size, content.to_owned())),
            );
        };
        let listed = self.each(&format!("{prefix}>"), false, until, each).await;
        listed.map_err(|failure| self.error(failure))?;
        loose.sort_unstable();
        let mut bytes: u64 = loose.iter().map(|(_, size, _)| size).sum();
        for (since, size, content) in loose {
            // What is being uploaded has no size yet, and goes for its age alone.
            let much = bytes > most && size > 0;
            if much || since.saturating_add(KEPT) < now() {
                self.discard(&content, until).await?;
                bytes -= size;
            }
        }
        Ok(())
    }
}

/// Writes that are done as one, if everything is still as it was read.
pub(super) struct Batch<'a> {
    ledger: &'a Ledger,
    writes: Vec<(String, HeaderMap, Bytes)>,
}

impl Batch<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    fn put(&mut self, subject: String, value: &impl Serialize, expected: u64) {
        let headers = headers([(EXPECTED, expected.to_string())]);
        self.writes
            .push((subject, headers, json!(value).to_string().into()));
    }

    fn remove(&mut self, subject: String, expected: u64) {
        let headers = headers([
            (EXPECTED, expected.to_string()),
            (OPERATION, "DEL".into()),
            ("Nats-TTL", MARKED.into()),
        ]);
        self.writes.push((subject, headers, Bytes::new()));
    }

    pub(super) fn container(&mut self, name: &str, container: &Container, expected: u64) {
        self.put(self.ledger.of_container(name), container, expected);
    }

    pub(super) fn without(&mut self, name: &str, expected: u64) {
        self.remove(self.ledger.of_container(name), expected);
    }

    pub(super) fn object(&mut self, place: &Place, object: &Object, expected: u64) {
        self.put(self.ledger.of_object(place), object, expected);
    }

    pub(super) fn gone(&mut self, place: &Place, expected: u64) {
        self.remove(self.ledger.of_object(place), expected);
    }

    /// A content belongs to an object from now on.
    pub(super) fn tied(&mut self, content: &str, expected: u64) {
        self.remove(self.ledger.of_loose(content), expected);
    }

    /// The content of an object belongs to none any more.
    pub(super) fn loose(&mut self, object: &Object) {
        let loose = json!(Loose {
            since: now(),
            size: object.size,
        });
        let subject = self.ledger.of_loose(&object.content);
        let payload = loose.to_string().into();
        self.writes.push((subject, HeaderMap::new(), payload));
    }

    /// Does all of it; `false` when something is not as it was read any more, and then nothing was done.
    pub(super) async fn commit(self, until: Instant) -> Result<bool, BlobError> {
        let (ledger, id) = (self.ledger, RequestId::next().to_string());
        match ledger.stream.publish_all(self.writes, &id, until).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(refusal)) if refusal.is_conflict() && Instant::now() < until => {
                Ok(false)
            }
            Err(failure) => Err(ledger.error(failure)),
        }
    }
}
