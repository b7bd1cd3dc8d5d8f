//! The instances of one component: admission, then a fresh or a warm instance, then the response while the guest goes on.
//!
//! A request holds its permit until the guest is done with it. The deadline covers everything: waiting, the head, and
//! the body until its last byte. When the caller goes away, by dropping the future or the response body, the instance
//! is dropped too, which is the only way to stop a guest. After a trap or a timeout an instance is never used again.
//!
//! There are two kinds of pools because there are two engine profiles: [`sync`] for `wasi:http` 0.2 and [`concurrent`]
//! for 0.3.

mod admission;
mod body;
mod concurrent;
mod slots;
mod sync;
mod ticket;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;
use wasmtime::Engine;
use wasmtime::component::InstancePre;
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::{WasiBody, p2, p3};
use wisp_wasi::State;

use crate::blueprint::Blueprint;
use crate::locked::{LockedComponent, LockedInstances, LockedLimits, Profile};
use crate::telemetry::{Log, RequestId};

use admission::Admission;
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
    limits: LockedLimits,
    admission: Admission,
    instances: Instances,
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
    pub(crate) fn new(
        blueprint: Blueprint,
        component: &LockedComponent,
        share: Share,
        pre: InstancePre<State>,
        place: &Place,
    ) -> wasmtime::Result<Arc<Self>> {
        let reuse = Reuse::from(component.instances);
        let (app, name, log) = (
            blueprint.app.clone(),
            blueprint.component.clone(),
            blueprint.log.clone(),
        );
        let (engine, slots) = (place.engine.clone(), place.slots.clone());
        let instances = match place.profile {
            Profile::Sync => {
                let pre = p2::bindings::ProxyPre::new(pre)?;
                Instances::Sync(SyncInstances::new(engine, pre, blueprint, reuse, slots))
            }
            Profile::Async => {
                let pre = match p3::bindings::ServicePre::new(pre.clone()) {
                    Ok(pre) => ProxyPre::P3(pre),
                    Err(_) => ProxyPre::P2(p2::bindings::ProxyPre::new(pre)?),
                };
                Instances::Concurrent(ConcurrentInstances::new(
                    engine, pre, blueprint, reuse, slots,
                ))
            }
        };
        let patience = Duration::from_millis(component.limits.queue_timeout_ms);
        Ok(Arc::new(Self {
            app,
            component: name,
            log,
            limits: component.limits,
            admission: Admission::new(share.concurrency, share.queue, patience),
            instances,
        }))
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
        let deadline = Instant::now() + Duration::from_millis(self.limits.timeout_ms);
        let Ok(permit) = self.admission.admit(deadline).await else {
            return Err(if Instant::now() >= deadline {
                InvokeError::Timeout
            } else {
                InvokeError::Overloaded
            });
        };
        let result = match &self.instances {
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

    /// The limits of the component, for the whole host.
    pub fn limits(&self) -> &LockedLimits {
        &self.limits
    }

    /// The app's name.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The component's name in the manifest.
    pub fn component(&self) -> &str {
        &self.component
    }

    /// What goes on now.
    pub fn status(&self) -> PoolStatus {
        let warm = match &self.instances {
            Instances::Sync(instances) => slots::Holder::warm(instances.as_ref()),
            Instances::Concurrent(instances) => instances.warm(),
        };
        PoolStatus {
            active: self.admission.active(),
            queued: self.admission.queued(),
            warm,
        }
    }

    /// Drops instances that were unused for longer than the component allows.
    pub(crate) fn retire_idle(&self) {
        if let Instances::Sync(instances) = &self.instances {
            instances.retire_idle();
        }
    }
}
