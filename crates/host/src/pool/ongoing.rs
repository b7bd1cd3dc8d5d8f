//! Calls of other components that may go on after they have returned: async functions, and streams.
//!
//! Each call has a task of its own, because a caller's event loop cannot run another one inside of it. Until the function
//! has returned, who waits for it may drop it, and the instance with it. After that permit, instance and deadline live
//! until the last stream has ended and the last task of the guest is done. A caller that goes away before its streams
//! have ended takes the callee along.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use wasmtime::component::{Accessor, Func};
use wisp_wasi::State;

use super::InvokeError;
use super::admission::Permit;
use super::called::CalledInstances;
use super::measured::Measured;
use crate::blueprint::Blueprint;
use crate::link::{Begun, Crossing, Exported};
use crate::value::{self, Ends, Signature};

/// Stops a task when it is dropped, unless the task was let go.
struct Held(Option<JoinHandle<Result<(), InvokeError>>>);

impl Held {
    fn let_go(mut self) {
        self.0 = None;
    }

    /// Why the task ended without a result.
    async fn failure(mut self) -> InvokeError {
        match &mut self.0 {
            Some(task) => match task.await {
                Ok(Err(error)) => error,
                _ => InvokeError::NoResponse,
            },
            None => InvokeError::NoResponse,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Where the result goes, and whether it has gone there.
struct Reply {
    sender: Option<oneshot::Sender<Crossing>>,
    sent: Arc<AtomicBool>,
}

impl Reply {
    fn send(&mut self, result: Crossing) {
        self.sent.store(true, Ordering::Release);
        if let Some(sender) = self.sender.take() {
            // When nobody waits for it, the whole call is about to be dropped.
            let _ = sender.send(result);
        }
    }
}

impl CalledInstances {
    /// Calls a function; gives its result as soon as it has returned.
    pub(super) async fn begin(
        self: &Arc<Self>,
        (function, begun): (Arc<Exported>, Begun),
        permit: Permit,
        deadline: Instant,
    ) -> Result<Crossing, InvokeError> {
        let (sender, returned) = oneshot::channel();
        let task = tokio::spawn(
            self.clone()
                .run((function, begun), sender, (permit, deadline)),
        );
        let task = Held(Some(task));
        match returned.await {
            Ok(result) => {
                task.let_go();
                Ok(result)
            }
            Err(_) => Err(task.failure().await),
        }
    }

    /// One call, from the instance to the end of all that belongs to it.
    async fn run(
        self: Arc<Self>,
        (function, begun): (Arc<Exported>, Begun),
        sender: oneshot::Sender<Crossing>,
        (_permit, deadline): (Permit, Instant),
    ) -> Result<(), InvokeError> {
        let (fate, sent) = (begun.fate.clone(), Arc::new(AtomicBool::new(false)));
        let reply = Reply {
            sender: Some(sender),
            sent: sent.clone(),
        };
        let work = Box::pin(self.work(function, begun, reply));
        let mut work = Measured::new(work, self.stock.blueprint.clone());
        // The fate is lost before the instance is dropped, which would look like the end of its streams.
        let error = tokio::select! {
            biased;
            // Who called went away; nobody is left to be told.
            _ = fate.until_lost() => return Ok(()),
            () = sleep_until(deadline) => InvokeError::Timeout,
            done = &mut work => match done {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
        };
        let Blueprint {
            app,
            component,
            log,
            ..
        } = self.stock.blueprint.as_ref();
        fate.lose(format!("`{component}`: {error}"));
        if sent.load(Ordering::Acquire) {
            log.fault(app, component, &error.to_string());
        }
        Err(error)
    }

    async fn work(
        &self,
        exported: Arc<Exported>,
        begun: Begun,
        reply: Reply,
    ) -> Result<(), InvokeError> {
        let fate = begun.fate.clone();
        let (mut called, function) = self.take(&exported, begun.errand).await?;
        let outcome = called
            .store
            .run_concurrent(async |accessor| {
                converse(accessor, (&function, &exported.signature), begun, reply).await
            })
            .await;
        called.store.data().finish_output();
        if let Err(error) = outcome.flatten() {
            let error = self.stock.blueprint.fault(&error);
            fate.lose(format!("`{}`: {error}", self.stock.blueprint.component));
            return Err(error);
        }
        self.stock.give_back(called);
        Ok(())
    }
}

/// The call in the callee's store, and what goes on after it.
async fn converse(
    accessor: &Accessor<State>,
    (function, signature): (&Func, &Signature),
    begun: Begun,
    mut reply: Reply,
) -> wasmtime::Result<()> {
    let Begun {
        arguments, fate, ..
    } = begun;
    let ends = Ends::new(&fate);
    let types = signature.parameters().iter().map(|(_, ty)| ty);
    let arguments = accessor.with(|access| arguments.enter(access, types, &ends))?;
    let result = value::call_concurrent(accessor, function, signature, arguments).await?;
    let (types, result) = (signature.result().into_iter(), result.into_iter().collect());
    let result = accessor.with(|access| Crossing::leave(access, types, result, &ends))?;
    reply.send(result);
    ends.closed().await;
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    Ok(())
}
