//! A component that is loaded: its code, linked, and the instances that answer for it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::component::InstancePre;
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::{p2, p3};
use wisp_wasi::State;

use super::admission::Admission;
use super::called::CalledInstances;
use super::concurrent::ConcurrentInstances;
use super::sync::SyncInstances;
use super::{Place, Pool, PoolStatus, Reuse, Share};
use crate::blueprint::{Blueprint, OutboundStatus};
use crate::engine::Loaded;
use crate::locked::Profile;
use crate::telemetry::Refusals;

/// The code of one or several components.
pub(crate) struct Code {
    pub(crate) loaded: Loaded,
    /// Linked to what the host alone offers, as soon as somebody needed it so.
    pub(crate) plain: OnceLock<InstancePre<State>>,
}

/// Instances that serve HTTP.
#[derive(Debug)]
pub(super) enum Instances {
    Sync(Arc<SyncInstances>),
    Concurrent(ConcurrentInstances),
}

/// A loaded component.
pub(crate) struct Ready {
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) admission: Admission,
    /// `None` for a library.
    pub(super) http: Option<Instances>,
    /// `None` when no component is linked to this one, and no trigger calls it.
    pub(super) called: Option<Arc<CalledInstances>>,
    /// Kept so that others with the same code find it.
    _code: Arc<Code>,
    asked: AtomicBool,
    /// Looks in a row at which nobody had asked for it since the one before.
    unused: AtomicU32,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Ready")
            .field("http", &self.http)
            .field("called", &self.called)
            .finish_non_exhaustive()
    }
}

impl Ready {
    pub(crate) fn new(
        blueprint: Blueprint,
        pool: &Pool,
        share: Share,
        (pre, code): (InstancePre<State>, Arc<Code>),
        place: &Place,
    ) -> wasmtime::Result<Self> {
        let blueprint = Arc::new(blueprint);
        let reuse = Reuse::from(pool.told.instances);
        let http = match Instances::new(&blueprint, reuse, pre.clone(), place) {
            Err(_) if pool.called => None,
            http => Some(http?),
        };
        let called = pool.called.then(|| {
            let (engine, slots) = (place.engine.clone(), place.slots.clone());
            CalledInstances::new(engine, pre, blueprint.clone(), reuse, slots)
        });
        let patience = Duration::from_millis(pool.told.limits.queue_timeout_ms);
        Ok(Self {
            blueprint,
            admission: Admission::new(share.concurrency, share.queue, patience),
            http,
            called,
            _code: code,
            asked: AtomicBool::new(true),
            unused: AtomicU32::new(0),
        })
    }

    /// Somebody asks for it.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Looks whether anybody asked for it since the last look; gives how many looks ago that was.
    pub(super) fn look(&self) -> u32 {
        let used = self.asked.swap(false, Ordering::Relaxed) || self.admission.active() > 0;
        let unused = if used {
            0
        } else {
            self.unused.load(Ordering::Relaxed).saturating_add(1)
        };
        self.unused.store(unused, Ordering::Relaxed);
        unused
    }

    /// Whether it may be given back: links hold functions of the code of those that are called, and what was refused has to be
    /// told at the end.
    pub(super) fn may_rest(&self) -> bool {
        self.called.is_none() && self.refusals().is_empty() && self.admission.active() == 0
    }

    /// What it was refused.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.blueprint.grantee.refusals
    }

    /// What goes on between it and the outside.
    pub(crate) fn outbound(&self) -> OutboundStatus {
        self.blueprint.outbound()
    }

    /// What goes on now.
    pub(crate) fn status(&self) -> PoolStatus {
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
    pub(super) fn retire_idle(&self) {
        self.blueprint.grantee.excesses.settle();
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
