//! Functions of the host that answer a component's imports.

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::component::{Accessor, LinkerInstance};
use wasmtime::{Result, StoreContextMut, format_err};

use super::abi::{Answered, Received, with_count};
use super::signature::MOST_FLAT;
use super::{Signature, Value};

/// The result of a host function, at some time; an error is a trap of the guest that called.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Option<Value>>> + Send + 'a>>;

/// A handler without its own type: what follows is made for each number of core values, and must not be made for each
/// handler too.
enum Handler<T: 'static> {
    Plain(Box<Plain<T>>),
    Concurrent(Box<Concurrent<T>>),
}

type Plain<T> = dyn for<'a> Fn(StoreContextMut<'a, T>, Vec<Value>) -> Answer<'a> + Send + Sync;
type Concurrent<T> = dyn for<'a> Fn(&'a Accessor<T>, Vec<Value>) -> Answer<'a> + Send + Sync;

/// The result, if it fits the signature: a wrong one is a fault of the host and traps with a message that says where.
fn answered<const N: usize>(signature: &Signature, result: Option<Value>) -> Result<Answered<N>> {
    signature.check_result(result.as_ref())?;
    Ok(Answered(result))
}

/// Answers the import `name` of the instance `linker`, of a function that WIT does not call `async`.
///
/// `handler` gets as many arguments as the signature has, each of its type. The guest waits until the future has ended;
/// others in other stores go on. Refused when the signature is that of an `async func`.
pub fn define<T, H>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    signature: &Signature,
    handler: H,
) -> Result<()>
where
    T: Send + 'static,
    H: for<'a> Fn(StoreContextMut<'a, T>, Vec<Value>) -> Answer<'a> + Send + Sync + 'static,
{
    if signature.asynchronous() {
        return Err(format_err!(
            "{name} is an async func: define it as concurrent"
        ));
    }
    define_any(linker, name, signature, Handler::Plain(Box::new(handler)))
}

/// Answers an import that WIT calls `async func`: other tasks of the same store go on while the future is pending.
///
/// Needs an engine with component-model-async. Refused when the signature is not that of an `async func`.
pub fn define_concurrent<T, H>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    signature: &Signature,
    handler: H,
) -> Result<()>
where
    T: Send + 'static,
    H: for<'a> Fn(&'a Accessor<T>, Vec<Value>) -> Answer<'a> + Send + Sync + 'static,
{
    if !signature.asynchronous() {
        return Err(format_err!(
            "{name} is not an async func: define it as a plain one"
        ));
    }
    let handler = Handler::Concurrent(Box::new(handler));
    define_any(linker, name, signature, handler)
}

fn define_any<T: Send + 'static>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    signature: &Signature,
    handler: Handler<T>,
) -> Result<()> {
    let signature = Arc::new(signature.clone());
    with_count!(signature.flat_parameters().unwrap_or(MOST_FLAT), PARAMETERS => {
        if signature.flat_result(1) == Some(0) {
            wrap::<T, PARAMETERS, 0>(linker, name, signature, handler)
        } else {
            wrap::<T, PARAMETERS, 1>(linker, name, signature, handler)
        }
    })
}

fn wrap<T, const PARAMETERS: usize, const RESULTS: usize>(
    linker: &mut LinkerInstance<'_, T>,
    name: &str,
    signature: Arc<Signature>,
    handler: Handler<T>,
) -> Result<()>
where
    T: Send + 'static,
{
    match handler {
        Handler::Plain(handler) => {
            linker.func_wrap_async(name, move |store, received: Received<PARAMETERS>| {
                let answer = handler(store, received.0);
                let signature = signature.clone();
                Box::new(async move { answered::<RESULTS>(&signature, answer.await?) })
            })
        }
        Handler::Concurrent(handler) => {
            linker.func_wrap_concurrent(name, move |accessor, received: Received<PARAMETERS>| {
                let answer = handler(accessor, received.0);
                let signature = signature.clone();
                Box::pin(async move { answered::<RESULTS>(&signature, answer.await?) })
            })
        }
    }
}
