//! The same guests in Wasmtime as it comes: pooled instances, nothing around a call.

use std::sync::Mutex;

use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Instance, InstancePre, Lift, Linker, Lower,
    TypedFunc,
};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use super::guests::{HANDLER, NUMBERS};

/// What a job is told.
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Tick {
    schedule: String,
    timezone: String,
    planned: u64,
    id: String,
}

impl Tick {
    pub(crate) fn new() -> Self {
        Self {
            schedule: "* * * * *".into(),
            timezone: "UTC".into(),
            planned: 1_700_000_000,
            id: "0123456789abcdef0123456789abcdef".into(),
        }
    }
}

type Handler<'a> = TypedFunc<(&'a Tick,), (Result<(), String>,)>;

/// An engine that does not wait, with a pool.
pub(crate) fn engine() -> Engine {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(16)
        .total_core_instances(64)
        .total_memories(16)
        .total_tables(32)
        .max_tables_per_module(2);
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

/// A function that a component exports.
pub(crate) fn function<P, R>(
    store: &mut Store<()>,
    instance: &Instance,
    (interface, name): (&str, &str),
) -> TypedFunc<P, R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let (_, interface) = instance.get_export(&mut *store, None, interface).unwrap();
    let (_, index) = instance
        .get_export(&mut *store, Some(&interface), name)
        .unwrap();
    instance.get_typed_func(store, index).unwrap()
}

/// A job that is linked and ready to be instantiated.
pub(crate) struct Job {
    engine: Engine,
    pre: InstancePre<()>,
}

impl Job {
    pub(crate) fn new(wasm: &[u8]) -> Self {
        let engine = engine();
        let linker = Linker::new(&engine);
        Self::linked(engine, &linker, wasm)
    }

    /// A job whose library is an instance of its own, which the host calls for it.
    pub(crate) fn calling(wasm: &[u8], library: &[u8]) -> Self {
        let engine = engine();
        let mut linker = Linker::new(&engine);
        let library = Component::new(&engine, library).unwrap();
        let mut store = Store::new(&engine, ());
        let callee = Linker::new(&engine)
            .instantiate(&mut store, &library)
            .unwrap();
        let add = function::<(u32, u32), (u32,)>(&mut store, &callee, (NUMBERS, "add"));
        let text = function::<(String,), (String,)>(&mut store, &callee, (NUMBERS, "text"));
        let adding = std::sync::Arc::new(Mutex::new(store));
        let texting = adding.clone();
        let mut numbers = linker.instance(NUMBERS).unwrap();
        numbers
            .func_wrap("add", move |_, pair: (u32, u32)| {
                add.call(&mut *adding.lock().unwrap(), pair)
            })
            .unwrap();
        numbers
            .func_wrap("text", move |_, given: (String,)| {
                text.call(&mut *texting.lock().unwrap(), given)
            })
            .unwrap();
        Self::linked(engine, &linker, wasm)
    }

    fn linked(engine: Engine, linker: &Linker<()>, wasm: &[u8]) -> Self {
        let component = Component::new(&engine, wasm).unwrap();
        let pre = linker.instantiate_pre(&component).unwrap();
        Self { engine, pre }
    }

    /// Makes an instance.
    pub(crate) fn instance(&self) -> Running {
        let mut store = Store::new(&self.engine, ());
        let instance = self.pre.instantiate(&mut store).unwrap();
        let handler = function(&mut store, &instance, (HANDLER, "run"));
        Running { store, handler }
    }
}

/// An instance of a job.
pub(crate) struct Running {
    store: Store<()>,
    handler: Handler<'static>,
}

/// What every run is told, for as long as the bench lives.
static TICK: std::sync::LazyLock<Tick> = std::sync::LazyLock::new(Tick::new);

impl Running {
    /// Runs it once.
    pub(crate) fn run(&mut self) {
        let (ran,) = self.handler.call(&mut self.store, (&TICK,)).unwrap();
        ran.unwrap();
    }
}
