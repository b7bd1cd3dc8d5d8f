//! The messaging trigger: workers ask `JetStream` for messages, and call `wisp:messaging/consumer` of a component with each.
//!
//! All workers of all hosts that run an app ask the same consumers, so each message of a group goes to one of them. What the handler has
//! taken is acknowledged. After an error it comes again, to whichever worker asks, with growing pauses; one whose attempts have all failed
//! is published to the dead-letter subject, and then it is acknowledged. A worker says now and then that it is still busy with a message:
//! when it is silent, because it has died, the message goes to another one.
//!
//! A worker takes as many messages at once as the component's limit gives it, and never more than it asked for, so none waits
//! in a worker while another is idle. While NATS is away it waits, and asks again.

mod function;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::capability::{Delivered, Failed, Lanes, Lost, Pull, SILENCE, consumers, read_message};
use crate::error::HostError;
use crate::link::Exported;
use crate::locked::LockedSubscription;
use crate::pool::{InvokeError, Pool};
use crate::shutdown::Shutdown;
use crate::telemetry::{Log, RequestId};
use crate::value::Value;

use tally::Tally;

/// How long one request for a message is open at the server.
const WAIT: Duration = Duration::from_secs(20);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses after something went wrong.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Messages that one worker takes for one subscription at once, however much its component may do.
const AT_ONCE: u32 = 16;
/// How often the server is asked how much waits.
const LOOK: Duration = Duration::from_secs(5);
const LONGEST_REASON: usize = 2 << 10;

/// One subscription in this worker.
#[derive(Debug)]
struct Taker {
    lanes: Arc<Lanes>,
    told: LockedSubscription,
    pool: Arc<Pool>,
    function: Exported,
    tally: Tally,
    log: Log,
}

/// The subscriptions of a host.
#[derive(Debug)]
pub(crate) struct Takers {
    takers: Vec<(Arc<Taker>, u32)>,
    looks: bool,
}

impl Takers {
    pub(crate) fn new(looks: bool) -> Self {
        let takers = Vec::new();
        Self { takers, looks }
    }

    /// Whether it is this worker that looks how many messages wait.
    pub(crate) fn looks(&self) -> bool {
        self.looks
    }

    /// Adds a subscription, of which this worker takes so many messages at once; refuses a component that does not export the handler.
    pub(crate) fn add(
        &mut self,
        lanes: &Arc<Lanes>,
        told: LockedSubscription,
        pool: &Arc<Pool>,
        (share, log): (u32, &Log),
    ) -> Result<(), HostError> {
        let function = function::find(pool)?;
        let taker = Taker {
            lanes: lanes.clone(),
            told,
            pool: pool.clone(),
            function,
            tally: Tally::default(),
            log: log.clone(),
        };
        self.takers.push((Arc::new(taker), share.min(AT_ONCE)));
        Ok(())
    }

    /// Takes messages until the host drains; ends when all that were being taken are done.
    pub(crate) async fn run(&self, shutdown: &Shutdown) {
        let mut tasks = JoinSet::new();
        for (taker, share) in &self.takers {
            for consumer in consumers(&taker.told) {
                // With order there is one message of a consumer at a time anyway.
                let share = if taker.told.ordered { 1 } else { *share };
                for _ in 0..share {
                    let (taker, consumer) = (taker.clone(), consumer.clone());
                    let shutdown = shutdown.clone();
                    tasks.spawn(async move { taker.take_until(&consumer, &shutdown).await });
                }
            }
            if self.looks {
                let (taker, shutdown) = (taker.clone(), shutdown.clone());
                tasks.spawn(async move {
                    tokio::select! {
                        () = taker.look() => {}
                        () = shutdown.begun() => {}
                    }
                });
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// What became of messages, and how many wait.
    pub(crate) fn metrics(&self) -> Vec<serde_json::Value> {
        let told = self.takers.iter().map(|(taker, _)| {
            let mut counts = taker.tally.counts();
            if let Some(fields) = counts.as_object_mut() {
                fields.insert("app".into(), taker.pool.app().into());
                fields.insert("component".into(), taker.told.component.clone().into());
                fields.insert("group".into(), taker.told.group.clone().into());
                fields.insert("subject".into(), taker.told.subject.clone().into());
            }
            counts
        });
        told.collect()
    }
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

impl Taker {
    async fn take_until(&self, consumer: &str, shutdown: &Shutdown) {
        let mut pause = SHORTEST_PAUSE;
        while !shutdown.is_ending() {
            let began = Instant::now();
            // Whatever went wrong: the connection says so itself, and everything else is looked for anew.
            let _ = self.stretch(consumer, shutdown).await;
            self.lanes.forget();
            if began.elapsed() > LONGEST_PAUSE {
                pause = SHORTEST_PAUSE;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = shutdown.begun() => {}
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Takes messages until the host drains, or something fails.
    async fn stretch(&self, consumer: &str, shutdown: &Shutdown) -> Result<(), Failed> {
        self.lanes.make(soon()).await?;
        let queue = &self.lanes.queue;
        let mut pull = Pull::known(queue, consumer.to_owned(), soon()).await?;
        while !shutdown.is_ending() {
            let asked = Instant::now();
            pull.ask(1, Some(WAIT), soon()).await?;
            let next = tokio::select! {
                next = pull.next(asked + WAIT + PATIENCE) => next?,
                () = queue.nats.broken() => return Err(Lost::Unanswered.into()),
                () = shutdown.begun() => return Ok(()),
            };
            match next {
                Some(delivered) => self.take(delivered).await,
                // The server has ended the request early: the consumer is gone, or too many ask.
                None if asked.elapsed() < WAIT / 2 => return Err(Lost::Nobody.into()),
                None => {}
            }
        }
        Ok(())
    }

    async fn take(&self, delivered: Delivered) {
        let attempts = u64::from(self.told.attempts);
        if delivered.attempt > attempts {
            let reason = "each attempt ended with its worker";
            return self.put_aside(delivered, reason).await;
        }
        self.tally.taken();
        let id = RequestId::next();
        let Err(reason) = self.call(&delivered, id).await else {
            self.tally.acknowledged();
            return self.say(&delivered, "+ACK".into()).await;
        };
        self.tally.failed();
        let (subject, attempt) = (self.lanes.subject(&delivered.subject), delivered.attempt);
        let message = format!(
            "message {} of {subject} failed, attempt {attempt} of {attempts}: {reason}",
            delivered.stored.sequence
        );
        self.log
            .failure(self.pool.app(), self.pool.component(), id, &message);
        if attempt >= attempts {
            return self.put_aside(delivered, &reason).await;
        }
        let pause = backoff(&self.told, attempt);
        let nanoseconds = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        let again = format!("-NAK {}", json!({ "delay": nanoseconds }));
        self.say(&delivered, again).await;
    }

    /// Calls the handler, and says now and then that it is still at it.
    async fn call(&self, delivered: &Delivered, id: RequestId) -> Result<(), String> {
        let subject = self.lanes.subject(&delivered.subject);
        let (_, message) = read_message(subject, &delivered.stored);
        let arguments = function::arguments(message, delivered, id);
        let mut call = std::pin::pin!(self.pool.run(&self.function, arguments, id));
        let outcome = loop {
            tokio::select! {
                outcome = &mut call => break outcome,
                () = sleep(SILENCE / 3) => self.say(delivered, "+WPI".into()).await,
            }
        };
        match outcome {
            Ok(Some(Value::Result(Err(Some(reason))))) => match *reason {
                Value::String(reason) => Err(shortened(reason)),
                _ => Err("its error is not a string".into()),
            },
            Ok(_) => Ok(()),
            Err(InvokeError::Timeout) => {
                let limit = self.pool.limits().timeout_ms;
                Err(format!("it took longer than {limit} ms (limits.timeout)"))
            }
            Err(error) => Err(shortened(error.to_string())),
        }
    }

    /// Publishes a message to where dead letters go, and acknowledges it. When that is not possible now, it is tried with the next attempt.
    async fn put_aside(&self, delivered: Delivered, reason: &str) {
        let told = &self.told;
        let subject = self.lanes.subject(&delivered.subject).to_owned();
        let (component, mut message) = read_message(&subject, &delivered.stored);
        let story = [
            ("wisp-dead-subject", subject.clone()),
            ("wisp-dead-group", told.group.clone()),
            ("wisp-dead-attempts", delivered.attempt.to_string()),
            ("wisp-dead-reason", reason.replace(char::is_control, " ")),
        ];
        let story = story.map(|(name, value)| (name.to_owned(), value));
        message
            .headers
            .retain(|(name, _)| !name.starts_with("wisp-dead-"));
        message.headers.extend(story);
        message.subject.clone_from(&told.dead_letter);
        // The same message is put aside once, also when the acknowledgement is lost.
        let id = format!("dead-{}-{}", told.group, delivered.stored.sequence);
        let (app, name) = (self.pool.app(), self.pool.component());
        match self.lanes.publish(&component, message, id, soon()).await {
            Ok(()) => {
                self.tally.put_aside();
                let line = format!(
                    "message {} of {subject} is put aside to {}: {reason}",
                    delivered.stored.sequence, told.dead_letter
                );
                self.log.warning(app, name, &line);
                self.say(&delivered, "+TERM".into()).await;
            }
            Err(error) => {
                self.log
                    .fault(app, name, &format!("{}: {error:?}", told.dead_letter));
                let nanoseconds = told.most_backoff_ms.saturating_mul(1_000_000);
                let again = format!("-NAK {}", json!({ "delay": nanoseconds }));
                self.say(&delivered, again).await;
            }
        }
    }

    /// Says what became of a message. When that is lost, the message comes again.
    async fn say(&self, delivered: &Delivered, word: String) {
        let nats = &self.lanes.queue.nats;
        let (subject, word) = (delivered.reply.clone(), Bytes::from(word));
        let _ = nats
            .send(subject, None, HeaderMap::new(), word, soon())
            .await;
    }

    /// Looks again and again how many messages wait.
    async fn look(&self) {
        #[derive(serde::Deserialize)]
        struct Info {
            num_pending: u64,
            num_ack_pending: u64,
        }
        loop {
            let (mut waiting, mut complete) = (0, true);
            for consumer in consumers(&self.told) {
                let question = format!("CONSUMER.INFO.{}.{consumer}", self.lanes.queue.name);
                let found = self
                    .lanes
                    .queue
                    .api::<Info>(&question, &json!({}), soon())
                    .await;
                match found {
                    Ok(info) => waiting += info.num_pending + info.num_ack_pending,
                    Err(_) => complete = false,
                }
            }
            if complete {
                self.tally.waiting(waiting);
            }
            sleep(LOOK).await;
        }
    }
}

/// How long to wait after this attempt.
fn backoff(told: &LockedSubscription, attempt: u64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    let pause = told.backoff_ms.saturating_mul(factor);
    Duration::from_millis(pause.min(told.most_backoff_ms))
}

fn shortened(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let told: LockedSubscription = serde_json::from_value(json!({
            "subject": "a", "group": "g", "component": "c", "ordered": false, "attempts": 9, "backoff_ms": 1000,
            "most_backoff_ms": 5000, "dead_letter": "dead",
        }))
        .unwrap();

        let pauses = [1, 2, 3, 4, 64, 65, 1000].map(|attempt| backoff(&told, attempt).as_secs());

        assert_eq!(pauses, [1, 2, 4, 5, 5, 5, 5]);
    }
}
