//! The messages of an app in its lattice: two streams of `JetStream`, and who takes what from them.
//!
//! A message that a subscription of the app wants goes to the **queue**, which keeps it until every group that wants it has acknowledged
//! it, and refuses new ones when there is no room. All others go to the **log**, which keeps the newest of a week.
//!
//! A subject in the queue begins with a number, which is made of the key of the message. Groups that want order have a consumer
//! for each number, and that gives out one message at a time; so messages of one key never overtake each other, and keys
//! with other numbers do not wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::store::{Message, Messages};
use super::subject;
use crate::capability::nats::{Failure, Lost, Nats, Stored, Stream, StreamKind, headers};
use crate::capability::stores::StoreError;
use crate::locked::LockedSubscription;
use crate::telemetry::RequestId;

/// What messages are ordered by: the value of this header, or else their subject.
pub(crate) const KEY: &str = "wisp-key";
/// Who has published a message.
const COMPONENT: &str = "Wisp-Component";
const CONTENT_TYPE: &str = "Content-Type";
/// The names of its headers in their order, which the protocol does not keep.
const ORDER: &str = "Wisp-Order";
/// Numbers of keys.
const PARTITIONS: u64 = 16;
/// How long a worker may be silent about a message before another one gets it.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
/// How long a group that nobody asks for is remembered, with what waits for it.
const FORGOTTEN: Duration = Duration::from_hours(7 * 24);
/// Messages of one group that are being taken at once.
const AT_ONCE: u64 = 1000;
/// Workers that wait for messages of one consumer.
const MOST_WAITING: u64 = 8192;
/// Bytes of a message beside its body and headers.
const OVERHEAD: u64 = 512;

/// The messages of one app.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) queue: Stream,
    log: Stream,
    prefixes: (String, String),
    quota: u64,
    pub(crate) subscriptions: Arc<[LockedSubscription]>,
    /// Whether the consumers are there.
    made: AtomicBool,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The consumers of a subscription: one, or one for each number of keys.
pub(crate) fn consumers(subscription: &LockedSubscription) -> Vec<String> {
    let group = &subscription.group;
    if subscription.ordered {
        let numbered = |number| format!("{group}_{number}");
        (0..PARTITIONS).map(numbered).collect()
    } else {
        vec![group.clone()]
    }
}

impl Lanes {
    /// Those of this app, each with so many bytes.
    pub(crate) fn new(
        nats: &Arc<Nats>,
        app: &str,
        quota: u64,
        subscriptions: Arc<[LockedSubscription]>,
    ) -> Arc<Self> {
        let lattice = nats.lattice();
        let stream = |kind, lane: &str| {
            let prefix = format!("wisp.{lattice}.{app}.{lane}.");
            let names = (format!("wisp_{lattice}_{app}_{lane}"), format!("{prefix}>"));
            (Stream::new(nats.clone(), kind, names, quota), prefix)
        };
        let (queue, first) = stream(StreamKind::Queue, "queue");
        let (log, second) = stream(StreamKind::Log, "log");
        Arc::new(Self {
            queue,
            log,
            prefixes: (first, second),
            quota,
            subscriptions,
            made: AtomicBool::default(),
        })
    }

    /// Makes the queue with all its consumers, before the first message comes to it: it keeps nothing that nobody wants.
    pub(crate) async fn make(&self, until: Instant) -> Result<(), Failure> {
        if self.made.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.queue.make(until).await?;
        for subscription in &*self.subscriptions {
            for (number, name) in consumers(subscription).into_iter().enumerate() {
                let config = self.consumer(subscription, number, &name);
                let question = format!("CONSUMER.CREATE.{}.{name}", self.queue.name);
                let body = json!({ "stream_name": self.queue.name, "config": config });
                self.queue.api::<Value>(&question, &body, until).await?;
            }
        }
        self.made.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn consumer(&self, subscription: &LockedSubscription, number: usize, name: &str) -> Value {
        let number = if subscription.ordered {
            number.to_string()
        } else {
            "*".into()
        };
        let at_once = if subscription.ordered { 1 } else { AT_ONCE };
        json!({
            "durable_name": name, "deliver_policy": "all", "ack_policy": "explicit", "ack_wait": nanoseconds(SILENCE),
            // We count ourselves, so that a message that ends its worker each time is put aside with its story, too.
            "max_deliver": -1,
            "filter_subject": format!("{}{number}.{}", self.prefixes.0, subscription.subject),
            "max_ack_pending": at_once, "max_waiting": MOST_WAITING, "replay_policy": "instant",
            "inactive_threshold": nanoseconds(FORGOTTEN), "num_replicas": 0,
        })
    }

    /// What was missing is looked for anew, the next time that something is needed.
    pub(crate) fn forget(&self) {
        self.made.store(false, Ordering::Relaxed);
        self.queue.forget();
    }

    /// The subject as whoever published to it knows it.
    pub(crate) fn subject<'a>(&self, full: &'a str) -> &'a str {
        let (queue, log) = &self.prefixes;
        let rest = full.strip_prefix(queue.as_str());
        let rest = rest.or_else(|| full.strip_prefix(log.as_str()));
        rest.and_then(|rest| rest.split_once('.'))
            .map_or(full, |(_, subject)| subject)
    }

    /// Publishes a message, once however often it has to be sent. `id` is what makes it the same.
    pub(crate) async fn publish(
        &self,
        component: &str,
        message: Message,
        id: String,
        until: Instant,
    ) -> Result<(), StoreError> {
        let size: usize = message
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if (message.body.len() + size) as u64 + OVERHEAD > self.quota {
            return Err(StoreError::Full(self.quota));
        }
        let wanted = |one: &LockedSubscription| subject::matches(&one.subject, &message.subject);
        let wanted = self.subscriptions.iter().any(wanted);
        let (stream, prefix) = if wanted {
            (&self.queue, &self.prefixes.0)
        } else {
            (&self.log, &self.prefixes.1)
        };
        let subject = format!("{prefix}{}.{}", number(&message), message.subject);
        let headers = written(component, &message, id);
        let body = Bytes::from(message.body);
        loop {
            if wanted {
                let made = self.make(until).await;
                made.map_err(|failure| stream.error(failure))?;
            }
            match stream.publish(&subject, &headers, &body, until).await {
                Ok(_) => return Ok(()),
                // The same id again: the server keeps it once.
                Err(Failure::Lost(Lost::Unanswered)) if Instant::now() < until => {}
                Err(Failure::Lost(Lost::Nobody)) if wanted && Instant::now() < until => {
                    self.forget();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(failure) => return Err(stream.error(failure)),
            }
        }
    }
}

/// The number of a message's key, the same on every host.
fn number(message: &Message) -> u64 {
    let mut keys = message.headers.iter();
    let key = keys.find(|(name, _)| name.eq_ignore_ascii_case(KEY));
    let key = key.map_or(&message.subject, |(_, value)| value);
    // FNV-1a, which is the same in every version of everything.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % PARTITIONS
}

fn written(component: &str, message: &Message, id: String) -> HeaderMap {
    let theirs = &message.headers;
    let names: Vec<&str> = theirs.iter().map(|(name, _)| name.as_str()).collect();
    let ours = [
        ("Nats-Msg-Id", Some(id)),
        (COMPONENT, Some(component.to_owned())),
        (CONTENT_TYPE, message.content_type.clone()),
        (ORDER, (names.len() > 1).then(|| names.join(" "))),
    ];
    let ours = ours
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let theirs = theirs
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    headers(ours.chain(theirs))
}

/// A message as it was published, by whom.
pub(crate) fn read(subject: &str, stored: &Stored) -> (String, Message) {
    let mut theirs: Vec<(String, String)> = Vec::new();
    for (name, value) in &stored.headers {
        if !is_ours(name) {
            theirs.push((name.clone(), value.clone()));
        }
    }
    if let Some(order) = stored.header(ORDER) {
        let mut sorted = Vec::with_capacity(theirs.len());
        for wanted in order.split(' ') {
            if let Some(index) = theirs.iter().position(|(name, _)| name == wanted) {
                sorted.push(theirs.remove(index));
            }
        }
        theirs = sorted;
    }
    let message = Message {
        subject: subject.to_owned(),
        content_type: stored.header(CONTENT_TYPE).map(str::to_owned),
        headers: theirs,
        body: stored.payload.to_vec(),
    };
    let component = stored.header(COMPONENT).unwrap_or_default();
    (component.to_owned(), message)
}

/// Whether a guest may not use a header: those of the server, and those that tell what a message is.
pub(crate) fn is_ours(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ours = [COMPONENT, CONTENT_TYPE, ORDER].map(str::to_ascii_lowercase);
    name.starts_with("nats-") || ours.contains(&name)
}

/// The messages of an app as one component publishes them.
#[derive(Debug)]
pub(crate) struct LatticeMessages {
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) component: Arc<str>,
    pub(crate) patience: Duration,
}

#[wasmtime_wasi::async_trait]
impl Messages for LatticeMessages {
    async fn publish(&self, message: Message) -> Result<(), StoreError> {
        let id = RequestId::next().to_string();
        let until = Instant::now() + self.patience;
        self.lanes
            .publish(&self.component, message, id, until)
            .await
    }
}

/// What lies in the log, in its order.
#[cfg(test)]
pub(crate) async fn published_in(lanes: &Lanes) -> Vec<(String, Message)> {
    use crate::capability::nats::Pull;

    let until = Instant::now() + Duration::from_secs(30);
    let config = json!({ "deliver_policy": "all", "ack_policy": "none", "mem_storage": true });
    let mut pull = Pull::open(&lanes.log, config, until).await.unwrap();
    let mut messages = Vec::new();
    while (messages.len() as u64) < pull.pending {
        pull.ask(100, None, until).await.unwrap();
        while let Some(delivered) = pull.next(until).await.unwrap() {
            let subject = lanes.subject(&delivered.subject);
            let stored = &delivered.stored;
            messages.push(read(subject, stored));
        }
    }
    messages
}
