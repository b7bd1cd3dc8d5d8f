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
mod ready;
mod residents;
mod slots;
mod stock;
mod sync;
mod ticket;
mod warm;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};
use wisp_wasi::{Limit, Meter, PeerResponse};

use crate::errand::Errand;
use crate::error::HostError;
use crate::link::{Begun, Called, Callee, Exported, Returned};
use crate::locked::{LockedComponent, LockedInstances, LockedLimits, Profile};
use crate::telemetry::{Log, RequestId};
use crate::value::Value;

use admission::Permit;
use ready::Instances;
pub(crate) use ready::{Code, Ready};
pub(crate) use residents::Residents;
pub(crate) use slots::Slots;

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
    /// The component cannot be loaded.
    #[error("{0}")]
    Load(String),
}

/// When a request must have been answered, if whoever sent it says so: an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(pub(crate) Instant);

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

/// Loads the components of one app; implemented by the loader, which is above pools.
pub(crate) trait Source: Send + Sync + std::fmt::Debug {
    /// The app's name.
    fn app(&self) -> &str;

    /// Where failures are written.
    fn log(&self) -> &Log;

    /// Loads a component and links it.
    fn ready(&self, pool: &Arc<Pool>) -> Result<Ready, HostError>;
}

/// The instances of one component in this worker, as soon as there is something for them to do.
#[derive(Debug)]
pub struct Pool {
    name: Arc<str>,
    /// Components that were told the same share it.
    told: Arc<LockedComponent>,
    /// Whether other components call this one, or a trigger that is not HTTP.
    called: bool,
    source: Arc<dyn Source>,
    ready: Mutex<Option<Arc<Ready>>>,
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
    /// A component that is not loaded yet. `called` says whether other components call it, or a trigger that is not HTTP.
    pub(crate) fn new(
        name: Arc<str>,
        told: Arc<LockedComponent>,
        called: bool,
        source: Arc<dyn Source>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            told,
            called,
            source,
            ready: Mutex::default(),
        })
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<Ready>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads it, unless it is loaded.
    pub(crate) fn load(self: &Arc<Self>) -> Result<Arc<Ready>, HostError> {
        let mut slot = self.slot();
        let ready = match &*slot {
            Some(ready) => ready,
            None => slot.insert(Arc::new(self.source.ready(self)?)),
        };
        ready.ask();
        Ok(ready.clone())
    }

    fn answering(self: &Arc<Self>) -> Result<Arc<Ready>, InvokeError> {
        self.load()
            .map_err(|error| InvokeError::Load(error.to_string()))
    }

    /// What is there if it is loaded.
    pub(crate) fn loaded(&self) -> Option<Arc<Ready>> {
        self.slot().clone()
    }

    /// Gives back what was loaded, unless somebody uses it; says whether it did.
    fn rest(&self) -> bool {
        let mut slot = self.slot();
        let unused = slot
            .as_ref()
            .is_some_and(|ready| Arc::strong_count(ready) == 1 && ready.may_rest());
        if unused {
            *slot = None;
        }
        unused
    }

    /// Waits for a permit; gives it with the deadline of what it is for, which may be told.
    async fn admit(
        &self,
        ready: &Ready,
        told: Option<Instant>,
    ) -> Result<(Permit, Instant), InvokeError> {
        let deadline = Instant::now() + Duration::from_millis(self.told.limits.timeout_ms);
        let deadline = told.map_or(deadline, |told| told.min(deadline));
        match ready.admission.admit(deadline).await {
            Ok(permit) => Ok((permit, deadline)),
            Err(_) if Instant::now() >= deadline => Err(InvokeError::Timeout),
            Err(_) => Err(InvokeError::Overloaded),
        }
    }

    /// Serves one request.
    ///
    /// Dropping the future, or the body of the response before its end, drops the instance. A body that cannot be
    /// completed (trap, deadline) ends with an error, never early and silently.
    pub async fn handle(
        self: &Arc<Self>,
        request: http::Request<WasiBody>,
        id: RequestId,
    ) -> Result<http::Response<WasiBody>, InvokeError> {
        let ready = self.answering().map_err(|error| self.failed(id, error))?;
        let http = ready.http.as_ref().ok_or(InvokeError::Library)?;
        let told = request.extensions().get::<Deadline>();
        let told = told.map(|deadline| deadline.0);
        let (permit, deadline) = self.admit(&ready, told).await?;
        let result = match http {
            Instances::Sync(instances) => instances.handle(request, id, permit, deadline).await,
            Instances::Concurrent(instances) => {
                instances.handle(request, id, permit, deadline).await
            }
        };
        result.map_err(|error| self.failed(id, error))
    }

    /// The same error, written to the log.
    fn failed(&self, id: RequestId, error: InvokeError) -> InvokeError {
        let log = self.source.log();
        log.failure(self.app(), &self.name, id, &error.to_string());
        error
    }

    /// Calls a function for a trigger; the guest's lines belong to this id.
    pub(crate) async fn run(
        self: &Arc<Self>,
        function: &Exported,
        arguments: Vec<Value>,
        id: RequestId,
    ) -> Result<Option<Value>, InvokeError> {
        let errand = Errand {
            request: Some(id),
            ..Errand::default()
        };
        self.invoke(function, arguments, errand).await
    }

    async fn invoke(
        self: &Arc<Self>,
        function: &Exported,
        arguments: Vec<Value>,
        errand: Errand,
    ) -> Result<Option<Value>, InvokeError> {
        let ready = self.answering()?;
        let called = ready.called.as_ref().ok_or(InvokeError::Library)?;
        let (_permit, deadline) = self.admit(&ready, None).await?;
        let call = called.measured(function, arguments, errand.until(deadline));
        let result = timeout_at(deadline, call).await;
        result.unwrap_or(Err(InvokeError::Timeout))
    }

    /// The same response, with a body that ends with an error past the component's limit.
    fn bounded(self: Arc<Self>, response: http::Response<WasiBody>) -> http::Response<WasiBody> {
        let bytes = self.told.limits.response;
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        response.map(|sent| {
            Limited::new(sent, limit)
                .map_err(move |error| {
                    if let Ok(error) = error.downcast::<HttpError>() {
                        return *error;
                    }
                    if let Some(ready) = self.loaded() {
                        ready.blueprint.grantee.excesses.exceeded(Limit::Response);
                    }
                    HttpError::HttpResponseBodySize(Some(bytes))
                })
                .boxed_unsync()
        })
    }

    /// The limits of the component, for the whole host.
    pub fn limits(&self) -> &LockedLimits {
        &self.told.limits
    }

    /// The app's name.
    pub fn app(&self) -> &str {
        self.source.app()
    }

    /// The component's name in the manifest.
    pub fn component(&self) -> &str {
        &self.name
    }

    /// What the worker was told of it.
    pub(crate) fn told(&self) -> &LockedComponent {
        &self.told
    }

    /// Whether other components call it, or a trigger that is not HTTP.
    pub(crate) fn is_called(&self) -> bool {
        self.called
    }

    /// Whether it can answer requests, as far as is known before it is loaded.
    pub(crate) fn serves_http(&self) -> bool {
        self.loaded().is_none_or(|ready| ready.http.is_some())
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
        &self.name
    }

    fn code(&self) -> Option<Component> {
        let ready = self.loaded()?;
        ready.called.as_ref().map(|called| called.code().clone())
    }

    fn call(
        self: Arc<Self>,
        function: Arc<Exported>,
        arguments: Vec<Value>,
        errand: Errand,
    ) -> Called {
        Box::pin(async move { Ok(self.invoke(&function, arguments, errand).await?) })
    }

    fn begin(self: Arc<Self>, function: Arc<Exported>, mut begun: Begun) -> Returned {
        Box::pin(async move {
            let ready = self.answering()?;
            let called = ready.called.as_ref().ok_or(InvokeError::Library)?;
            let (permit, deadline) = self.admit(&ready, None).await?;
            begun.errand = begun.errand.until(deadline);
            Ok(called.begin((function, begun), permit, deadline).await?)
        })
    }

    fn most_argument_bytes(&self) -> u64 {
        self.told.limits.body
    }

    fn serves_http(&self) -> bool {
        Self::serves_http(self)
    }

    fn fetch(self: Arc<Self>, request: http::Request<WasiBody>) -> Option<PeerResponse> {
        if !self.serves_http() {
            return None;
        }
        let body = self.told.limits.body;
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
