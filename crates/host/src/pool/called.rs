//! Instances that answer calls of other components, and of triggers: one call at a time in each.

use std::sync::Arc;

use wasmtime::component::{Component, Func, Instance, InstancePre};
use wasmtime::{Engine, format_err};
use wisp_wasi::State;

use super::measured::Measured;
use super::slots::{Holder, Slots};
use super::stock::{Kept, Stock};
use super::{InvokeError, Reuse};
use crate::blueprint::Blueprint;
use crate::errand::Errand;
use crate::link::Exported;
use crate::value::{self, Value};

/// The instances of one component.
pub(crate) struct CalledInstances {
    pre: InstancePre<State>,
    pub(super) stock: Arc<Stock<Instance>>,
}

impl std::fmt::Debug for CalledInstances {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CalledInstances")
            .field("stock", &self.stock)
            .finish_non_exhaustive()
    }
}

fn trap(error: &wasmtime::Error) -> InvokeError {
    InvokeError::Trap {
        message: format!("{error:#}"),
    }
}

impl CalledInstances {
    pub(crate) fn new(
        engine: Engine,
        pre: InstancePre<State>,
        blueprint: Arc<Blueprint>,
        reuse: Reuse,
        slots: Arc<Slots>,
    ) -> Arc<Self> {
        let stock = Stock::new(engine, blueprint, reuse, slots);
        Arc::new(Self { pre, stock })
    }

    pub(crate) fn code(&self) -> &Component {
        self.pre.component()
    }

    /// An instance that is ready for one call of this function.
    pub(super) async fn take(
        &self,
        function: &Exported,
        errand: Errand,
    ) -> Result<(Kept<Instance>, Func), InvokeError> {
        let instantiate = async |store: &mut _| self.pre.instantiate_async(store).await;
        let mut called = self.stock.take(instantiate).await?;
        called.begin(errand);
        let found = called.made.get_func(&mut called.store, function.index);
        let missing = || {
            trap(&format_err!(
                "the instance lacks a function of its component"
            ))
        };
        Ok((called, found.ok_or_else(missing)?))
    }

    /// One call, bounded in its processor time.
    pub(crate) fn measured<'a>(
        &'a self,
        function: &'a Exported,
        arguments: Vec<Value>,
        errand: Errand,
    ) -> impl Future<Output = Result<Option<Value>, InvokeError>> + Send + 'a {
        let call = Box::pin(self.call(function, arguments, errand));
        Measured::new(call, self.stock.blueprint.clone())
    }

    /// One call; the instance is used again only when the guest returned in order.
    async fn call(
        &self,
        function: &Exported,
        arguments: Vec<Value>,
        errand: Errand,
    ) -> Result<Option<Value>, InvokeError> {
        let (mut called, found) = self.take(function, errand).await?;
        let result = value::call(&mut called.store, &found, &function.signature, arguments).await;
        called.store.data().finish_output();
        let result = result.map_err(|error| self.stock.blueprint.fault(&error))?;
        self.stock.give_back(called);
        Ok(result)
    }

    /// Instances that wait for a call.
    pub(crate) fn warm(&self) -> usize {
        self.stock.warm()
    }

    /// Drops instances that were unused for longer than the component allows.
    pub(crate) fn retire_idle(&self) {
        self.stock.retire_idle();
    }
}
