//! Instances whose guests do several things at once: those of WASI 0.3.
//!
//! Such a guest answers several calls at a time, and goes on after it has answered, for as long as somebody reads or writes its
//! streams. So its store belongs to a driver, which runs the store's event loop until the instance ends; calls are orders to
//! it. A guest cannot be told to give up one call: whoever drops a call that has not been answered ends the instance,
//! and the other calls with it. So do a trap and a call that takes too long.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Accessor, AccessorTask, Instance as WasmInstance};
use wasmtime::{AsContextMut, Store};
use wisp_wasi::State;

use super::component::Shared;
use super::failure::CallError;
use super::instance::{Inner, Job, Known, Live, Outcome, bounded, explain};
use super::objects::Objects;
use super::passage;
use crate::value::{self, Ends, Fate, Signature, Value};

/// What drives an instance; it ends with the instance.
pub type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a caller wants, and where the answer goes.
pub(super) struct Order {
    job: Job,
    reply: oneshot::Sender<Outcome>,
}

/// Where orders go in. Each has a caller who waits, so there are never more than those.
pub(super) type Orders = mpsc::UnboundedSender<Order>;

/// A call that has not been answered; when it is dropped, the instance ends.
struct Unanswered<'a>(Option<&'a Inner>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(inner) = self.0 {
            inner.end("a call was cancelled");
        }
    }
}

/// Does a job when the driver comes to it.
pub(super) async fn perform(inner: Arc<Inner>, orders: Orders, job: Job) -> Outcome {
    let limit = match job {
        Job::Call(..) => inner.limits.timeout,
        Job::Release(_) => None,
    };
    if inner.ended.get().is_some() {
        return inner.gone(&job);
    }
    let is_call = matches!(job, Job::Call(..));
    let (reply, answer) = oneshot::channel();
    let mut unanswered = Unanswered(is_call.then_some(&*inner));
    drop(orders.send(Order { job, reply }));
    let answer = bounded(limit, answer).await;
    unanswered.0 = None;
    match answer {
        Some(Ok(outcome)) => outcome,
        // The instance has ended, and all its resources with it.
        Some(Err(_)) if is_call => Err(inner.closed()),
        Some(Err(_)) => Ok(None),
        None => {
            let late = inner.late();
            inner.end("a call took too long");
            Err(late)
        }
    }
}

/// What all calls of an instance share.
struct Guest {
    component: Arc<Shared>,
    instance: WasmInstance,
    functions: Mutex<Vec<Option<Known>>>,
    objects: Arc<Objects>,
    waiting: Mutex<Waiting>,
}

/// Those who wait for an answer.
#[derive(Default)]
struct Waiting {
    next: u64,
    replies: HashMap<u64, oneshot::Sender<Outcome>>,
}

impl Guest {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, reply: oneshot::Sender<Outcome>) -> u64 {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.replies.insert(number, reply);
        number
    }

    fn answer(&self, number: u64, outcome: Outcome) {
        let reply = self.waiting().replies.remove(&number);
        if let Some(reply) = reply {
            // A caller who went away has ended the instance.
            drop(reply.send(outcome));
        }
    }

    /// All calls in progress end with the same failure: the guest does not say whose it was.
    fn fail(&self, failure: &CallError) {
        let replies = std::mem::take(&mut self.waiting().replies);
        for reply in replies.into_values() {
            drop(reply.send(Err(failure.clone())));
        }
    }

    fn function(&self, mut store: impl AsContextMut, place: usize) -> wasmtime::Result<Known> {
        let missing = || wasmtime::Error::msg("there is no such function");
        let mut functions = self
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let slot = functions.get_mut(place).ok_or_else(missing)?;
        if let Some(known) = slot {
            return Ok(known.clone());
        }
        let export = self.component.functions.get(place).ok_or_else(missing)?;
        let function = self.instance.get_func(&mut store, export);
        let function = function.ok_or_else(missing)?;
        let signature = Arc::new(Signature::of(&function.ty(&store)));
        *slot = Some((function, signature.clone()));
        Ok((function, signature))
    }
}

/// Runs an instance until it ends.
pub(super) async fn drive(
    inner: Arc<Inner>,
    live: Live,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let Live {
        mut store,
        instance,
        functions,
        objects,
    } = live;
    let guest = Arc::new(Guest {
        component: inner.component.clone(),
        instance,
        functions: Mutex::new(functions),
        objects,
        waiting: Mutex::default(),
    });
    let ended = tokio::select! {
        biased;
        () = inner.until_ended() => Ok(()),
        ended = obey(&mut store, &guest, &mut orders) => ended,
    };
    if let Err(error) = ended {
        let failure = explain(Some(&store), &inner.limits, &inner.words, &error);
        inner.end(&format!("an earlier call ended it: {failure}"));
        guest.fail(&failure);
    }
    orders.close();
}

/// Takes orders, until there can be no more.
async fn obey(
    store: &mut Store<State>,
    guest: &Arc<Guest>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> wasmtime::Result<()> {
    loop {
        let handed = store
            .run_concurrent(async |accessor| hand_out(accessor, guest, orders).await)
            .await??;
        let Some((handle, reply)) = handed else {
            return Ok(());
        };
        // The one thing that cannot be done within the event loop; tasks of the store wait meanwhile.
        handle.resource_drop_async(&mut *store).await?;
        drop(reply.send(Ok(None)));
    }
}

type Release = (super::ResourceAny, oneshot::Sender<Outcome>);

/// Starts calls; gives back what the event loop cannot do.
async fn hand_out(
    accessor: &Accessor<State>,
    guest: &Arc<Guest>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> wasmtime::Result<Option<Release>> {
    while let Some(Order { job, reply }) = orders.recv().await {
        match job {
            Job::Release(handle) => return Ok(Some((handle, reply))),
            Job::Call(place, arguments) => {
                accessor.spawn(Call {
                    guest: guest.clone(),
                    number: guest.enter(reply),
                    place,
                    arguments,
                })?;
            }
        }
    }
    Ok(None)
}

/// One call, as a task of the store. What goes wrong in it ends the event loop.
struct Call {
    guest: Arc<Guest>,
    number: u64,
    place: usize,
    arguments: Vec<Value>,
}

impl AccessorTask<State> for Call {
    async fn run(self, accessor: &Accessor<State>) -> wasmtime::Result<()> {
        let Self {
            guest,
            number,
            place,
            mut arguments,
        } = self;
        let (function, signature) = accessor.with(|access| guest.function(access, place))?;
        let passes = passage::passes(&signature);
        let ends = Ends::new(&Arc::new(Fate::default()));
        let lent = accessor.with(|mut access| {
            if passes {
                let types = signature.parameters().iter().map(|(_, ty)| ty);
                passage::enter(&mut access, types, &mut arguments, &ends)?;
            }
            guest.objects.exchanged(access, &mut arguments)
        })?;
        let mut result = value::call_concurrent(accessor, &function, &signature, arguments).await?;
        accessor.with(|mut access| {
            guest.objects.take_back(&mut access, lent)?;
            let values = result.as_mut_slice();
            guest.objects.received(&mut access, values)?;
            if passes {
                passage::leave(&mut access, signature.result().into_iter(), values, &ends)?;
                ends.watch(access)?;
            }
            wasmtime::error::Ok(())
        })?;
        guest.answer(number, Ok(result));
        Ok(())
    }
}
