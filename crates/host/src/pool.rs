//! The instances of one component: admission, then a fresh or a warm instance, then the response while the guest goes on.
//!
//! A request holds its permit until the guest is done with it. The deadline covers everything: waiting, the head, and
//! the body until its last byte. When the caller goes away, by dropping the future or the response body, the instance
//! is dropped too, which is the only way to stop a guest. After a trap or a timeout an instance is never used again.
//!
//! Requests are served by two kinds of instances because there are two engine profiles: [`sync`] for `wasi:http` 0.2 and
//! [`concurrent`] for 0.3. Calls of other components are answered by instances of a third kind ([`called`], and
//! [`ongoing`] for calls that go on after they have returned), for either profile, under the same admission and limits.
//! A component that only others call, or the clock, is a library: it has no other kind.

mod admission;
mod body;
mod called;
mod concurrent;
mod measured;
mod ongoing;
mod slots;
mod stock;
mod sync;
mod ticket;
mod warm;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::{Error as HttpError, WasiBody, p2, p3};
use wisp_wasi::{Limit, Meter, PeerResponse, State};

use crate::blueprint::{Blueprint, OutboundStatus};
use crate::capability::Grantee;
use crate::link::{Begun, Called, Callee, Exported, Returned};
use crate::locked::{LockedComponent, LockedInstances, LockedLimits, Profile};
use crate::telemetry::{Log, Refusals, RequestId};
use crate::value::Value;

use admission::{Admission, Permit};
use called::CalledInstances;
use concurrent::ConcurrentInstances;
pub(crate) use slots::Slots;
use sync::SyncInstances;

/// Why a component gave no response.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// Too many requests are in progress and waiting.
    #[error("too many requests are in progress")]
    Overloaded,
    /// The deadline passed before the head of the response.
    #[error("no response before the deadline")]
    Timeout,
    /// The guest took more processor time than so many milliseconds, its limit.
    #[error("more processor time than `limits.cpu` allows, which is {0} ms")]
    CpuTime(u64),
    /// The guest trapped before the head of the response; the message is for the log only.
    #[error("trap: {message}")]
    Trap {
        /// Cause and guest backtrace.
        message: String,
    },
    /// The guest ended without answering.
    #[error("the guest ended without a response")]
    NoResponse,
    /// The guest answered with an error code of `wasi:http`.
    #[error("the guest answered with the error {0}")]
    Guest(String),
    /// A library was asked to serve HTTP.
    #[error("the component does not serve HTTP")]
    Library,
    /// No instance could be made.
    #[error("instantiation: {0}")]
    Instantiate(String),
}

/// Where instances live: an engine of one profile and what it can still hold.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) profile: Profile,
    pub(crate) engine: Engine,
    pub(crate) slots: Arc<Slots>,
}

/// What one component may do in this worker, and how many instances that takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Requests in progress at once.
    pub(crate) concurrency: u32,
    /// Requests that wait.
    pub(crate) queue: u32,
}

#[derive(Debug)]
enum Instances {
    Sync(Arc<SyncInstances>),
    Concurrent(ConcurrentInstances),
}

/// The instances of one component in this worker.
#[derive(Debug)]
pub struct Pool {
    app: Arc<str>,
    component: Arc<str>,
    log: Log,
    grantee: Arc<Grantee>,
    blueprint: Arc<Blueprint>,
    admission: Admission,
    /// `None` for a library.
    http: Option<Instances>,
    /// `None` when no component is linked to this one, and no trigger calls it.
    called: Option<Arc<CalledInstances>>,
}

/// How many requests are in progress and wait, and how many instances are warm.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct PoolStatus {
    /// Requests in progress.
    pub active: u32,
    /// Requests that wait for a permit.
    pub queued: u32,
    /// Instances that wait for a request.
    pub warm: usize,
}

/// How instances are reused, with times as durations.
#[derive(Clone, Copy, Debug)]
struct Reuse {
    requests: u32,
    idle: Duration,
    concurrency: u32,
}

impl From<LockedInstances> for Reuse {
    fn from(instances: LockedInstances) -> Self {
        Self {
            requests: instances.reuse.max(1),
            idle: Duration::from_millis(instances.idle_ms),
            concurrency: instances.concurrency.max(1),
        }
    }
}

impl Pool {
    /// `called` says whether other components call this one, or a trigger that is not HTTP.
    pub(crate) fn new(
        blueprint: Blueprint,
        component: &LockedComponent,
        share: Share,
        pre: InstancePre<State>,
        place: &Place,
        called: bool,
    ) -> wasmtime::Result<Arc<Self>> {
        let blueprint = Arc::new(blueprint);
        let reuse = Reuse::from(component.instances);
        let http = match Instances::new(&blueprint, reuse, pre.clone(), place) {
            Err(_) if called => None,
            http => Some(http?),
        };
        let called = called.then(|| {
            let blueprint = blueprint.clone();
            let (engine, slots) = (place.engine.clone(), place.slots.clone());
            CalledInstances::new(engine, pre, blueprint, reuse, slots)
        });
        let patience = Duration::from_millis(component.limits.queue_timeout_ms);
        Ok(Arc::new(Self {
            app: blueprint.app.clone(),
            component: blueprint.component.clone(),
            log: blueprint.log.clone(),
            grantee: blueprint.grantee.clone(),
            blueprint,
            admission: Admission::new(share.concurrency, share.queue, patience),
            http,
            called,
        }))
    }

    /// Waits for a permit; gives it with the deadline of what it is for.
    async fn admit(&self) -> Result<(Permit, Instant), InvokeError> {
        let deadline = Instant::now() + Duration::from_millis(self.grantee.limits.timeout_ms);
        match self.admission.admit(deadline).await {
            Ok(permit) => Ok((permit, deadline)),
            Err(_) if Instant::now() >= deadline => Err(InvokeError::Timeout),
            Err(_) => Err(InvokeError::Overloaded),
        }
    }

    /// Whether it can answer requests.
    pub(crate) fn serves_http(&self) -> bool {
        self.http.is_some()
    }

    /// Serves one request.
    ///
    /// Dropping the future, or the body of the response before its end, drops the instance. A body that cannot be
    /// completed (trap, deadline) ends with an error, never early and silently.
    pub async fn handle(
        &self,
        request: http::Request<WasiBody>,
        id: RequestId,
    ) -> Result<http::Response<WasiBody>, InvokeError> {
        let Some(http) = &self.http else {
            return Err(InvokeError::Library);
        };
        let (permit, deadline) = self.admit().await?;
        let result = match http {
            Instances::Sync(instances) => instances.handle(request, id, permit, deadline).await,
            Instances::Concurrent(instances) => {
                instances.handle(request, id, permit, deadline).await
            }
        };
        if let Err(error) = &result {
            self.log
                .failure(&self.app, &self.component, id, &error.to_string());
        }
        result
    }

    /// Calls a function for a trigger; the guest's lines belong to this id.
    pub(crate) async fn run(
        &self,
        function: &Exported,
        arguments: Vec<Value>,
        id: RequestId,
    ) -> Result<Option<Value>, InvokeError> {
        self.invoke(function, arguments, Some(id)).await
    }

    async fn invoke(
        &self,
        function: &Exported,
        arguments: Vec<Value>,
        id: Option<RequestId>,
    ) -> Result<Option<Value>, InvokeError> {
        let called = self.called.as_ref().ok_or(InvokeError::Library)?;
        let (_permit, deadline) = self.admit().await?;
        let call = called.measured(function, arguments, id);
        let result = timeout_at(deadline, call).await;
        result.unwrap_or(Err(InvokeError::Timeout))
    }

    /// The same response, with a body that ends with an error past the component's limit.
    fn bounded(self: Arc<Self>, response: http::Response<WasiBody>) -> http::Response<WasiBody> {
        let bytes = self.grantee.limits.response;
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        response.map(|sent| {
            Limited::new(sent, limit)
                .map_err(move |error| {
                    if let Ok(error) = error.downcast::<HttpError>() {
                        return *error;
                    }
                    self.grantee.excesses.exceeded(Limit::Response);
                    HttpError::HttpResponseBodySize(Some(bytes))
                })
                .boxed_unsync()
        })
    }

    /// The limits of the component, for the whole host.
    pub fn limits(&self) -> &LockedLimits {
        &self.grantee.limits
    }

    /// The app's name.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The component's name in the manifest.
    pub fn component(&self) -> &str {
        &self.component
    }

    /// What it was refused.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.grantee.refusals
    }

    /// What goes on between it and the outside.
    pub(crate) fn outbound(&self) -> OutboundStatus {
        self.blueprint.outbound()
    }

    /// What goes on now.
    pub fn status(&self) -> PoolStatus {
        let serving = match &self.http {
            Some(Instances::Sync(instances)) => instances.warm(),
            Some(Instances::Concurrent(instances)) => instances.warm(),
            None => 0,
        };
        let called = self.called.as_deref().map_or(0, CalledInstances::warm);
        PoolStatus {
            active: self.admission.active(),
            queued: self.admission.queued(),
            warm: serving + called,
        }
    }

    /// Drops instances that were unused for longer than the component allows.
    pub(crate) fn retire_idle(&self) {
        self.grantee.excesses.settle();
        if let Some(Instances::Sync(instances)) = &self.http {
            instances.retire_idle();
        }
        if let Some(called) = &self.called {
            called.retire_idle();
        }
    }
}

impl Instances {
    fn new(
        blueprint: &Arc<Blueprint>,
        reuse: Reuse,
        pre: InstancePre<State>,
        place: &Place,
    ) -> wasmtime::Result<Self> {
        let (engine, slots) = (place.engine.clone(), place.slots.clone());
        let blueprint = blueprint.clone();
        Ok(match place.profile {
            Profile::Sync => {
                let pre = p2::bindings::ProxyPre::new(pre)?;
                Self::Sync(SyncInstances::new(engine, pre, blueprint, reuse, slots))
            }
            Profile::Async => {
                let pre = match p3::bindings::ServicePre::new(pre.clone()) {
                    Ok(pre) => ProxyPre::P3(pre),
                    Err(_) => ProxyPre::P2(p2::bindings::ProxyPre::new(pre)?),
                };
                Self::Concurrent(ConcurrentInstances::new(
                    engine, pre, blueprint, reuse, slots,
                ))
            }
        })
    }
}

/// Why a request to another component got no response, as a guest may know it.
fn peer_error(error: &InvokeError) -> HttpError {
    match error {
        InvokeError::Overloaded => HttpError::ConnectionLimitReached,
        InvokeError::Timeout | InvokeError::CpuTime(_) => HttpError::HttpResponseTimeout,
        InvokeError::NoResponse => HttpError::HttpResponseIncomplete,
        _ => HttpError::DestinationUnavailable,
    }
}

impl Callee for Pool {
    fn name(&self) -> &str {
        &self.component
    }

    fn code(&self) -> Option<&Component> {
        self.called.as_ref().map(|called| called.code())
    }

    fn call(self: Arc<Self>, function: Arc<Exported>, arguments: Vec<Value>) -> Called {
        Box::pin(async move { Ok(self.invoke(&function, arguments, None).await?) })
    }

    fn begin(self: Arc<Self>, begun: Begun) -> Returned {
        Box::pin(async move {
            let Some(called) = &self.called else {
                return Err(InvokeError::Library.into());
            };
            let (permit, deadline) = self.admit().await?;
            Ok(called.begin(begun, permit, deadline).await?)
        })
    }

    fn serves_http(&self) -> bool {
        self.http.is_some()
    }

    fn fetch(self: Arc<Self>, request: http::Request<WasiBody>) -> Option<PeerResponse> {
        self.http.as_ref()?;
        let body = self.grantee.limits.body;
        let limit = usize::try_from(body).unwrap_or(usize::MAX);
        let request = request.map(|sent| {
            Limited::new(sent, limit)
                .map_err(move |error| match error.downcast::<HttpError>() {
                    Ok(error) => *error,
                    Err(_) => HttpError::HttpRequestBodySize(Some(body)),
                })
                .boxed_unsync()
        });
        // The caller may hand on the id that it was given, so that one can be followed through the log.
        let id = request.headers().get("x-request-id");
        let id = id.and_then(|id| RequestId::parse(id.as_bytes()));
        let id = id.unwrap_or_else(RequestId::next);
        Some(Box::pin(async move {
            let response = self.handle(request, id).await;
            let response = response.map_err(|error| peer_error(&error))?;
            Ok(self.bounded(response))
        }))
    }
}
