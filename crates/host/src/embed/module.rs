//! Core modules: functions of numbers and a memory of bytes, without types of anything else.
//!
//! What a component's canonical ABI does by itself is the caller's here: to find room in the guest's memory, to write there, to tell where
//! and how much, to read what comes back, to free it.

use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex as Turn;
use wasmtime::{
    Engine, Extern, ExternType, Instance, InstancePre, Linker, Memory, Module as WasmModule, Store,
    Val, ValType,
};
use wisp_wasi::{Embedded, State};

use super::component::Grants;
use super::failure::CallError;
use super::instance::{Limits, bounded, explain, late};
use super::output::LastWords;
use crate::error::HostError;

/// A number of a core module.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are WebAssembly's own words")]
pub enum Number {
    I32(i32),
    I64(i64),
    F32(f32),
    F64(f64),
}

/// The type of a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "they are WebAssembly's own words")]
pub enum NumberType {
    I32,
    I64,
    F32,
    F64,
}

/// An exported function of a core module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ModuleFunction {
    /// Its name.
    pub name: String,
    /// The types of its parameters.
    pub parameters: Vec<NumberType>,
    /// The types of its results.
    pub results: Vec<NumberType>,
}

/// A core module, compiled and linked.
#[derive(Clone)]
pub struct Module {
    pre: InstancePre<State>,
    engine: Engine,
    functions: Arc<[ModuleFunction]>,
    memories: Arc<[String]>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Module")
            .field("functions", &self.functions)
            .finish_non_exhaustive()
    }
}

fn number_type(ty: &ValType) -> Option<NumberType> {
    match ty {
        ValType::I32 => Some(NumberType::I32),
        ValType::I64 => Some(NumberType::I64),
        ValType::F32 => Some(NumberType::F32),
        ValType::F64 => Some(NumberType::F64),
        _ => None,
    }
}

impl Module {
    /// Compiles a module. It may not import anything.
    pub(super) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Self, HostError> {
        let module = WasmModule::new(engine, wasm)
            .map_err(|error| HostError::Compile(format!("{error:#}")))?;
        if let Some(import) = module.imports().next() {
            return Err(HostError::Link(format!(
                "the module imports `{}` of `{}`, and modules get nothing from the host",
                import.name(),
                import.module()
            )));
        }
        let pre = Linker::new(engine)
            .instantiate_pre(&module)
            .map_err(|error| HostError::Link(format!("{error:#}")))?;
        let mut functions = Vec::new();
        let mut memories = Vec::new();
        for export in module.exports() {
            match export.ty() {
                ExternType::Func(ty) => {
                    let parameters: Option<_> = ty.params().map(|ty| number_type(&ty)).collect();
                    let results: Option<_> = ty.results().map(|ty| number_type(&ty)).collect();
                    if let (Some(parameters), Some(results)) = (parameters, results) {
                        functions.push(ModuleFunction {
                            name: export.name().to_owned(),
                            parameters,
                            results,
                        });
                    }
                }
                ExternType::Memory(_) => memories.push(export.name().to_owned()),
                _ => {}
            }
        }
        Ok(Self {
            pre,
            engine: engine.clone(),
            functions: functions.into(),
            memories: memories.into(),
        })
    }

    /// Its exported functions of numbers, in their order.
    pub fn functions(&self) -> &[ModuleFunction] {
        &self.functions
    }

    /// The names of its exported memories.
    pub fn memories(&self) -> &[String] {
        &self.memories
    }

    /// Makes an instance. Must run inside the runtime.
    pub async fn instantiate(
        &self,
        limits: Limits,
        grants: Grants,
    ) -> Result<ModuleInstance, CallError> {
        let words = Arc::new(LastWords::new(grants.output));
        let embedded = Embedded {
            lines: words.clone(),
            environment: grants.environment,
            arguments: grants.arguments,
            memory: limits.memory,
            companion: Arc::new(()),
        };
        let mut store = State::embedded(&self.engine, embedded);
        let made = bounded(limits.timeout, self.pre.instantiate_async(&mut store)).await;
        let instance = match made {
            Some(Ok(instance)) => instance,
            Some(Err(error)) => return Err(explain(Some(&store), &limits, &words, &error)),
            None => return Err(late(&limits, &words)),
        };
        Ok(ModuleInstance(Arc::new(Inner {
            functions: self.functions.clone(),
            limits,
            words,
            live: Arc::new(Turn::new(Some((store, instance)))),
            ended: OnceLock::new(),
        })))
    }
}

/// An instance of a core module.
#[derive(Clone, Debug)]
pub struct ModuleInstance(Arc<Inner>);

/// What exists while the instance does.
type Live = (Store<State>, Instance);

struct Inner {
    functions: Arc<[ModuleFunction]>,
    limits: Limits,
    words: Arc<LastWords>,
    live: Arc<Turn<Option<Live>>>,
    ended: OnceLock<String>,
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
            match bounded(inner.limits.timeout, called).await {
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

    /// Bytes of a memory; refused when they are not all inside, or when a call is in progress.
    pub fn read(&self, memory: &str, offset: usize, length: usize) -> Result<Vec<u8>, MemoryError> {
        self.memory(memory, |store, memory| {
            let data = memory.data(store);
            let end = offset.checked_add(length);
            end.and_then(|end| data.get(offset..end))
                .map(<[u8]>::to_vec)
                .ok_or(MemoryError::Outside {
                    offset,
                    length,
                    size: data.len(),
                })
        })
    }

    /// Writes bytes into a memory; refused when they do not all fit, or when a call is in progress.
    pub fn write(&self, memory: &str, offset: usize, bytes: &[u8]) -> Result<(), MemoryError> {
        self.memory(memory, |store, memory| {
            let data = memory.data_mut(store);
            let (size, length) = (data.len(), bytes.len());
            let end = offset.checked_add(length);
            match end.and_then(|end| data.get_mut(offset..end)) {
                Some(room) => {
                    room.copy_from_slice(bytes);
                    Ok(())
                }
                None => Err(MemoryError::Outside {
                    offset,
                    length,
                    size,
                }),
            }
        })
    }

    /// Bytes of a memory.
    pub fn size(&self, memory: &str) -> Result<usize, MemoryError> {
        self.memory(memory, |store, memory| Ok(memory.data_size(store)))
    }

    fn memory<R>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Store<State>, Memory) -> Result<R, MemoryError>,
    ) -> Result<R, MemoryError> {
        let mut turn = self.0.live.try_lock().map_err(|_| MemoryError::Busy)?;
        let (store, instance) = turn.as_mut().ok_or(MemoryError::Closed)?;
        match instance.get_export(&mut *store, name) {
            Some(Extern::Memory(memory)) => work(store, memory),
            _ => Err(MemoryError::Missing(name.to_owned())),
        }
    }

    /// Ends the instance, unless a call is in progress. Closing twice is harmless.
    pub fn close(&self, reason: &str) {
        let _ = self.0.ended.set(reason.to_owned());
        if let Ok(mut live) = self.0.live.try_lock() {
            drop(live.take());
        }
    }

    /// Why it ended, if it did.
    pub fn ended(&self) -> Option<&str> {
        self.0.ended.get().map(String::as_str)
    }
}

/// Why bytes cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// Not all of them are inside.
    #[error("{length} bytes at {offset} are not inside the memory of {size} bytes")]
    Outside {
        /// The first of them.
        offset: usize,
        /// How many.
        length: usize,
        /// Bytes of the memory.
        size: usize,
    },
    /// There is no such memory.
    #[error("the module exports no memory `{0}`")]
    Missing(String),
    /// The guest runs.
    #[error("a call of this instance is in progress")]
    Busy,
    /// The instance is gone.
    #[error("the instance is closed")]
    Closed,
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
