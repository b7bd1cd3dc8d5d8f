//! Instances of `wasi:http` 0.3 components: several requests at once in one instance, through Wasmtime's `ProxyHandler`.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wasmtime::component::GuestTaskId;
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState, Instance, InstantiationError, ProxyHandler, ProxyPre,
    ShouldAccept, WorkerState,
};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};
use wisp_wasi::{Limit, State};

use super::admission::Permit;
use super::body::{Ending, GuestBody};
use super::slots::{Holder, Slot, Slots};
use super::ticket::{Expiration, Life, Ticket};
use super::{InvokeError, Reuse};
use crate::blueprint::{Blueprint, RequestLines};
use crate::errand::Errand;
use crate::telemetry::RequestId;

/// Makes instances for the handler.
struct Maker {
    engine: Engine,
    pre: ProxyPre<State>,
    blueprint: Arc<Blueprint>,
    reuse: Reuse,
    slots: Arc<Slots>,
    lives: Arc<Lives>,
}

/// The instances that live.
#[derive(Debug, Default)]
struct Lives(Mutex<Vec<Weak<Life>>>);

impl Lives {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Life>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, life: &Arc<Life>) {
        let mut lives = self.lock();
        lives.retain(|life| life.strong_count() > 0);
        lives.push(Arc::downgrade(life));
    }
}

impl Holder for Lives {
    fn warm(&self) -> usize {
        self.lock()
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|life| life.is_idle())
            .count()
    }

    fn give_up_one(&self) {
        let idle = self
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .find(|life| life.is_idle());
        if let Some(life) = idle {
            life.retire();
        }
    }
}

/// What the handler asks while an instance lives.
struct Running {
    blueprint: Arc<Blueprint>,
    reuse: Reuse,
    slots: Arc<Slots>,
    life: Arc<Life>,
    lines: Arc<RequestLines>,
    _slot: Slot,
}

impl WorkerState for Running {
    type StoreData = State;
    type RequestData = Arc<Ticket>;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        // To Wasmtime a request is over with the head of its response; to us with the last byte.
        let concurrent = concurrent.max(self.life.running());
        let within =
            |count: usize, limit: u32| u32::try_from(count).is_ok_and(|count| count < limit);
        if !within(total, self.reuse.requests) || (total > 0 && self.slots.contended()) {
            // An instance that will never accept more ends with the last task of its guest.
            if concurrent > 0 && self.life.is_linked() {
                ShouldAccept::No
            } else {
                ShouldAccept::Never
            }
        } else if within(concurrent, self.reuse.concurrency) {
            ShouldAccept::Yes
        } else {
            ShouldAccept::No
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        ticket: Arc<Ticket>,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        // Requests that are in one instance at once share what each may begin.
        let shares = self.life.running() > 0;
        let calls = self.blueprint.grantee.limits.outbound;
        let data = store.data_mut();
        data.forgive_outbound(if shares { calls } else { u32::MAX });
        let limit = Duration::from_millis(self.blueprint.grantee.limits.cpu_ms);
        self.life.begin(&ticket, limit);
        let alone = self.reuse.requests == 1 || self.reuse.concurrency == 1;
        store.data().finish_output();
        self.lines.begin(alone.then_some(ticket.id));
        if self.life.is_linked() {
            let errand = alone.then(|| ticket.errand.companion());
            store.data_mut().begin_errand(errand);
        }
        Box::pin(ticket.expired())
    }

    fn drop(&self, store: Store<State>, result: wasmtime::Result<()>) {
        store.data().finish_output();
        let cause = match result {
            Err(error) => {
                if self.life.is_out_of_time() {
                    self.blueprint.grantee.excesses.count(Limit::Cpu);
                }
                self.blueprint.fault(&error).to_string()
            }
            Ok(()) if self.life.is_linked() => {
                "the response did not end before the deadline".into()
            }
            Ok(()) => return,
        };
        let Blueprint {
            app,
            component,
            log,
            ..
        } = self.blueprint.as_ref();
        // One trap ends every request of the instance; the requests that wait for their head say so themselves, but only
        // this knows the cause.
        for ticket in self.life.lose() {
            log.failure(app, component, ticket.id, &cause);
        }
    }
}

impl HandlerState for Maker {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Running;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Running>> {
        let slot = self
            .slots
            .take()
            .await
            .ok_or_else(|| wasmtime::format_err!("the engine is closed"))?;
        let (mut store, lines) = self.blueprint.store(&self.engine);
        let snapshots = &self.blueprint.snapshots;
        let proxy = snapshots.around(self.pre.instantiate_async(&mut store));
        let proxy = proxy.await?;
        let watch = State::measure(&mut store);
        let life = Arc::new(Life::new(self.blueprint.is_linked(), watch));
        self.lives.add(&life);
        let state = Running {
            blueprint: self.blueprint.clone(),
            reuse: self.reuse,
            slots: self.slots.clone(),
            life: life.clone(),
            lines,
            _slot: slot,
        };
        let expiration = Expiration::new(life, self.reuse.idle);
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration,
            state,
        })
    }
}

/// The instances of one component.
pub(crate) struct ConcurrentInstances {
    handler: ProxyHandler<Maker>,
}

impl std::fmt::Debug for ConcurrentInstances {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConcurrentInstances")
            .finish_non_exhaustive()
    }
}

/// Gives the ticket back, whatever becomes of the response; holds the permit until then.
#[derive(Debug)]
struct Held {
    ticket: Arc<Ticket>,
    _permit: Permit,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ticket.give_up();
    }
}

impl Ending for Held {
    fn complete(&mut self) {
        self.ticket.done();
    }

    fn abandoned(&mut self) {}
}

impl ConcurrentInstances {
    pub(crate) fn new(
        engine: Engine,
        pre: ProxyPre<State>,
        blueprint: Arc<Blueprint>,
        reuse: Reuse,
        slots: Arc<Slots>,
    ) -> Self {
        let lives = Arc::new(Lives::default());
        let holder: Arc<dyn Holder> = lives.clone();
        slots.register(Arc::downgrade(&holder));
        Self {
            handler: ProxyHandler::new(Maker {
                engine,
                pre,
                blueprint,
                reuse,
                slots,
                lives,
            }),
        }
    }

    pub(crate) async fn handle(
        &self,
        request: http::Request<WasiBody>,
        id: RequestId,
        permit: Permit,
        deadline: Instant,
    ) -> Result<http::Response<WasiBody>, InvokeError> {
        let wants_body = request.method() != http::Method::HEAD;
        let errand = Errand::of(id, &request, deadline);
        let ticket = Ticket::new((id, errand), deadline);
        let held = Held {
            ticket: ticket.clone(),
            _permit: permit,
        };
        match timeout_at(deadline, self.handler.handle(ticket.clone(), request)).await {
            Err(_) => Err(InvokeError::Timeout),
            Ok(Err(_)) if ticket.is_out_of_time() => {
                let limit = self.handler.state().blueprint.grantee.limits.cpu_ms;
                Err(InvokeError::CpuTime(limit))
            }
            Ok(Err(error)) => Err(classify(&error)),
            Ok(Ok(response)) => Ok(GuestBody::wrap(
                response,
                ticket.failure.clone(),
                held,
                wants_body,
            )),
        }
    }

    /// Instances that wait for a request.
    pub(crate) fn warm(&self) -> usize {
        self.handler.state().lives.warm()
    }
}

fn classify(error: &wasmtime::Error) -> InvokeError {
    if error.is::<ExpirationError>() {
        InvokeError::Timeout
    } else if let Some(error) = error.downcast_ref::<InstantiationError<Arc<Ticket>>>() {
        InvokeError::Instantiate(format!("{:#}", error.error))
    } else if let Some(code) = error.downcast_ref::<ErrorCode>() {
        InvokeError::Guest(format!("{code:?}"))
    } else {
        InvokeError::Trap {
            message: format!("{error:#}"),
        }
    }
}
