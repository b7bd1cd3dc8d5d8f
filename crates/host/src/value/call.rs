//! Calls of a component's exports.

use wasmtime::component::{AsAccessor, Func, TypedFunc};
use wasmtime::{AsContext, AsContextMut, Result, bail};

use super::abi::{Arguments, Outcome, outcome_count, with_count};
use super::{Signature, Value};

/// The arguments, if they fit the signature.
fn arguments(signature: &Signature, values: Vec<Value>) -> Result<Arguments> {
    signature.check_arguments(&values)?;
    let asynchronous = signature.asynchronous() && signature.flat_result(1).is_none();
    Ok(Arguments {
        values,
        asynchronous,
    })
}

fn typed<const N: usize>(
    store: impl AsContext,
    function: &Func,
) -> Result<TypedFunc<Arguments, Outcome<N>>> {
    function.typed(store)
}

/// Calls an export, on a store of an engine with or without concurrency support.
///
/// `signature` is that of `function`. An argument that does not fit is a [`Mismatch`](super::Mismatch), found before the
/// guest is entered. Any other error is a trap, or a result that the canonical ABI does not allow; the instance can
/// not be used after it. Dropping the future stops the guest, and the store is not to be used after that either.
pub async fn call<T: Send + 'static>(
    mut store: impl AsContextMut<Data = T>,
    function: &Func,
    signature: &Signature,
    values: Vec<Value>,
) -> Result<Option<Value>> {
    let arguments = arguments(signature, values)?;
    with_count!(outcome_count(signature), COUNT => {
        let typed = typed::<COUNT>(&store, function)?;
        typed.call_async(&mut store, arguments).await.map(|outcome| outcome.0)
    })
}

/// The same for a store that needs no asynchronous host function: the guest runs on the caller's stack, and the call
/// costs less. An `async func` cannot be called so.
pub fn call_blocking(
    mut store: impl AsContextMut,
    function: &Func,
    signature: &Signature,
    values: Vec<Value>,
) -> Result<Option<Value>> {
    if signature.asynchronous() {
        bail!("an async func cannot be called without waiting");
    }
    let arguments = arguments(signature, values)?;
    if outcome_count(signature) == 0 {
        let typed = typed::<0>(&store, function)?;
        typed.call(&mut store, arguments).map(|outcome| outcome.0)
    } else {
        let typed = typed::<1>(&store, function)?;
        typed.call(&mut store, arguments).map(|outcome| outcome.0)
    }
}

/// The same inside of [`run_concurrent`](wasmtime::Store::run_concurrent), where several calls may be in progress in one
/// store, and streams and futures of the result are read.
pub async fn call_concurrent<T: Send + 'static>(
    accessor: impl AsAccessor<Data = T>,
    function: &Func,
    signature: &Signature,
    values: Vec<Value>,
) -> Result<Option<Value>> {
    let arguments = arguments(signature, values)?;
    with_count!(outcome_count(signature), COUNT => {
        let accessor = accessor.as_accessor();
        let typed = accessor.with(|access| typed::<COUNT>(access, function))?;
        typed.call_concurrent(accessor, arguments).await.map(|outcome| outcome.0)
    })
}
