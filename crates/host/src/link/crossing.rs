//! Calls that may go on after they have returned: async functions, and those that pass streams or futures.
//!
//! Theory of operation. The values of a call are taken out of the caller's store with their streams and futures beside
//! them, as channels, and put into the callee's store, where each channel becomes a stream of that store; the result
//! goes the same way back. The pool answers as soon as the function has returned, and keeps the callee running while
//! streams are open. Caller and callee share one [`Fate`]: where one of them goes before its streams have ended, the
//! other is told instead of finding an end of the data that is none.

use std::sync::Arc;

use wasmtime::component::Accessor;
use wasmtime::error::Context;
use wasmtime::{AsContextMut, Result, StoreContextMut, format_err};
use wisp_wasi::State;

use super::Answers;
use crate::errand::Errand;
use crate::value::{Answer, Chunks, Ends, Fate, Signature, Type, Value, each_handle};

/// Values on their way from one store to another, with their streams and futures in the order of the types.
#[derive(Debug)]
pub(crate) struct Crossing {
    pub(crate) values: Vec<Value>,
    pub(crate) chunks: Vec<Chunks>,
}

/// A call that was begun: with what, and what for.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) arguments: Crossing,
    pub(crate) fate: Arc<Fate>,
    pub(crate) errand: Errand,
}

impl Crossing {
    /// Takes values of these types out of `store`.
    pub(crate) fn leave<'t>(
        mut store: impl AsContextMut<Data: 'static>,
        types: impl Iterator<Item = &'t Type>,
        mut values: Vec<Value>,
        ends: &Arc<Ends>,
    ) -> Result<Self> {
        let mut chunks = Vec::new();
        for (ty, value) in types.zip(&mut values) {
            each_handle(ty, value, &mut |ty, value| {
                // What stays behind fits no type; nothing can take the handle of one store for one of the other.
                let handle = std::mem::replace(value, Value::Tuple(Vec::new()));
                chunks.push(ends.leave(&mut store, ty, handle)?);
                Ok(())
            })?;
        }
        Ok(Self { values, chunks })
    }

    /// Puts them into `store`.
    pub(crate) fn enter<'t>(
        self,
        mut store: impl AsContextMut<Data: 'static>,
        types: impl Iterator<Item = &'t Type>,
        ends: &Arc<Ends>,
    ) -> Result<Vec<Value>> {
        let (mut values, mut chunks) = (self.values, self.chunks.into_iter());
        for (ty, value) in types.zip(&mut values) {
            each_handle(ty, value, &mut |ty, value| {
                let next = chunks.next();
                let next = next.ok_or_else(|| format_err!("a stream was lost on its way"))?;
                *value = ends.enter(&mut store, ty, next)?;
                Ok(())
            })?;
        }
        Ok(values)
    }
}

/// One function of a link.
#[derive(Debug)]
pub(super) struct Bridge {
    pub(super) signature: Signature,
    pub(super) function: Arc<dyn Answers>,
    /// Where it is and who calls it, for messages.
    pub(super) place: Arc<str>,
}

impl Bridge {
    /// Answers a call of a plain function with streams; the caller waits for its return.
    pub(super) fn answer<'a>(
        self: &Arc<Self>,
        mut store: StoreContextMut<'a, State>,
        values: Vec<Value>,
    ) -> Answer<'a> {
        let bridge = self.clone();
        Box::pin(async move {
            let errand = Errand::in_store(store.data());
            let begun = bridge.depart(&mut store, values, errand)?;
            let (result, fate) = bridge.call(begun).await?;
            bridge.arrive(store, result, &fate)
        })
    }

    /// Answers a call of an async function; the caller's other tasks go on.
    pub(super) fn answer_concurrent<'a>(
        self: &Arc<Self>,
        accessor: &'a Accessor<State>,
        values: Vec<Value>,
    ) -> Answer<'a> {
        let bridge = self.clone();
        Box::pin(async move {
            let begun = accessor.with(|mut access| {
                let errand = Errand::in_store(access.data_mut());
                bridge.depart(access, values, errand)
            })?;
            let (result, fate) = bridge.call(begun).await?;
            accessor.with(|access| bridge.arrive(access, result, &fate))
        })
    }

    fn depart(
        &self,
        mut store: impl AsContextMut<Data: 'static>,
        values: Vec<Value>,
        errand: Errand,
    ) -> Result<Begun> {
        let fate = Arc::new(Fate::default());
        let ends = Ends::new(&fate);
        let types = self.signature.parameters();
        let types = types.iter().map(|(_, ty)| ty);
        let arguments = Crossing::leave(&mut store, types, values, &ends)?;
        ends.watch(store)?;
        Ok(Begun {
            arguments,
            fate,
            errand,
        })
    }

    async fn call(&self, begun: Begun) -> Result<(Crossing, Arc<Fate>)> {
        let fate = begun.fate.clone();
        let result = self.function.clone().begin(begun).await;
        let result = result.with_context(|| self.place.clone())?;
        Ok((result, fate))
    }

    fn arrive(
        &self,
        mut store: impl AsContextMut<Data: 'static>,
        result: Crossing,
        fate: &Arc<Fate>,
    ) -> Result<Option<Value>> {
        let ends = Ends::new(fate);
        let types = self.signature.result().into_iter();
        let mut values = result.enter(&mut store, types, &ends)?;
        ends.watch(store)?;
        Ok(values.pop())
    }
}
