//! Core modules: functions of numbers and a memory of bytes, without types of anything else.
//!
//! What a component's canonical ABI does by itself is the caller's here: to find room in the guest's memory, to write there, to tell where
//! and how much, to read what comes back, to free it. A module imports functions, which the embedder answers, memories, of which each
//! instance gets its own, and WASI preview 1.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::{
    Engine, ExternType, FuncType, Instance, Linker, Memory, MemoryType, Module as WasmModule,
    Store, ValType,
};
use wisp_wasi::{Captured, Embedded, State, exit_code};

use super::component::{Grants, ImportPlace, Imports};
use super::failure::CallError;
use super::instance::{Limits, bounded, explain, late};
use super::memory::Paused;
use super::module_instance::{ModuleInstance, answer};
use super::output::LastWords;
use crate::error::HostError;

/// The module that WASI preview 1 is imported from.
const PREVIEW1: &str = "wasi_snapshot_preview1";

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

/// A function that a core module imports or exports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ModuleFunction {
    /// Its name.
    pub name: String,
    /// The module that it is imported from; empty for an export.
    pub module: String,
    /// The types of its parameters.
    pub parameters: Vec<NumberType>,
    /// The types of its results.
    pub results: Vec<NumberType>,
}

impl ModuleFunction {
    /// `None` when it passes what is no number.
    fn of(module: &str, name: &str, ty: &FuncType) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            module: module.to_owned(),
            parameters: ty
                .params()
                .map(|ty| number_type(&ty))
                .collect::<Option<_>>()?,
            results: ty
                .results()
                .map(|ty| number_type(&ty))
                .collect::<Option<_>>()?,
        })
    }

    /// Whether it is WASI's.
    pub fn is_wasi(&self) -> bool {
        self.module == PREVIEW1
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

/// A compiled module that was not linked yet.
#[derive(Debug)]
pub struct CompiledModule {
    module: WasmModule,
    imports: Vec<ModuleFunction>,
    memories: Vec<(String, String, MemoryType)>,
}

impl CompiledModule {
    pub(super) fn new(engine: &Engine, wasm: &[u8]) -> Result<Self, HostError> {
        let module = WasmModule::new(engine, wasm)
            .map_err(|error| HostError::Compile(format!("{error:#}")))?;
        let (mut imports, mut memories) = (Vec::new(), Vec::new());
        for import in module.imports() {
            let what = match import.ty() {
                ExternType::Func(ty) => {
                    let function = ModuleFunction::of(import.module(), import.name(), &ty);
                    if let Some(function) = function {
                        imports.push(function);
                        continue;
                    }
                    "a function that passes more than numbers"
                }
                ExternType::Memory(ty) if !ty.is_shared() => {
                    memories.push((import.module().to_owned(), import.name().to_owned(), ty));
                    continue;
                }
                ExternType::Memory(_) => "a shared memory",
                ExternType::Table(_) => "a table",
                ExternType::Global(_) => "a global",
                ExternType::Tag(_) => "a tag",
            };
            return Err(HostError::Link(format!(
                "the module imports `{}` of `{}`, {what}, and gets only functions and memories from the host",
                import.name(),
                import.module()
            )));
        }
        Ok(Self {
            module,
            imports,
            memories,
        })
    }

    /// The functions that it imports, WASI's too.
    pub fn imports(&self) -> &[ModuleFunction] {
        &self.imports
    }

    /// Links it: `given` are the places of the imports that the embedder answers, each by its place.
    pub fn link(self, given: &[usize], imports: &Arc<dyn Imports>) -> Result<Module, HostError> {
        let failed = |error: wasmtime::Error| HostError::Link(format!("{error:#}"));
        let engine = self.module.engine();
        let mut linker = Linker::new(engine);
        if self.imports.iter().any(ModuleFunction::is_wasi) {
            wisp_wasi::add_preview1(&mut linker).map_err(failed)?;
        }
        linker.allow_shadowing(true);
        for place in given {
            if let Some(import) = self.imports.get(*place) {
                define(&mut linker, engine, import, (*place, imports)).map_err(failed)?;
            }
        }
        let (functions, mut memories) = exports(&self.module);
        let exported = memories.len();
        memories.extend(self.memories.iter().map(|(_, name, _)| name.clone()));
        Ok(Module(Arc::new(Linked {
            engine: engine.clone(),
            module: self.module,
            linker,
            imported: self.memories,
            functions: functions.into(),
            memories: memories.into(),
            exported,
        })))
    }
}

fn exports(module: &WasmModule) -> (Vec<ModuleFunction>, Vec<String>) {
    let (mut functions, mut memories) = (Vec::new(), Vec::new());
    for export in module.exports() {
        match export.ty() {
            ExternType::Func(ty) => functions.extend(ModuleFunction::of("", export.name(), &ty)),
            ExternType::Memory(_) => memories.push(export.name().to_owned()),
            _ => {}
        }
    }
    (functions, memories)
}

fn define(
    linker: &mut Linker<State>,
    engine: &Engine,
    import: &ModuleFunction,
    (place, imports): (usize, &Arc<dyn Imports>),
) -> wasmtime::Result<()> {
    let types = |types: &[NumberType]| -> Vec<ValType> {
        let ty = |ty: &NumberType| match ty {
            NumberType::I32 => ValType::I32,
            NumberType::I64 => ValType::I64,
            NumberType::F32 => ValType::F32,
            NumberType::F64 => ValType::F64,
        };
        types.iter().map(ty).collect()
    };
    let ty = FuncType::new(engine, types(&import.parameters), types(&import.results));
    let imports = imports.clone();
    let place = ImportPlace {
        interface: 0,
        function: place,
    };
    linker.func_new_async(
        &import.module,
        &import.name,
        ty,
        move |caller, given, results| Box::new(answer(caller, &*imports, place, given, results)),
    )?;
    Ok(())
}

/// A core module, compiled and linked.
#[derive(Clone)]
pub struct Module(Arc<Linked>);

struct Linked {
    engine: Engine,
    module: WasmModule,
    linker: Linker<State>,
    imported: Vec<(String, String, MemoryType)>,
    functions: Arc<[ModuleFunction]>,
    memories: Arc<[String]>,
    /// How many of the memories are exports; the others are imports.
    exported: usize,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Module")
            .field("functions", &self.0.functions)
            .finish_non_exhaustive()
    }
}

/// What a module's program reads, and where what it writes goes.
#[derive(Debug, Default)]
pub struct Streams {
    /// Its standard input.
    pub input: Bytes,
    /// Whether its output is kept, and not passed on.
    pub captured: bool,
}

/// How a program ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// Its exit code.
    pub code: i32,
    /// What it wrote, when that was captured.
    pub stdout: Bytes,
    /// What it wrote to its standard error, when that was captured.
    pub stderr: Bytes,
}

impl Module {
    /// Its exported functions of numbers, in their order.
    pub fn functions(&self) -> &[ModuleFunction] {
        &self.0.functions
    }

    /// The names of its memories: those that it exports, then those that it imports.
    pub fn memories(&self) -> &[String] {
        &self.0.memories
    }

    /// Makes an instance. Must run inside the runtime.
    pub async fn instantiate(
        &self,
        limits: Limits,
        grants: Grants,
        input: Bytes,
    ) -> Result<ModuleInstance, CallError> {
        let words = Arc::new(LastWords::new(grants.output));
        let mut store = self.store(&limits, grants, &words, (input, None));
        let made = bounded(limits.timeout, self.begin(&mut store)).await;
        let instance = match made {
            Some(Ok(instance)) => instance,
            Some(Err(error)) => return Err(explain(Some(&store), &limits, &words, &error)),
            None => return Err(late(&limits, &words)),
        };
        let paused = Paused::of(store.data().companion())
            .map_err(|error| explain(Some(&store), &limits, &words, &error))?;
        let functions = self.0.functions.clone();
        let live = (store, instance);
        Ok(ModuleInstance::new(functions, limits, words, paused, live))
    }

    /// Runs a program of WASI preview 1 to its end. Must run inside the runtime.
    pub async fn run(
        &self,
        limits: Limits,
        grants: Grants,
        streams: Streams,
    ) -> Result<Finished, CallError> {
        let words = Arc::new(LastWords::new(grants.output));
        let captured = streams.captured.then(Captured::new);
        let mut store = self.store(&limits, grants, &words, (streams.input, captured.clone()));
        let ended = bounded(limits.timeout, self.start(&mut store)).await;
        let contents = captured.map(|captured| captured.contents());
        if let Some((_, stderr)) = &contents {
            words.said(stderr);
        }
        let code = match ended {
            Some(Ok(())) => 0,
            Some(Err(error)) => {
                exit_code(&error).ok_or_else(|| explain(Some(&store), &limits, &words, &error))?
            }
            None => return Err(late(&limits, &words)),
        };
        let (stdout, stderr) = contents.unwrap_or_default();
        Ok(Finished {
            code,
            stdout,
            stderr,
        })
    }

    async fn start(&self, store: &mut Store<State>) -> wasmtime::Result<()> {
        let instance = self.begin(store).await?;
        let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
        start.call_async(store, ()).await
    }

    fn store(
        &self,
        limits: &Limits,
        grants: Grants,
        words: &Arc<LastWords>,
        (input, captured): (Bytes, Option<Captured>),
    ) -> Store<State> {
        let embedded = Embedded {
            lines: words.clone(),
            environment: grants.environment,
            arguments: grants.arguments,
            memory: limits.memory,
            companion: Arc::new(Paused::default()),
        };
        State::preview1(&self.0.engine, embedded, input, captured)
    }

    async fn begin(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        let this = &*self.0;
        let mut imported = Vec::new();
        let instance = if this.imported.is_empty() {
            this.linker
                .instantiate_async(&mut *store, &this.module)
                .await?
        } else {
            let mut linker = this.linker.clone();
            for (module, name, ty) in &this.imported {
                let memory = Memory::new_async(&mut *store, ty.clone()).await?;
                linker.define(&mut *store, module, name, memory)?;
                imported.push((name.clone(), memory));
            }
            linker.instantiate_async(&mut *store, &this.module).await?
        };
        let exported = this.memories.iter().take(this.exported);
        let mut memories: Vec<_> = exported
            .filter_map(|name| Some((name.clone(), instance.get_memory(&mut *store, name)?)))
            .collect();
        memories.extend(imported);
        Paused::of(store.data().companion())?.begin(memories);
        if let Ok(begin) = instance.get_typed_func::<(), ()>(&mut *store, "_initialize") {
            begin.call_async(&mut *store, ()).await?;
        }
        Ok(instance)
    }
}
