//! A stream of `JetStream`, as a store of ours uses it: made when it is not there, written to with conditions, read from its leader.
//!
//! Every call ends until an instant, with an answer or with a [`Failure`] that says whether something may have been done. What was lost on
//! the way is never sent again by this module, because only the caller knows whether that is harmless.
//!
//! A read asks the leader of the stream. A direct get would be answered by any replica, which may not know yet what another
//! host was just told is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_nats::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::connection::{Lost, Nats};
use super::message::{Stored, Written};
use crate::capability::stores::StoreError;

/// The server's codes for what we expect to happen.
const STREAM_NOT_FOUND: u64 = 10059;
const STREAM_NAME_IN_USE: u64 = 10058;
const NO_MESSAGE: u64 = 10037;
const WRONG_LAST_SEQUENCE: [u64; 2] = [10071, 10164];
const STORE_FAILED: u64 = 10077;
/// There is no room for another stream of this size.
const NO_STORAGE: [u64; 3] = [10002, 10023, 10047];

/// What the server says no with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

impl Refusal {
    /// Whether the subject is not at the sequence that was expected.
    pub(crate) fn is_conflict(&self) -> bool {
        WRONG_LAST_SEQUENCE.contains(&self.err_code)
    }

    fn is_full(&self) -> bool {
        self.err_code == STORE_FAILED && self.description.contains("maximum bytes")
    }
}

/// Why something was not done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    Lost(Lost),
    Refused(Refusal),
    /// The server has said what no server says.
    Nonsense(String),
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

/// An answer of `JetStream`'s: an error, or what was asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Refused { error: Refusal },
    Done(T),
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    match serde_json::from_slice(payload) {
        Ok(Answer::Done(done)) => Ok(done),
        Ok(Answer::Refused { error }) => Err(Failure::Refused(error)),
        Err(error) => Err(Failure::Nonsense(error.to_string())),
    }
}

/// What a stream is for, which decides how the server keeps it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StreamKind {
    /// The newest message of each subject; what has no room is refused.
    Newest,
    /// All messages for a while; the oldest go when there is no room.
    Log,
    /// Each message until all who want it have had it; what has no room is refused.
    Queue,
}

/// One stream, which exists when something was done with it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) nats: Arc<Nats>,
    pub(crate) name: String,
    subjects: String,
    kind: StreamKind,
    /// Bytes that it may have.
    quota: u64,
    made: AtomicBool,
    /// Bytes that the server lets it have, which another component may have asked for.
    room: AtomicU64,
    /// Whether the server knows how to write several messages as one.
    atomic: AtomicBool,
}

#[derive(Deserialize)]
struct Made {
    config: Value,
}

impl Made {
    fn number(&self, key: &str) -> Option<u64> {
        self.config.get(key)?.as_u64()
    }
}

#[derive(Debug, Deserialize)]
struct Acknowledged {
    seq: u64,
}

impl Stream {
    pub(crate) fn new(
        nats: Arc<Nats>,
        kind: StreamKind,
        (name, subjects): (String, String),
        quota: u64,
    ) -> Self {
        Self {
            nats,
            name,
            subjects,
            kind,
            quota,
            made: AtomicBool::default(),
            room: AtomicU64::new(quota),
            atomic: AtomicBool::default(),
        }
    }

    fn config(&self) -> Value {
        const DAY: u64 = 24 * 3600 * 1_000_000_000;
        let (age, retention, discard, newest) = match self.kind {
            StreamKind::Newest => (0, "limits", "new", 1),
            StreamKind::Log => (7 * DAY, "limits", "old", -1),
            StreamKind::Queue => (0, "interest", "new", -1),
        };
        json!({
            "name": self.name, "subjects": [self.subjects], "storage": "file", "num_replicas": self.nats.replicas(),
            "retention": retention, "discard": discard, "max_bytes": i64::try_from(self.quota).unwrap_or(-1), "max_msgs_per_subject": newest,
            "max_age": age, "max_msgs": -1, "max_consumers": -1, "max_msg_size": -1, "duplicate_window": 120_000_000_000_u64,
            "allow_rollup_hdrs": self.kind == StreamKind::Newest, "allow_msg_ttl": true, "allow_atomic": true,
            "deny_delete": false, "allow_direct": false,
        })
    }

    /// Asks something of `JetStream`.
    pub(crate) async fn api<T: DeserializeOwned>(
        &self,
        question: &str,
        body: &Value,
        until: Instant,
    ) -> Result<T, Failure> {
        let subject = format!("$JS.API.{question}");
        let payload = Bytes::from(body.to_string());
        let answer = self.nats.ask(&subject, &payload, until).await?;
        read(&answer.payload)
    }

    /// Makes the stream when it is not there; a larger one is left alone, a smaller one grows.
    pub(crate) async fn make(&self, until: Instant) -> Result<(), Failure> {
        if self.made.load(Ordering::Relaxed) {
            return Ok(());
        }
        let found = self.info(until).await;
        let made = match found {
            Err(Failure::Refused(refusal)) if refusal.err_code == STREAM_NOT_FOUND => {
                let create = format!("STREAM.CREATE.{}", self.name);
                match self.api(&create, &self.config(), until).await {
                    // Another worker was quicker.
                    Err(Failure::Refused(refusal)) if refusal.err_code == STREAM_NAME_IN_USE => {
                        self.info(until).await?
                    }
                    made => made?,
                }
            }
            found => found?,
        };
        let made = self.grown(made, until).await?;
        let room = made.number("max_bytes").unwrap_or(u64::MAX);
        let atomic = made.config.get("allow_atomic") == Some(&Value::Bool(true));
        self.room.store(room, Ordering::Relaxed);
        self.atomic.store(atomic, Ordering::Relaxed);
        self.made.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Looks whether it is there the next time that something is done with it.
    pub(crate) fn forget(&self) {
        self.made.store(false, Ordering::Relaxed);
    }

    async fn info(&self, until: Instant) -> Result<Made, Failure> {
        let question = format!("STREAM.INFO.{}", self.name);
        self.api(&question, &json!({}), until).await
    }

    async fn grown(&self, mut made: Made, until: Instant) -> Result<Made, Failure> {
        let has = made.number("max_bytes");
        if has.is_none_or(|has| has >= self.quota) {
            return Ok(made);
        }
        if let Some(config) = made.config.as_object_mut() {
            config.insert("max_bytes".to_owned(), self.quota.into());
        }
        let question = format!("STREAM.UPDATE.{}", self.name);
        self.api(&question, &made.config, until).await
    }

    /// Writes a message, and gives its sequence.
    pub(crate) async fn publish(
        &self,
        subject: &str,
        headers: &HeaderMap,
        payload: &Bytes,
        until: Instant,
    ) -> Result<u64, Failure> {
        self.make(until).await?;
        loop {
            match self.nats.request(subject, headers, payload, until).await {
                // A queue is made with all who want something from it, or what is published is kept for nobody.
                Err(Lost::Nobody) if self.kind == StreamKind::Queue => {
                    return Err(Lost::Nobody.into());
                }
                Err(Lost::Nobody) => self.missing(until).await?,
                answer => return Ok(read::<Acknowledged>(&answer?.payload)?.seq),
            }
        }
    }

    /// Nobody has taken a message of ours: `JetStream` is not there yet, or the stream is not there any more.
    async fn missing(&self, until: Instant) -> Result<(), Failure> {
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
        if Instant::now() + PAUSE >= until {
            return Err(Lost::Nobody.into());
        }
        sleep(PAUSE).await;
        self.made.store(false, Ordering::Relaxed);
        self.make(until).await
    }

    /// Whether several messages can be written as one.
    pub(crate) async fn is_atomic(&self, until: Instant) -> Result<bool, Failure> {
        self.make(until).await?;
        Ok(self.atomic.load(Ordering::Relaxed))
    }

    /// Writes several messages: all of them or none, in one moment.
    pub(crate) async fn publish_all(
        &self,
        messages: Vec<(String, HeaderMap, Bytes)>,
        batch: &str,
        until: Instant,
    ) -> Result<u64, Failure> {
        self.make(until).await?;
        let last = messages.len();
        for (number, (subject, mut headers, payload)) in (1..).zip(messages) {
            headers.insert("Nats-Batch-Id", batch);
            headers.insert("Nats-Batch-Sequence", number.to_string());
            if number < last {
                self.nats
                    .send(subject, None, headers, payload, until)
                    .await?;
                continue;
            }
            headers.insert("Nats-Batch-Commit", "1");
            let answer = self
                .nats
                .request(&subject, &headers, &payload, until)
                .await?;
            return Ok(read::<Acknowledged>(&answer.payload)?.seq);
        }
        Err(Failure::Nonsense("a batch without messages".into()))
    }

    /// The newest message of a subject.
    pub(crate) async fn last(
        &self,
        subject: &str,
        until: Instant,
    ) -> Result<Option<Stored>, Failure> {
        #[derive(Deserialize)]
        struct Found {
            message: Written,
        }
        let question = format!("STREAM.MSG.GET.{}", self.name);
        let body = json!({ "last_by_subj": subject });
        self.make(until).await?;
        loop {
            match self.api::<Found>(&question, &body, until).await {
                Ok(found) => {
                    let stored = found.message.read();
                    let nonsense = || Failure::Nonsense("a message that is not one".into());
                    return stored.map(Some).ok_or_else(nonsense);
                }
                Err(Failure::Refused(refusal)) if refusal.err_code == NO_MESSAGE => {
                    return Ok(None);
                }
                Err(Failure::Refused(refusal)) if refusal.err_code == STREAM_NOT_FOUND => {
                    self.missing(until).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// What a guest is told of a failure.
    pub(crate) fn error(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::Lost(Lost::Away | Lost::Nobody) => StoreError::Refused(
                "the NATS of the lattice cannot be reached; nothing was done".into(),
            ),
            Failure::Lost(Lost::Unanswered) => StoreError::Refused(
                "the NATS of the lattice did not answer; what was asked may have been done or not"
                    .into(),
            ),
            Failure::Refused(refusal) if refusal.is_full() => {
                StoreError::Full(self.room.load(Ordering::Relaxed))
            }
            Failure::Refused(refusal) if NO_STORAGE.contains(&refusal.err_code) => {
                StoreError::Failed(format!(
                    "NATS has no room for {} of {} bytes (limits.store): {}",
                    self.name, self.quota, refusal.description
                ))
            }
            Failure::Refused(refusal) => {
                let Refusal {
                    err_code,
                    description,
                } = refusal;
                StoreError::Failed(format!("NATS: {}: {description} ({err_code})", self.name))
            }
            Failure::Nonsense(message) => {
                StoreError::Failed(format!("NATS: {}: {message}", self.name))
            }
        }
    }
}
