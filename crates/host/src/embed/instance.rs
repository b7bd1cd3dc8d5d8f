//! One instance inside somebody's program, and the calls into it.
//!
//! An instance answers one call at a time; others wait for their turn. A call is a future: whoever drops it stops the guest at
//! its next tick, and the instance with it, because a guest that stopped in the middle cannot be entered again. So does a trap.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::future::Either;
use tokio::sync::{Mutex as Turn, Notify, mpsc};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Func, Instance as WasmInstance, ResourceAny};
use wisp_wasi::State;

use super::component::Shared;
use super::concurrent::{self, Driver, Orders, drive};
use super::failure::CallError;
use super::objects::Objects;
use super::output::LastWords;
use crate::value::{self, Signature, Value};

/// What one instance may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of all its linear memories together.
    pub memory: usize,
    /// How long its instantiation, and each call, may take; for ever when there is none.
    pub timeout: Option<Duration>,
}

/// An instance of a component.
#[derive(Clone, Debug)]
pub struct Instance(Arc<Inner>);

/// An instance that was just made.
pub struct Born {
    /// It.
    pub instance: Instance,
    /// What has to be polled for as long as it lives, on a thread of the runtime; nothing where calls do without.
    pub driver: Option<Driver>,
}

impl std::fmt::Debug for Born {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.instance.fmt(formatter)
    }
}

pub(super) struct Inner {
    pub(super) component: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) words: Arc<LastWords>,
    /// Taken by the call that has its turn; empty when the instance is gone, or has a driver.
    live: Arc<Turn<Option<Live>>>,
    /// For an instance that has a driver.
    orders: Option<Orders>,
    pub(super) ended: OnceLock<String>,
    /// Told when somebody ends it.
    closing: Notify,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Inner")
            .field("limits", &self.limits)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// What comes of a job.
pub(super) type Outcome = Result<Option<Value>, CallError>;

/// A function that was called before.
pub(super) type Known = (Func, Arc<Signature>);

/// What exists while the instance does.
pub(super) struct Live {
    pub(super) store: Store<State>,
    pub(super) instance: WasmInstance,
    /// By the place of the export; looked up when first called.
    pub(super) functions: Vec<Option<Known>>,
    pub(super) objects: Arc<Objects>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Live")
    }
}

impl Live {
    fn look_up(&mut self, place: usize, export: &ComponentExportIndex) -> wasmtime::Result<Known> {
        let function = self.instance.get_func(&mut self.store, export);
        let function = function.ok_or_else(|| wasmtime::Error::msg("the function is gone"))?;
        let signature = Arc::new(Signature::of(&function.ty(&self.store)));
        if let Some(known) = self.functions.get_mut(place) {
            *known = Some((function, signature.clone()));
        }
        Ok((function, signature))
    }
}

impl Instance {
    pub(super) fn begin(
        component: Arc<Shared>,
        limits: Limits,
        words: Arc<LastWords>,
        live: Live,
    ) -> Born {
        let concurrent = component.concurrent;
        let (orders, received) = concurrent.then(mpsc::unbounded_channel).unzip();
        let (turn, apart) = if concurrent {
            (None, Some(live))
        } else {
            (Some(live), None)
        };
        let inner = Arc::new(Inner {
            component,
            limits,
            words,
            live: Arc::new(Turn::new(turn)),
            orders,
            ended: OnceLock::new(),
            closing: Notify::new(),
        });
        let driver = apart
            .zip(received)
            .map(|(live, received)| -> Driver { Box::pin(drive(inner.clone(), live, received)) });
        Born {
            instance: Self(inner),
            driver,
        }
    }

    /// Calls an exported function, by its place among all exports, when it is this call's turn.
    pub fn call(
        &self,
        function: usize,
        arguments: Vec<Value>,
    ) -> impl Future<Output = Result<Option<Value>, CallError>> + Send + 'static {
        self.perform(Job::Call(function, arguments))
    }

    /// Frees a resource that the guest gave.
    pub fn release(
        &self,
        handle: ResourceAny,
    ) -> impl Future<Output = Result<Option<Value>, CallError>> + Send + 'static {
        self.perform(Job::Release(handle))
    }

    fn perform(&self, job: Job) -> impl Future<Output = Outcome> + Send + 'static {
        match &self.0.orders {
            None => Either::Left(perform(self.0.clone(), job)),
            Some(orders) => Either::Right(concurrent::perform(self.0.clone(), orders.clone(), job)),
        }
    }

    /// Ends the instance; a call that is in progress stops at the guest's next tick. Closing twice is harmless.
    pub fn close(&self, reason: &str) {
        self.0.end(reason);
        // What ends with the instance may ask for it: the turn is given back before.
        let live = self.0.live.try_lock().ok().and_then(|mut live| live.take());
        drop(live);
    }

    /// Why the instance does not exist any more, if it does not.
    pub fn ended(&self) -> Option<&str> {
        self.0.ended.get().map(String::as_str)
    }

    /// The end of what the guest wrote to its standard error.
    pub fn stderr(&self) -> String {
        self.0.words.stderr()
    }
}

/// Lets work go for as long as it does not wait, and not a moment longer.
async fn at_once<T>(mut work: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await
}

/// Waits for at most so long; `None` when that was not enough.
pub(super) async fn bounded<T>(
    limit: Option<Duration>,
    work: impl Future<Output = T>,
) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

/// A call that has not come to a good end; when it is dropped, the instance ends.
struct Unfinished<'a> {
    inner: &'a Inner,
    live: Option<Live>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.live.is_some() {
            let _ = self.inner.ended.set("a call was cancelled".to_owned());
        }
    }
}

/// What an instance can be asked to do.
pub(super) enum Job {
    Call(usize, Vec<Value>),
    Release(ResourceAny),
}

/// How a job ended.
enum Ended<T> {
    Done(wasmtime::Result<T>),
    Late,
    Closed,
}

async fn perform(inner: Arc<Inner>, job: Job) -> Outcome {
    if inner.ended.get().is_some() {
        return inner.gone(&job);
    }
    let mut turn = match inner.live.clone().try_lock_owned() {
        Ok(turn) => turn,
        Err(_) => inner.live.clone().lock_owned().await,
    };
    let live = turn.take();
    if live.is_none() || inner.ended.get().is_some() {
        return inner.gone(&job);
    }
    // Until the job has succeeded, nobody finds the instance: a future that is dropped here takes it along.
    let mut unfinished = Unfinished {
        inner: &inner,
        live,
    };
    let outcome = match &mut unfinished.live {
        Some(live) => inner.until_closed(inner.run(live, job)).await,
        None => Ended::Closed,
    };
    match outcome {
        Ended::Done(Ok(value)) => {
            *turn = unfinished.live.take();
            Ok(value)
        }
        Ended::Done(Err(error)) => Err(inner.failed(&mut unfinished, &error)),
        Ended::Late => Err(inner.late()),
        Ended::Closed => Err(inner.closed()),
    }
}

impl Inner {
    /// Ends the instance; only the first reason counts.
    pub(super) fn end(&self, reason: &str) {
        let _ = self.ended.set(reason.to_owned());
        self.closing.notify_waiters();
    }

    /// Waits until somebody ends it.
    pub(super) async fn until_ended(&self) {
        let mut closing = pin!(self.closing.notified());
        closing.as_mut().enable();
        if self.ended.get().is_none() {
            closing.await;
        }
    }

    /// Most calls end without waiting once, and then nobody has to be told and nothing has to be timed.
    async fn until_closed<T>(&self, work: impl Future<Output = wasmtime::Result<T>>) -> Ended<T> {
        if self.ended.get().is_some() {
            return Ended::Closed;
        }
        let began = Instant::now();
        let mut work = pin!(work);
        if let Poll::Ready(outcome) = at_once(work.as_mut()).await {
            return Ended::Done(outcome);
        }
        let rest = self
            .limits
            .timeout
            .map(|limit| limit.saturating_sub(began.elapsed()));
        tokio::select! {
            biased;
            outcome = bounded(rest, work) => outcome.map_or(Ended::Late, Ended::Done),
            () = self.until_ended() => Ended::Closed,
        }
    }

    async fn run(&self, live: &mut Live, job: Job) -> wasmtime::Result<Option<Value>> {
        // The tick of an earlier call is long past: without this, each call after a pause would give way at once.
        live.store.set_epoch_deadline(1);
        let (place, mut arguments) = match job {
            Job::Release(handle) => {
                handle.resource_drop_async(&mut live.store).await?;
                return Ok(None);
            }
            Job::Call(place, arguments) => (place, arguments),
        };
        let known = live.functions.get(place).cloned().flatten();
        let (function, signature) = match known {
            Some(known) => known,
            None => match self.component.functions.get(place) {
                Some(export) => live.look_up(place, export)?,
                None => return Err(wasmtime::Error::msg("there is no such function")),
            },
        };
        if !live.objects.exist() {
            return value::call(&mut live.store, &function, &signature, arguments).await;
        }
        let (store, objects) = (&mut live.store, live.objects.clone());
        let lent = objects.exchanged(&mut *store, &mut arguments)?;
        let mut result = value::call(&mut *store, &function, &signature, arguments).await?;
        objects.take_back(&mut *store, lent)?;
        objects.received(&mut *store, result.as_mut_slice())?;
        Ok(result)
    }

    /// What comes of a job when there is no instance any more.
    pub(super) fn gone(&self, job: &Job) -> Outcome {
        match job {
            Job::Call(..) => Err(self.closed()),
            // All its resources went with it.
            Job::Release(_) => Ok(None),
        }
    }

    pub(super) fn closed(&self) -> CallError {
        let reason = self.ended.get().map_or("it was closed", String::as_str);
        CallError::Closed {
            reason: reason.to_owned(),
        }
    }

    fn failed(&self, unfinished: &mut Unfinished<'_>, error: &wasmtime::Error) -> CallError {
        let live = unfinished.live.take();
        let failure = explain(
            live.as_ref().map(|live| &live.store),
            &self.limits,
            &self.words,
            error,
        );
        let _ = self
            .ended
            .set(format!("an earlier call ended it: {failure}"));
        failure
    }

    pub(super) fn late(&self) -> CallError {
        let failure = late(&self.limits, &self.words);
        let _ = self
            .ended
            .set(format!("an earlier call ended it: {failure}"));
        failure
    }
}

/// What a guest's failure was.
pub(super) fn explain(
    store: Option<&Store<State>>,
    limits: &Limits,
    words: &LastWords,
    error: &wasmtime::Error,
) -> CallError {
    if let Some(store) = store {
        store.data().finish_output();
        if store.data().memory_was_denied() && error.downcast_ref::<super::Thrown>().is_none() {
            return CallError::Memory {
                limit: limits.memory,
                stderr: words.stderr(),
            };
        }
    }
    CallError::of_guest(error, words.stderr())
}

pub(super) fn late(limits: &Limits, words: &LastWords) -> CallError {
    CallError::Timeout {
        limit: limits.timeout.unwrap_or_default(),
        stderr: words.stderr(),
    }
}
