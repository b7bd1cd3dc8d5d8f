//! What bare Wasmtime takes for the calls that `benches/run.py` measures: a host that knows the types when it is compiled
//! (`typed`), and one that passes dynamic values (`dynamic`). `benches/run.py --only calls` starts it.
//!
//! The one argument is the component of `benches/guests/rust/processor`. Each line on standard input is the name of a measurement and
//! a number of calls, `typed-record 100`; the answer is the nanoseconds that they took.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what helps a bench may fail, and says what it found"
)]

use std::io::BufRead;
use std::time::{Duration, Instant};

use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Func, Instance, Lift, Linker, Lower,
    ResourceTable, Val,
};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

const INTERFACE: &str = "bench:calls/numbers@0.1.0";
const TEXT: &str = "sixteen bytes ok";
const MEBIBYTE: usize = 1 << 20;

/// A record as Rust has it, with its type known to the compiler.
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct Packet {
    id: String,
    payload: String,
    level: u32,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// One instance, called by a host that does not wait: the least that Wasmtime needs for a call.
struct Bare {
    store: Store<State>,
    instance: Instance,
}

impl Bare {
    fn new(wasm: &[u8]) -> Self {
        let engine = Engine::new(Config::new().concurrency_support(false)).unwrap();
        let component = Component::new(&engine, wasm).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&engine, state);
        let instance = linker.instantiate(&mut store, &component).unwrap();
        Self { store, instance }
    }

    fn function(&mut self, name: &str) -> Func {
        let store = &mut self.store;
        let (_, interface) = self
            .instance
            .get_export(&mut *store, None, INTERFACE)
            .unwrap();
        let (_, index) = self
            .instance
            .get_export(&mut *store, Some(&interface), name)
            .unwrap();
        self.instance.get_func(store, index).unwrap()
    }

    fn typed<P, R>(&mut self, name: &str, count: u32, arguments: &P) -> Duration
    where
        P: ComponentNamedList + Lower + Clone,
        R: ComponentNamedList + Lift,
    {
        let function = self.function(name).typed::<P, R>(&self.store).unwrap();
        let began = Instant::now();
        for _ in 0..count {
            function.call(&mut self.store, arguments.clone()).unwrap();
        }
        began.elapsed()
    }

    fn dynamic(&mut self, name: &str, count: u32, arguments: &[Val]) -> Duration {
        let function = self.function(name);
        let mut results = [Val::Bool(false)];
        let began = Instant::now();
        for _ in 0..count {
            function
                .call(&mut self.store, arguments, &mut results)
                .unwrap();
        }
        began.elapsed()
    }

    fn measure(&mut self, name: &str, count: u32) -> Duration {
        let packet = Packet {
            id: "a1".into(),
            payload: "payload".into(),
            level: 7,
        };
        match name {
            "typed-u32" => self.typed::<_, (u32,)>("add", count, &(1_u32, 2_u32)),
            "typed-text" => self.typed::<_, (String,)>("text", count, &(TEXT,)),
            "typed-record" => self.typed::<_, (Packet,)>("process", count, &(&packet,)),
            "typed-take" => {
                let bytes = vec![1_u8; MEBIBYTE];
                self.typed::<_, (u32,)>("take", count, &(bytes.as_slice(),))
            }
            "typed-give" => self.typed::<_, (Vec<u8>,)>("give", count, &(1_u32 << 20,)),
            "dynamic-u32" => self.dynamic("add", count, &[Val::U32(1), Val::U32(2)]),
            "dynamic-text" => self.dynamic("text", count, &[Val::String(TEXT.into())]),
            "dynamic-record" => self.dynamic("process", count, &[dynamic_packet()]),
            "dynamic-take" => {
                let bytes = vec![Val::U8(1); MEBIBYTE];
                self.dynamic("take", count, &[Val::List(bytes)])
            }
            "dynamic-give" => self.dynamic("give", count, &[Val::U32(1 << 20)]),
            other => panic!("there is no measurement {other}"),
        }
    }
}

fn dynamic_packet() -> Val {
    Val::Record(vec![
        ("id".into(), Val::String("a1".into())),
        ("payload".into(), Val::String("payload".into())),
        ("level".into(), Val::U32(7)),
    ])
}

fn main() {
    let path = std::env::args().nth(1).expect("the path of a component");
    let mut bare = Bare::new(&std::fs::read(path).unwrap());
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (name, count) = line.split_once(' ').expect("a name and a number");
        println!("{}", bare.measure(name, count.parse().unwrap()).as_nanos());
    }
}
