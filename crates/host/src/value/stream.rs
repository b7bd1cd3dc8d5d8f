//! Streams and futures on their way out of a guest's store and into another, or to and from Rust.
//!
//! Theory of operation. A stream is a thing of one store. To leave it, the guest's readable end is given a consumer that
//! puts what the guest writes into a channel, as lists of at most 64 KiB; to enter another store, a new stream is made
//! there, whose producer takes the lists out again. The channel holds one list. A guest that writes more waits until it
//! was taken, so a slow reader slows its writer. When the reader drops its end, the writer is told at its next write;
//! when the writer drops its end, the reader finds the end of the stream after the last list. An end that went for
//! another reason is told apart: see [`Fate`].
//!
//! A future is the same with one value instead of lists.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream as _;
use futures::channel::mpsc;
use thiserror::Error;
use wasmtime::component::{
    Destination, FutureAny, FutureConsumer, FutureReader, Source, StreamAny, StreamConsumer,
    StreamProducer, StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, Result, StoreContextMut, bail, format_err};

use super::fate::{End, Ends, Fate};
use super::payload::{Item, with_item};
use super::{Payload, Type, Value};

/// Nobody reads any more.
#[derive(Clone, Copy, Debug, Error)]
#[error("the reader dropped its end of the stream")]
pub struct Closed;

/// Where the items of a stream go in: lists of them, or the one value of a future.
#[derive(Debug)]
pub struct Feed(mpsc::Sender<Value>);

/// Where the items of a stream come out: lists of them, or the one value of a future.
#[derive(Debug)]
pub struct Chunks {
    receiver: mpsc::Receiver<Value>,
    fate: Arc<Fate>,
}

/// A stream outside of any store.
pub fn channel(fate: &Arc<Fate>) -> (Feed, Chunks) {
    // One sender can always hand in one message, whatever the size of the buffer.
    let (sender, receiver) = mpsc::channel(0);
    let fate = fate.clone();
    (Feed(sender), Chunks { receiver, fate })
}

impl Feed {
    /// Hands in a list, as soon as the one before was taken. Dropping the feed ends the stream.
    pub async fn send(&mut self, items: Value) -> Result<(), Closed> {
        self.taken().await?;
        self.put(items);
        Ok(())
    }

    /// Waits until what was handed in last was taken.
    pub async fn taken(&mut self) -> Result<(), Closed> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.0.poll_ready(cx).map_err(|_| Closed)
    }

    /// To be called when it is ready.
    fn put(&mut self, items: Value) {
        // A reader that went away since does not miss them.
        let _ = self.0.start_send(items);
    }
}

impl Chunks {
    /// The next list, when there is one; an error when the stream ended before its time.
    pub async fn next(&mut self) -> Option<Result<Value>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Value>>> {
        let items = ready!(Pin::new(&mut self.receiver).poll_next(cx));
        Poll::Ready(match (items, self.fate.lost()) {
            (Some(items), _) => Some(Ok(items)),
            (None, Some(reason)) => Some(Err(format_err!("{reason}"))),
            (None, None) => None,
        })
    }
}

impl Ends {
    /// Takes a stream or a future, of this type, out of its store.
    pub fn leave<S>(self: &Arc<Self>, mut store: S, ty: &Type, handle: Value) -> Result<Chunks>
    where
        S: AsContextMut<Data: 'static>,
    {
        let Some(payload) = Payload::of(ty) else {
            bail!("a `{ty}` cannot leave its instance");
        };
        let (feed, chunks) = channel(&self.fate);
        let end = self.end();
        let store = store.as_context_mut();
        match handle {
            Value::Stream(stream) => {
                with_item!(payload, I => leave::<_, I>(store, stream, feed, end))
            }
            Value::Future(future) => {
                with_item!(payload, I => leave_future::<_, I>(store, future, feed, end))
            }
            other => bail!("a {} is not a `{ty}`", other.kind()),
        }?;
        Ok(chunks)
    }

    /// Makes a stream or a future of this type in a store.
    pub fn enter<S>(self: &Arc<Self>, mut store: S, ty: &Type, chunks: Chunks) -> Result<Value>
    where
        S: AsContextMut<Data: 'static>,
    {
        let Some(payload) = Payload::of(ty) else {
            bail!("a `{ty}` cannot enter an instance");
        };
        let end = self.end();
        let store = store.as_context_mut();
        if matches!(ty, Type::Stream(_)) {
            with_item!(payload, I => enter::<_, I>(store, chunks, end)).map(Value::Stream)
        } else {
            with_item!(payload, I => enter_future::<_, I>(store, chunks, end)).map(Value::Future)
        }
    }
}

fn leave<T: 'static, I: Item>(
    store: StoreContextMut<'_, T>,
    stream: StreamAny,
    feed: Feed,
    end: End,
) -> Result<()> {
    let reader = StreamReader::<I>::try_from_stream_any(stream)?;
    reader.pipe(store, Consumer::<I>::new(feed, end))
}

fn leave_future<T: 'static, I: Item>(
    store: StoreContextMut<'_, T>,
    future: FutureAny,
    feed: Feed,
    end: End,
) -> Result<()> {
    let reader = FutureReader::<I>::try_from_future_any(future)?;
    reader.pipe(store, Consumer::<I>::new(feed, end))
}

fn enter<T: 'static, I: Item>(
    mut store: StoreContextMut<'_, T>,
    chunks: Chunks,
    end: End,
) -> Result<StreamAny> {
    let producer = Producer::<I> {
        chunks,
        next: None,
        end: Some(end),
    };
    let reader = StreamReader::new(&mut store, producer)?;
    reader.try_into_stream_any(store)
}

fn enter_future<T: 'static, I: Item>(
    mut store: StoreContextMut<'_, T>,
    mut chunks: Chunks,
    end: End,
) -> Result<FutureAny> {
    let value = async move {
        let _end = end;
        match chunks.next().await {
            Some(value) => I::single(value?),
            None => bail!("the other side dropped its future without a value"),
        }
    };
    let reader = FutureReader::new(&mut store, value)?;
    reader.try_into_future_any(store)
}

/// Takes what a guest writes.
struct Consumer<I> {
    feed: Feed,
    _end: End,
    item: std::marker::PhantomData<fn() -> I>,
}

impl<I> Consumer<I> {
    fn new(feed: Feed, end: End) -> Self {
        Self {
            feed,
            _end: end,
            item: std::marker::PhantomData,
        }
    }
}

impl<T: 'static, I: Item> StreamConsumer<T> for Consumer<I> {
    type Item = I;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, T>,
        mut source: Source<'_, I>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        match this.feed.poll_ready(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(Closed)) => return Poll::Ready(Ok(StreamResult::Dropped)),
            Poll::Ready(Ok(())) => {}
        }
        // A write of nothing asks only whether there is room.
        let items = I::take(&mut source, store)?;
        if !items.is_empty() {
            this.feed.put(I::pack(items));
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<T: 'static, I: Item> FutureConsumer<T> for Consumer<I> {
    type Item = I;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, T>,
        mut source: Source<'_, I>,
        _: bool,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        // There is always room for the one value; a reader that went away does not miss it.
        let _ = ready!(this.feed.poll_ready(cx));
        let mut value = None;
        source.read(store, &mut value)?;
        if let Some(value) = value {
            this.feed.put(I::value(value));
        }
        Poll::Ready(Ok(()))
    }
}

/// Gives a guest what it reads.
struct Producer<I> {
    chunks: Chunks,
    /// What came while the guest only asked whether there is something.
    next: Option<Vec<I>>,
    /// Nothing when the stream has ended.
    end: Option<End>,
}

impl<T: 'static, I: Item> StreamProducer<T> for Producer<I> {
    type Item = I;
    type Buffer = VecBuffer<I>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, T>,
        mut destination: Destination<'a, I, VecBuffer<I>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        while this.next.as_ref().is_none_or(Vec::is_empty) {
            match this.chunks.poll_next(cx) {
                Poll::Ready(Some(items)) => this.next = Some(I::unpack(items?)?),
                Poll::Ready(None) => {
                    this.end = None;
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if destination.remaining(store) != Some(0)
            && let Some(items) = this.next.take()
        {
            destination.set_buffer(items.into());
        }
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Does `act` with each stream and future of a value, and its type, in the order of the type.
pub fn each_handle(
    ty: &Type,
    value: &mut Value,
    act: &mut dyn FnMut(&Type, &mut Value) -> Result<()>,
) -> Result<()> {
    match (ty, value) {
        (Type::Stream(_) | Type::Future(_), value) => act(ty, value),
        (Type::List(ty), Value::List(items)) => items
            .iter_mut()
            .try_for_each(|item| each_handle(ty, item, act)),
        (Type::Record(fields), Value::Record(values)) => fields
            .iter()
            .zip(values)
            .try_for_each(|((_, ty), value)| each_handle(ty, value, act)),
        (Type::Tuple(members), Value::Tuple(values)) => members
            .iter()
            .zip(values)
            .try_for_each(|(ty, value)| each_handle(ty, value, act)),
        (Type::Option(ty), Value::Option(Some(value))) => each_handle(ty, value, act),
        (Type::Result(Some(ty), _), Value::Result(Ok(Some(value))))
        | (Type::Result(_, Some(ty)), Value::Result(Err(Some(value)))) => {
            each_handle(ty, value, act)
        }
        (Type::Variant(cases), Value::Variant { case, payload }) => {
            let ty = usize::try_from(*case).ok().and_then(|case| cases.get(case));
            match (ty, payload) {
                (Some((_, Some(ty))), Some(value)) => each_handle(ty, value, act),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
