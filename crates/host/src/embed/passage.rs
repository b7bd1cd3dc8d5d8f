//! Streams and futures between a guest and the embedder: in a store they are handles, outside they are [`Chunks`].

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::{AsContextMut, Result, format_err};

use crate::value::{self, Chunks, Ends, Given, Signature, Type, Value};

/// A stream or a future that is in no store.
#[derive(Debug)]
pub struct Passage(Mutex<Option<Chunks>>);

impl Passage {
    /// As a value of a call.
    pub fn give(chunks: Chunks) -> Value {
        Value::Given(Given {
            object: Arc::new(Self(Mutex::new(Some(chunks)))),
            ty: 0,
            owned: true,
        })
    }

    /// What a value of a call carries; once.
    pub fn take(given: &Given) -> Option<Chunks> {
        let passage = given.object.downcast_ref::<Self>()?;
        passage
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Whether a function passes any.
pub(super) fn passes(signature: &Signature) -> bool {
    let found = |ty: &Type| matches!(ty, Type::Stream(_) | Type::Future(_));
    signature.types().any(|ty| ty.find(&found).is_some())
}

/// Takes streams and futures out of a store.
pub(super) fn leave<'a>(
    mut store: impl AsContextMut<Data: 'static>,
    types: impl Iterator<Item = &'a Type>,
    values: &mut [Value],
    ends: &Arc<Ends>,
) -> Result<()> {
    for (ty, value) in types.zip(values) {
        value::each_handle(ty, value, &mut |ty, handle| {
            let inside = std::mem::replace(handle, Value::Bool(false));
            *handle = Passage::give(ends.leave(&mut store, ty, inside)?);
            Ok(())
        })?;
    }
    Ok(())
}

/// Puts them into one.
pub(super) fn enter<'a>(
    mut store: impl AsContextMut<Data: 'static>,
    types: impl Iterator<Item = &'a Type>,
    values: &mut [Value],
    ends: &Arc<Ends>,
) -> Result<()> {
    for (ty, value) in types.zip(values) {
        value::each_handle(ty, value, &mut |ty, outside| {
            let Value::Given(given) = &*outside else {
                return Ok(());
            };
            let chunks = Passage::take(given)
                .ok_or_else(|| format_err!("a `{ty}` was given to a guest before"))?;
            *outside = ends.enter(&mut store, ty, chunks)?;
            Ok(())
        })?;
    }
    Ok(())
}
