//! The streams and futures of one call, in both directions.
//!
//! Each has a number: those of the arguments come first, in the order of the types, then those of the result. Who writes
//! sends one piece and waits until it hears that the reader took it. Who reads hands pieces into a channel from which the
//! guest's own stream is fed, as for a bridged link. Each stream has a task of its own on each side, so that none waits
//! for another, and whoever reads frames never waits for a guest.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use wasmtime_wasi_http::WasiBody;

use super::MOST_STREAMS;
use super::frame::{Frame, MOST_PIECE};
use crate::value::{self, Chunks, Fate, Feed, Signature, Type, Value};

/// Frames that wait to be sent before those who make them have to.
const WAITING: usize = 16;
/// Pieces that a writer may have sent when the reader has not told yet that it took the one before.
const PIECES: usize = 2;

/// Where frames go in that are a body, as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Sender(mpsc::Sender<Bytes>);

impl Sender {
    /// Sends one; nobody is told when the other end is gone, because who reads from it finds that out.
    pub(super) async fn send(&self, frame: Frame) {
        let _ = self.0.send(frame.write()).await;
    }

    /// Sends several, between which there is none of another task.
    pub(super) async fn send_all(&self, frames: &[Frame]) {
        let mut bytes = BytesMut::new();
        for frame in frames {
            frame.write_behind(&mut bytes);
        }
        let _ = self.0.send(bytes.freeze()).await;
    }
}

/// A body that ends when all its senders were dropped.
#[derive(Debug)]
struct Sent(mpsc::Receiver<Bytes>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let data = self.0.poll_recv(cx);
        data.map(|data| data.map(|data| Ok(http_body::Frame::data(data))))
    }
}

/// A body, and where its frames go in.
pub(super) fn sending() -> (Sender, WasiBody) {
    use http_body_util::BodyExt;

    let (sender, receiver) = mpsc::channel(WAITING);
    let body = Sent(receiver).map_err(|never| match never {});
    (Sender(sender), body.boxed_unsync())
}

/// The streams of one call, as one side has them.
#[derive(Debug)]
pub(super) struct Streams {
    sender: Sender,
    fate: Arc<Fate>,
    writing: HashMap<u32, Writing>,
    reading: HashMap<u32, mpsc::Sender<Bytes>>,
    tasks: JoinSet<()>,
    /// The number that the next stream has.
    next: u32,
}

#[derive(Debug)]
struct Writing {
    taken: Arc<Semaphore>,
    task: AbortHandle,
}

/// The other side broke the rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unruly;

impl Streams {
    pub(super) fn new(sender: Sender, fate: &Arc<Fate>) -> Self {
        Self {
            sender,
            fate: fate.clone(),
            writing: HashMap::new(),
            reading: HashMap::new(),
            tasks: JoinSet::new(),
            next: 0,
        }
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    /// Sends what comes out of a stream or future of this type.
    pub(super) fn write(&mut self, ty: &Type, chunks: Chunks) {
        let number = self.number();
        let taken = Arc::new(Semaphore::new(1));
        let task = self.tasks.spawn(write(
            (number, piece(ty)),
            chunks,
            taken.clone(),
            (self.sender.clone(), self.fate.clone()),
        ));
        self.writing.insert(number, Writing { taken, task });
    }

    /// A stream or future of this type, of what comes.
    pub(super) fn read(&mut self, ty: &Type) -> Chunks {
        let number = self.number();
        let (feed, chunks) = value::channel(&self.fate);
        let (pieces, received) = mpsc::channel(PIECES);
        self.tasks.spawn(read(
            (number, piece(ty)),
            received,
            feed,
            (self.sender.clone(), self.fate.clone()),
        ));
        self.reading.insert(number, pieces);
        chunks
    }

    /// Takes what came for a stream. What comes for one that has ended was sent before the other side knew.
    pub(super) fn take(&mut self, frame: Frame) -> Result<(), Unruly> {
        match frame {
            Frame::Piece(number, bytes) => match self.reading.get(&number) {
                // Who reads no more has gone, with its end of the channel.
                Some(pieces) => match pieces.try_send(bytes) {
                    Err(mpsc::error::TrySendError::Full(_)) => Err(Unruly),
                    _ => Ok(()),
                },
                None => Ok(()),
            },
            Frame::End(number) => {
                self.reading.remove(&number);
                Ok(())
            }
            Frame::More(number) => {
                if let Some(writing) = self.writing.get(&number)
                    && writing.taken.available_permits() == 0
                {
                    writing.taken.add_permits(1);
                }
                Ok(())
            }
            Frame::Closed(number) => {
                if let Some(writing) = self.writing.remove(&number) {
                    writing.task.abort();
                }
                Ok(())
            }
            Frame::Lost(reason) => {
                self.fate.lose(String::from_utf8_lossy(&reason));
                Ok(())
            }
            Frame::Head(_) | Frame::Values(_) | Frame::Outcome(_) => Err(Unruly),
        }
    }

    /// Whether the other side has nothing more to say: what it sent has ended, and it has all that was sent to it.
    pub(super) fn all_is_said(&self) -> bool {
        let mut writing = self.writing.values();
        self.reading.is_empty() && writing.all(|writing| writing.task.is_finished())
    }

    /// Waits until all have ended.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Tells both ends that the streams will not be completed.
    pub(super) async fn lose(&self, reason: &str) {
        self.fate.lose(reason);
        self.sender
            .send(Frame::Lost(reason.to_owned().into()))
            .await;
    }
}

/// What one piece is: a list of the items of a stream, or the value of a future.
fn piece(ty: &Type) -> Type {
    match ty {
        Type::Stream(Some(item)) => Type::List(item.clone()),
        Type::Future(Some(item)) => item.as_ref().clone(),
        other => other.clone(),
    }
}

async fn write(
    (number, ty): (u32, Type),
    mut chunks: Chunks,
    taken: Arc<Semaphore>,
    (sender, fate): (Sender, Arc<Fate>),
) {
    loop {
        // It is never closed.
        if let Ok(permit) = taken.acquire().await {
            permit.forget();
        }
        let value = match chunks.next().await {
            Some(Ok(value)) => value,
            Some(Err(_)) => return,
            None => return sender.send(Frame::End(number)).await,
        };
        let mut bytes = Vec::new();
        let encoded = value::encode(&ty, &value, &mut bytes);
        if encoded.is_err() || bytes.len() > MOST_PIECE {
            return fate.lose("a stream has text that is too long for another host");
        }
        sender.send(Frame::Piece(number, bytes.into())).await;
    }
}

async fn read(
    (number, ty): (u32, Type),
    mut pieces: mpsc::Receiver<Bytes>,
    mut feed: Feed,
    (sender, fate): (Sender, Arc<Fate>),
) {
    while let Some(bytes) = pieces.recv().await {
        let value = match value::decode(std::iter::once(&ty), bytes) {
            Ok(mut values) => values.pop().unwrap_or(Value::Tuple(Vec::new())),
            Err(error) => {
                let reason = format!("what came for a stream is malformed: {error}");
                fate.lose(reason);
                return;
            }
        };
        if feed.send(value).await.is_err() || feed.taken().await.is_err() {
            return sender.send(Frame::Closed(number)).await;
        }
        sender.send(Frame::More(number)).await;
    }
}

/// Whether a call of a function passes streams or futures.
pub(super) fn pass(signature: &Signature) -> bool {
    let open = |ty: &Type| matches!(ty, Type::Stream(_) | Type::Future(_));
    signature.types().any(|ty| ty.find(&open).is_some())
}

/// Refuses more streams and futures than one call may pass.
pub(super) fn check(count: usize) -> Result<(), String> {
    if count > MOST_STREAMS {
        return Err(format!(
            "a call of another host passes at most {MOST_STREAMS} streams"
        ));
    }
    Ok(())
}
