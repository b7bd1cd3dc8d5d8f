//! A consumer of a stream that is asked for messages, some at a time.

use std::time::Duration;

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::connection::Lost;
use super::message::Stored;
use super::stream::{Failure, Stream};

/// A message that a consumer was given.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) subject: String,
    pub(crate) stored: Stored,
    /// How often it was delivered, this time included.
    pub(crate) attempt: u64,
    /// Nanoseconds since 1970 at which it was published.
    pub(crate) published: u64,
    /// Where an acknowledgement goes.
    pub(crate) reply: String,
}

impl Delivered {
    /// `None` for what says how a request has ended.
    fn read(message: Message) -> Option<Self> {
        let reply = message.reply?.to_string();
        let parts: Vec<&str> = reply.split('.').collect();
        // $JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>, or with domain and
        // account before the stream, and more behind.
        let first = if parts.len() > 9 { 4 } else { 2 };
        let number = |index: usize| parts.get(first + index)?.parse().ok();
        let (attempt, sequence, published) = (number(2)?, number(3)?, number(5)?);
        let headers = message.headers.unwrap_or_default();
        let pairs = headers.iter().flat_map(|(name, values)| {
            let pair = |value: &async_nats::HeaderValue| (name.to_string(), value.to_string());
            values.iter().map(pair).collect::<Vec<_>>()
        });
        Some(Self {
            subject: message.subject.to_string(),
            stored: Stored {
                sequence,
                headers: pairs.collect(),
                payload: message.payload,
            },
            attempt,
            published,
            reply,
        })
    }
}

/// A consumer, and where its messages come to.
#[derive(Debug)]
pub(crate) struct Pull<'a> {
    stream: &'a Stream,
    name: String,
    inbox: String,
    messages: Subscriber,
    /// Messages that were there when it was made.
    pub(crate) pending: u64,
}

#[derive(Deserialize)]
struct Created {
    name: String,
    #[serde(default)]
    num_pending: u64,
}

impl<'a> Pull<'a> {
    /// Makes a consumer that the server forgets by itself.
    pub(crate) async fn open(
        stream: &'a Stream,
        config: Value,
        until: Instant,
    ) -> Result<Self, Failure> {
        stream.make(until).await?;
        let question = format!("CONSUMER.CREATE.{}", stream.name);
        let body = json!({ "stream_name": stream.name, "config": config });
        let created: Created = stream.api(&question, &body, until).await?;
        Self::of(stream, created, until).await
    }

    /// A consumer of this name, which is there.
    pub(crate) async fn known(
        stream: &'a Stream,
        name: String,
        until: Instant,
    ) -> Result<Self, Failure> {
        let num_pending = 0;
        Self::of(stream, Created { name, num_pending }, until).await
    }

    async fn of(stream: &'a Stream, created: Created, until: Instant) -> Result<Self, Failure> {
        let (inbox, messages) = stream.nats.inbox(until).await?;
        Ok(Self {
            stream,
            name: created.name,
            inbox,
            messages,
            pending: created.num_pending,
        })
    }

    /// Asks for so many messages: those that are there now, or those that come within a while.
    pub(crate) async fn ask(
        &self,
        batch: u64,
        wait: Option<Duration>,
        until: Instant,
    ) -> Result<(), Lost> {
        let body = match wait {
            None => json!({ "batch": batch, "no_wait": true }),
            Some(wait) => {
                let expires = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
                json!({ "batch": batch, "expires": expires })
            }
        };
        let subject = format!(
            "$JS.API.CONSUMER.MSG.NEXT.{}.{}",
            self.stream.name, self.name
        );
        let (reply, payload) = (Some(self.inbox.clone()), Bytes::from(body.to_string()));
        let nats = &self.stream.nats;
        nats.send(subject, reply, HeaderMap::new(), payload, until)
            .await
    }

    /// The next message; `None` when the request has ended.
    pub(crate) async fn next(&mut self, until: Instant) -> Result<Option<Delivered>, Lost> {
        loop {
            let message = timeout_at(until, self.messages.next()).await;
            let message = message.ok().flatten().ok_or(Lost::Unanswered)?;
            match message.status {
                None => return Ok(Delivered::read(message)),
                // A heartbeat.
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(_) => return Ok(None),
            }
        }
    }
}
