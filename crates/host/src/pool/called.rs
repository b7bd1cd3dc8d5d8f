//! Instances that answer calls of other components: one call at a time in each.

use std::sync::Arc;

use wasmtime::component::{Component, Instance, InstancePre};
use wasmtime::{Engine, Store, format_err};
use wisp_wasi::State;

use super::slots::{Holder, Slot, Slots};
use super::warm::Warm;
use super::{InvokeError, Reuse};
use crate::blueprint::{Blueprint, RequestLines};
use crate::link::Exported;
use crate::value::{self, Value};

/// The instances of one component.
pub(crate) struct CalledInstances {
    engine: Engine,
    pre: InstancePre<State>,
    blueprint: Arc<Blueprint>,
    reuse: Reuse,
    slots: Arc<Slots>,
    warm: Warm<CalledInstance>,
}

impl std::fmt::Debug for CalledInstances {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CalledInstances")
            .field("reuse", &self.reuse)
            .finish_non_exhaustive()
    }
}

struct CalledInstance {
    store: Store<State>,
    instance: Instance,
    lines: Arc<RequestLines>,
    served: u32,
    _slot: Slot,
}

impl CalledInstances {
    pub(crate) fn new(
        engine: Engine,
        pre: InstancePre<State>,
        blueprint: Arc<Blueprint>,
        reuse: Reuse,
        slots: Arc<Slots>,
    ) -> Arc<Self> {
        let made = Arc::new(Self {
            engine,
            pre,
            blueprint,
            reuse,
            slots,
            warm: Warm::new(reuse.idle),
        });
        let holder: Arc<dyn Holder> = made.clone();
        made.slots.register(Arc::downgrade(&holder));
        made
    }

    pub(crate) fn code(&self) -> &Component {
        self.pre.component()
    }

    /// One call; the instance is used again only when the guest returned in order.
    pub(crate) async fn call(
        &self,
        function: &Exported,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>, InvokeError> {
        let trap = |error: wasmtime::Error| InvokeError::Trap {
            message: format!("{error:#}"),
        };
        let mut called = self.instance().await?;
        called.lines.begin(None);
        called.store.set_epoch_deadline(1);
        let found = called
            .instance
            .get_func(&mut called.store, function.index)
            .ok_or_else(|| {
                trap(format_err!(
                    "the instance lacks a function of its component"
                ))
            })?;
        let result = value::call(&mut called.store, &found, &function.signature, arguments).await;
        called.store.data().finish_output();
        let result = result.map_err(trap)?;
        self.give_back(called);
        Ok(result)
    }

    async fn instance(&self) -> Result<CalledInstance, InvokeError> {
        if let Some(called) = self.warm.take() {
            return Ok(called);
        }
        let closed = || InvokeError::Instantiate("the engine is closed".into());
        let slot = self.slots.take().await.ok_or_else(closed)?;
        let (mut store, lines) = self.blueprint.store(&self.engine);
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(CalledInstance {
                store,
                instance,
                lines,
                served: 0,
                _slot: slot,
            }),
            Err(error) => Err(InvokeError::Instantiate(format!("{error:#}"))),
        }
    }

    fn give_back(&self, mut called: CalledInstance) {
        called.served += 1;
        if called.served < self.reuse.requests && !self.slots.contended() {
            self.warm.keep(called);
        }
    }

    /// Drops instances that were unused for longer than the component allows.
    pub(crate) fn retire_idle(&self) {
        self.warm.retire();
    }
}

impl Holder for CalledInstances {
    fn warm(&self) -> usize {
        self.warm.count()
    }

    fn give_up_one(&self) {
        self.warm.give_up_one();
    }
}
