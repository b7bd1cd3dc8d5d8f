//! Components inside somebody's program: loaded, instantiated, their exports called and their imports answered.
//!
//! [`Embedding`] holds the threads and the engines; [`Component`] is loaded and linked once; an [`Instance`] is made of it and
//! called. What a guest may use is what [`Grants`] and [`Limits`] say, and nothing of this process besides clocks, random numbers and its
//! own output. All calls are futures that belong to nobody's thread: the caller may poll one itself for as long as it is quick, and
//! give it to the runtime when it is not.

mod component;
mod concurrent;
mod failure;
mod instance;
mod memory;
mod module;
mod module_instance;
mod objects;
mod output;
mod passage;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use wasmtime::Engine;
use wasmtime::component::Linker;
use wisp_wasi::State;

pub use crate::handlers::replaced as trap_handlers_replaced;
pub use component::{Answer, Component, Grants, ImportPlace, Imports};
pub use concurrent::Driver;
pub use failure::{CallError, Thrown};
pub use instance::{Born, Instance, Limits};
pub use memory::MemoryError;
pub use module::{CompiledModule, Finished, Module, ModuleFunction, Number, NumberType, Streams};
pub use module_instance::ModuleInstance;
pub use passage::Passage;
pub use wasmtime::component::ResourceAny;
pub use world::{
    Function, Interface, Named, Primitive, Role, TypeDefinition, TypeIndex, TypeKind, TypeUse,
    World,
};

use crate::engine::{RunningEngine, Strategy};
pub use crate::value::{Chunks, Closed, Fate, Feed, Given, Numbers, Value, channel};

use crate::error::HostError;
use crate::locked::{Artifact, Profile};

/// How often a guest that computes can be stopped; also the longest time for which it can hold the thread of an event loop.
const TICK: Duration = Duration::from_millis(1);
/// Guests that wait take no thread; those that compute take one each.
const MOST_THREADS: usize = 16;

/// By how much the threads of guests are nicer than the program's own (decision 008).
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// Lets the program's event loop have the processor before guests that compute. Linux has a priority for each thread, others have not.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Ok(priority) = rustix::process::getpriority_process(None) {
        // Where this is not allowed, guests and the loop share as before.
        let _ = rustix::process::setpriority_process(None, priority.saturating_add(NICER).min(19));
    }
}

/// An engine and what its guests may import from the host itself.
struct Ground {
    running: RunningEngine,
    linker: Linker<State>,
}

/// Threads and engines for guests in this process.
pub struct Embedding {
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    grounds: Mutex<BTreeMap<Profile, Arc<Ground>>>,
    /// The engine of core modules, which compiles them itself: they are small, and have no cache.
    modules: Mutex<Option<Engine>>,
}

impl std::fmt::Debug for Embedding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Embedding")
    }
}

impl Embedding {
    /// Starts the threads. Engines are made when a component needs them.
    pub fn new() -> Result<Self, HostError> {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(processors.clamp(2, MOST_THREADS))
            .thread_name("wisp-guest")
            .on_thread_start(step_back)
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            grounds: Mutex::default(),
            modules: Mutex::default(),
        })
    }

    /// Where calls run that are not quick.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Forgets the threads without telling them to end: in a forked child they do not exist.
    pub fn abandon(&self) {
        std::mem::forget(self.take());
    }

    fn take(&self) -> Option<Runtime> {
        self.runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Maps a component's artifact and links it; `given` are the places in [`World::imports`] that `imports` answers.
    pub fn load(
        &self,
        digest: &str,
        artifact: &Artifact,
        strategy: Strategy,
        world: World,
        imports: (&[usize], &Arc<dyn Imports>),
    ) -> Result<Component, HostError> {
        let ground = self.ground(artifact.profile, strategy)?;
        let loaded = ground.running.load(digest, artifact)?;
        let linker = ground.linker.clone();
        Component::link(loaded, linker, world, imports.0, imports.1)
    }

    /// Compiles a core module.
    pub fn compile_module(&self, wasm: &[u8]) -> Result<CompiledModule, HostError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = match &*modules {
            Some(engine) => engine.clone(),
            None => RunningEngine::compiling(TICK)?,
        };
        *modules = Some(engine.clone());
        drop(modules);
        CompiledModule::new(&engine, wasm)
    }

    fn ground(&self, profile: Profile, strategy: Strategy) -> Result<Arc<Ground>, HostError> {
        let mut grounds = self.grounds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = grounds.get(&profile) {
            return Ok(found.clone());
        }
        let running = RunningEngine::ticking(profile, strategy, TICK)?;
        let linker = wisp_wasi::linker(&running.engine, profile == Profile::Async)
            .map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let ground = Arc::new(Ground { running, linker });
        grounds.insert(profile, ground.clone());
        Ok(ground)
    }
}

impl Drop for Embedding {
    fn drop(&mut self) {
        // The last reference may go away on a thread of an event loop, which must not wait.
        if let Some(runtime) = self.take() {
            runtime.shutdown_background();
        }
    }
}
