//! Instances of `wasi:http` 0.2 components on the engine without component-model-async.
//!
//! One call at a time in an instance. The guest's future is polled in place first: a guest that answers without waiting
//! needs no task of its own. Only when the head of the response is there and the guest goes on is it spawned.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, Timeout, timeout_at};
use wasmtime::Engine;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};
use wisp_wasi::State;

use super::admission::Permit;
use super::body::{Ending, Failure, GuestBody};
use super::measured::Measured;
use super::slots::{Holder, Slots};
use super::stock::Stock;
use super::{InvokeError, Reuse};
use crate::blueprint::Blueprint;
use crate::errand::Errand;
use crate::telemetry::RequestId;

type Head = Result<http::Response<HyperOutgoingBody>, ErrorCode>;
type Guest = Pin<Box<Timeout<Measured<Invocation>>>>;
type Invocation = Pin<Box<dyn Future<Output = Result<(), InvokeError>> + Send>>;

/// The instances of one component.
pub(crate) struct SyncInstances {
    pre: ProxyPre<State>,
    stock: Arc<Stock<Proxy>>,
}

impl std::fmt::Debug for SyncInstances {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SyncInstances")
            .field("stock", &self.stock)
            .finish_non_exhaustive()
    }
}

/// Sets the failure unless the call came back in order; declared after the instance, so it is dropped before it.
struct Watch {
    failure: Failure,
    armed: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.armed {
            self.failure.set();
        }
    }
}

/// Stops the guest's task when its response is not wanted any more.
#[derive(Debug)]
struct Task(AbortHandle);

impl Ending for Task {
    fn complete(&mut self) {}

    fn abandoned(&mut self) {
        self.0.abort();
    }
}

enum First {
    Guest(Result<Result<(), InvokeError>, tokio::time::error::Elapsed>),
    Head(Result<Head, oneshot::error::RecvError>),
}

impl SyncInstances {
    pub(crate) fn new(
        engine: Engine,
        pre: ProxyPre<State>,
        blueprint: Arc<Blueprint>,
        reuse: Reuse,
        slots: Arc<Slots>,
    ) -> Arc<Self> {
        let stock = Stock::new(engine, blueprint, reuse, slots);
        Arc::new(Self { pre, stock })
    }

    pub(crate) async fn handle(
        self: &Arc<Self>,
        request: http::Request<WasiBody>,
        id: RequestId,
        permit: Permit,
        deadline: Instant,
    ) -> Result<http::Response<WasiBody>, InvokeError> {
        let wants_body = request.method() != http::Method::HEAD;
        let failure = Failure::default();
        let (sender, mut head) = oneshot::channel();
        let errand = Errand::of(id, &request, deadline);
        let carried = (permit, failure.clone());
        let invocation: Invocation =
            Box::pin(self.clone().invoke(request, errand, carried, sender));
        let measured = Measured::new(invocation, self.stock.blueprint.clone());
        let mut guest: Guest = Box::pin(timeout_at(deadline, measured));
        let first = poll_fn(|cx| match guest.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(First::Guest(result)),
            Poll::Pending => Pin::new(&mut head).poll(cx).map(First::Head),
        });
        match first.await {
            First::Guest(Err(_)) => Err(InvokeError::Timeout),
            First::Guest(Ok(Err(error))) => Err(error),
            First::Guest(Ok(Ok(()))) => match head.try_recv() {
                Ok(head) => Ok(answered(head)?),
                Err(_) => Err(InvokeError::NoResponse),
            },
            First::Head(Ok(head)) => {
                let response = answered(head)?;
                let task = self.clone().go_on(guest, id);
                Ok(GuestBody::wrap(response, failure, task, wants_body))
            }
            // The guest dropped its right to answer and goes on without.
            First::Head(Err(_)) => match guest.await {
                Err(_) => Err(InvokeError::Timeout),
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) => Err(InvokeError::NoResponse),
            },
        }
    }

    /// Lets the guest run on while its body is read.
    fn go_on(self: Arc<Self>, guest: Guest, id: RequestId) -> Task {
        let task = tokio::spawn(async move {
            let error = match guest.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => InvokeError::Timeout,
            };
            let Blueprint {
                app,
                component,
                log,
                ..
            } = self.stock.blueprint.as_ref();
            log.failure(app, component, id, &error.to_string());
        });
        Task(task.abort_handle())
    }

    /// One call of the guest, from the instance to its return or its end.
    async fn invoke(
        self: Arc<Self>,
        request: http::Request<WasiBody>,
        errand: Errand,
        held: (Permit, Failure),
        sender: oneshot::Sender<Head>,
    ) -> Result<(), InvokeError> {
        let (_permit, failure) = held;
        let instantiate = async |store: &mut _| self.pre.instantiate_async(store).await;
        let mut instance = self.stock.take(instantiate).await?;
        let mut watch = Watch {
            failure,
            armed: true,
        };
        instance.begin(errand);
        let trap = |error: wasmtime::Error| self.stock.blueprint.fault(&error);
        let scheme = match request.uri().scheme_str() {
            Some("https") => Scheme::Https,
            _ => Scheme::Http,
        };
        let mut view = instance.store.data_mut().http();
        let request = view.new_incoming_request(scheme, request).map_err(trap)?;
        let out = view.new_response_outparam(sender).map_err(trap)?;
        let handler = instance.made.wasi_http_incoming_handler();
        handler
            .call_handle(&mut instance.store, request, out)
            .await
            .map_err(trap)?;
        watch.armed = false;
        instance.store.data().finish_output();
        self.stock.give_back(instance);
        Ok(())
    }

    /// Instances that wait for a request.
    pub(crate) fn warm(&self) -> usize {
        self.stock.warm()
    }

    /// Drops instances that were unused for longer than the component allows.
    pub(crate) fn retire_idle(&self) {
        self.stock.retire_idle();
    }
}

fn answered(head: Head) -> Result<http::Response<WasiBody>, InvokeError> {
    head.map_err(|code| InvokeError::Guest(format!("{code:?}")))
}
