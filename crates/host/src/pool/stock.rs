//! Instances that serve one call at a time: made fresh, or kept warm from call to call, as the component asks.

use std::sync::Arc;

use wasmtime::{Engine, Store};
use wisp_wasi::State;

use super::slots::{Holder, Slot, Slots};
use super::warm::Warm;
use super::{InvokeError, Reuse};
use crate::blueprint::{Blueprint, RequestLines};
use crate::errand::Errand;

/// One instance; `T` is how it is called.
pub(super) struct Kept<T> {
    pub(super) store: Store<State>,
    pub(super) made: T,
    lines: Arc<RequestLines>,
    served: u32,
    /// Whether it may call somebody, who then wants to know what for.
    linked: bool,
    _slot: Slot,
}

impl<T> std::fmt::Debug for Kept<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Kept")
            .field("served", &self.served)
            .finish_non_exhaustive()
    }
}

impl<T> Kept<T> {
    /// Makes it ready for one call, whose lines are those of its request.
    pub(super) fn begin(&mut self, errand: Errand) {
        self.lines.begin(errand.request);
        let state = self.store.data_mut();
        state.forgive_outbound(u32::MAX);
        if self.linked {
            state.begin_errand(Some(errand.companion()));
        }
        self.store.set_epoch_deadline(1);
    }
}

/// The instances of one component.
pub(super) struct Stock<T> {
    engine: Engine,
    pub(super) blueprint: Arc<Blueprint>,
    reuse: Reuse,
    slots: Arc<Slots>,
    warm: Warm<Kept<T>>,
}

impl<T> std::fmt::Debug for Stock<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Stock")
            .field("reuse", &self.reuse)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stock<T> {
    pub(super) fn new(
        engine: Engine,
        blueprint: Arc<Blueprint>,
        reuse: Reuse,
        slots: Arc<Slots>,
    ) -> Arc<Self> {
        let stock = Arc::new(Self {
            engine,
            blueprint,
            reuse,
            slots,
            warm: Warm::new(reuse.idle),
        });
        let holder: Arc<dyn Holder> = stock.clone();
        stock.slots.register(Arc::downgrade(&holder));
        stock
    }

    /// A warm instance, or a new one as soon as there is room for it.
    pub(super) async fn take(
        &self,
        instantiate: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<Kept<T>, InvokeError> {
        if self.reuse.requests > 1
            && let Some(kept) = self.warm.take()
        {
            return Ok(kept);
        }
        let closed = || InvokeError::Instantiate("the engine is closed".into());
        let slot = self.slots.take().await.ok_or_else(closed)?;
        let (mut store, lines) = self.blueprint.store(&self.engine);
        let made = self.blueprint.snapshots.around(instantiate(&mut store));
        match made.await {
            Ok(made) => Ok(Kept {
                store,
                made,
                lines,
                served: 0,
                linked: self.blueprint.is_linked(),
                _slot: slot,
            }),
            Err(error) => Err(InvokeError::Instantiate(format!("{error:#}"))),
        }
    }

    /// Takes an instance back that came out of its call in order.
    pub(super) fn give_back(&self, mut kept: Kept<T>) {
        kept.served += 1;
        if kept.served < self.reuse.requests && !self.slots.contended() {
            self.warm.keep(kept);
        }
    }

    /// Drops instances that were unused for longer than the component allows.
    pub(super) fn retire_idle(&self) {
        self.warm.retire();
    }
}

impl<T: Send + 'static> Holder for Stock<T> {
    fn warm(&self) -> usize {
        self.warm.count()
    }

    fn give_up_one(&self) {
        self.warm.give_up_one();
    }
}
