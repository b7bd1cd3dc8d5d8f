//! Instances of core modules, calls into them and out of them.

use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex as Turn, Notify};
use wasmtime::{Caller, Instance, Store, Val};
use wisp_wasi::State;

use super::component::{Answer, ImportPlace, Imports};
use super::failure::CallError;
use super::instance::{Limits, bounded, explain, late};
use super::memory::{Access, MemoryError, Paused, part};
use super::module::{ModuleFunction, Number};
use super::output::LastWords;
use crate::value::Value;

/// An instance of a core module.
#[derive(Clone, Debug)]
pub struct ModuleInstance(Arc<Inner>);

/// What exists while the instance does.
type Live = (Store<State>, Instance);

struct Inner {
    functions: Arc<[ModuleFunction]>,
    limits: Limits,
    words: Arc<LastWords>,
    paused: Arc<Paused>,
    live: Arc<Turn<Option<Live>>>,
    ended: OnceLock<String>,
    /// Told when somebody ends it.
    closing: Notify,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Inner")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl ModuleInstance {
    pub(super) fn new(
        functions: Arc<[ModuleFunction]>,
        limits: Limits,
        words: Arc<LastWords>,
        paused: Arc<Paused>,
        live: Live,
    ) -> Self {
        Self(Arc::new(Inner {
            functions,
            limits,
            words,
            paused,
            live: Arc::new(Turn::new(Some(live))),
            ended: OnceLock::new(),
            closing: Notify::new(),
        }))
    }

    /// Calls a function, by its place among the exported ones, with as many numbers as it takes.
    pub fn call(
        &self,
        place: usize,
        numbers: Vec<Number>,
    ) -> impl Future<Output = Result<Vec<Number>, CallError>> + Send + 'static {
        let inner = self.0.clone();
        async move {
            let mut turn = inner.live.clone().lock_owned().await;
            let Some((mut store, instance)) = turn.take() else {
                return Err(inner.closed());
            };
            let called = inner.run(&mut store, instance, place, numbers);
            let ended = tokio::select! {
                biased;
                ended = bounded(inner.limits.timeout, called) => ended,
                () = inner.until_closed() => return Err(inner.closed()),
            };
            match ended {
                Some(Ok(results)) => {
                    *turn = Some((store, instance));
                    Ok(results)
                }
                Some(Err(error)) => {
                    let failure = explain(Some(&store), &inner.limits, &inner.words, &error);
                    Err(inner.ended_by(failure))
                }
                None => Err(inner.ended_by(late(&inner.limits, &inner.words))),
            }
        }
    }

    /// Bytes of a memory; refused when they are not all inside, or while the guest runs.
    pub fn read(&self, memory: &str, offset: usize, length: usize) -> Result<Vec<u8>, MemoryError> {
        let mut bytes = Vec::new();
        self.access(memory, &mut |data| {
            bytes = part(data, offset, length)?.to_vec();
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Writes bytes into a memory; refused when they do not all fit, or while the guest runs.
    pub fn write(&self, memory: &str, offset: usize, bytes: &[u8]) -> Result<(), MemoryError> {
        self.access(memory, &mut |data| {
            part(data, offset, bytes.len())?.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// Bytes of a memory.
    pub fn size(&self, memory: &str) -> Result<usize, MemoryError> {
        let mut size = 0;
        self.access(memory, &mut |data| {
            size = data.len();
            Ok(())
        })?;
        Ok(size)
    }

    fn access(&self, name: &str, access: Access<'_>) -> Result<(), MemoryError> {
        let memory = self.0.paused.memory(name)?;
        if let Some(done) = self.0.paused.access(name, access) {
            return done;
        }
        let mut turn = self.0.live.try_lock().map_err(|_| MemoryError::Busy)?;
        let (store, _) = turn.as_mut().ok_or(MemoryError::Closed)?;
        access(memory.data_mut(store))
    }

    /// Ends the instance; a call that is in progress ends with it. Closing twice is harmless.
    pub fn close(&self, reason: &str) {
        let _ = self.0.ended.set(reason.to_owned());
        self.0.closing.notify_waiters();
        let live = self.0.live.try_lock().ok().and_then(|mut live| live.take());
        drop(live);
    }

    /// Why it ended, if it did.
    pub fn ended(&self) -> Option<&str> {
        self.0.ended.get().map(String::as_str)
    }

    /// The end of what the guest wrote to its standard error.
    pub fn stderr(&self) -> String {
        self.0.words.stderr()
    }
}

impl Inner {
    async fn run(
        &self,
        store: &mut Store<State>,
        instance: Instance,
        place: usize,
        numbers: Vec<Number>,
    ) -> wasmtime::Result<Vec<Number>> {
        let unknown = || wasmtime::Error::msg("there is no such function");
        let plan = self.functions.get(place).ok_or_else(unknown)?;
        let function = instance
            .get_func(&mut *store, &plan.name)
            .ok_or_else(unknown)?;
        let arguments: Vec<Val> = numbers.into_iter().map(to_val).collect();
        let mut results = vec![Val::I32(0); plan.results.len()];
        function
            .call_async(&mut *store, &arguments, &mut results)
            .await?;
        Ok(results.iter().filter_map(of_val).collect())
    }

    async fn until_closed(&self) {
        let closing = self.closing.notified();
        let mut closing = std::pin::pin!(closing);
        closing.as_mut().enable();
        if self.ended.get().is_none() {
            closing.await;
        }
    }

    fn closed(&self) -> CallError {
        let reason = self
            .ended
            .get()
            .map_or("a call was cancelled", String::as_str);
        CallError::Closed {
            reason: reason.to_owned(),
        }
    }

    fn ended_by(&self, failure: CallError) -> CallError {
        let _ = self
            .ended
            .set(format!("an earlier call ended it: {failure}"));
        failure
    }
}

/// Lets the embedder answer an import. Until it has, it may read and write the guest's memories.
pub(super) fn answer<'a>(
    mut caller: Caller<'a, State>,
    imports: &dyn Imports,
    place: ImportPlace,
    given: &[Val],
    results: &'a mut [Val],
) -> impl Future<Output = wasmtime::Result<()>> + Send + use<'a> {
    let arguments = given.iter().filter_map(of_val).map(value).collect();
    let answer: Answer = imports.call(place, arguments);
    async move {
        let paused = Paused::of(caller.data().companion())?;
        let lent = paused.lend(&mut caller);
        let answered = answer.await;
        drop(lent);
        let values = match answered? {
            Some(Value::Tuple(values)) => values,
            value => value.into_iter().collect(),
        };
        for (slot, value) in results.iter_mut().zip(values) {
            *slot = number(&value)
                .map(to_val)
                .ok_or_else(|| wasmtime::Error::msg("the host answered with what is no number"))?;
        }
        Ok(())
    }
}

/// Integers of a module have no sign; ours do.
fn value(number: Number) -> Value {
    match number {
        Number::I32(value) => Value::S32(value),
        Number::I64(value) => Value::S64(value),
        Number::F32(value) => Value::F32(value),
        Number::F64(value) => Value::F64(value),
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::S32(value) => Some(Number::I32(*value)),
        Value::S64(value) => Some(Number::I64(*value)),
        Value::F32(value) => Some(Number::F32(*value)),
        Value::F64(value) => Some(Number::F64(*value)),
        _ => None,
    }
}

fn to_val(number: Number) -> Val {
    match number {
        Number::I32(value) => Val::I32(value),
        Number::I64(value) => Val::I64(value),
        Number::F32(value) => Val::F32(value.to_bits()),
        Number::F64(value) => Val::F64(value.to_bits()),
    }
}

fn of_val(val: &Val) -> Option<Number> {
    match val {
        Val::I32(value) => Some(Number::I32(*value)),
        Val::I64(value) => Some(Number::I64(*value)),
        Val::F32(bits) => Some(Number::F32(f32::from_bits(*bits))),
        Val::F64(bits) => Some(Number::F64(f64::from_bits(*bits))),
        _ => None,
    }
}
