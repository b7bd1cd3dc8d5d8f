//! What it costs to pass values of a component's types that only its own description tells; beside bare Wasmtime.
//!
//! `wisp` passes its own dynamic values, `wasmtime, typed` types that the Rust compiler knows, `wasmtime, dynamic` Wasmtime's `Val`.
//! The guest gives back what it gets and does nothing else.

#[path = "support/processor.rs"]
mod processor;
mod support;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Func, Instance, Lift, Linker, Lower, Val,
};
use wasmtime::{Config, Engine, Store};
use wisp_host::value::{Signature, Value, call_blocking};

use processor::Processor;
use support::guests::{allocator, component};

const ECHO: &str = "bench:guests/echo";
const MEBIBYTE: usize = 1 << 20;

const WIT: &str = "
    interface echo {
        record packet { id: string, payload: string, level: u32 }
        record branch { name: string, at: list<tuple<u32, u32>>, note: option<string> }
        process: func(packet: packet) -> packet;
        take: func(bytes: list<u8>) -> u32;
        give: func(count: u32) -> list<u8>;
        nested: func(branches: list<branch>) -> list<branch>;
    }
    world guest { export echo; }
";

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct Packet {
    id: String,
    payload: String,
    level: u32,
}

#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
struct Branch {
    name: String,
    at: Vec<(u32, u32)>,
    note: Option<String>,
}

/// Results are put at 16; what is given stands from 2 MiB on, where nothing else is.
fn echo() -> Vec<u8> {
    let functions = [
        (
            "process",
            "(param i32 i32 i32 i32 i32) (result i32)
             (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
             (i32.store (i32.const 24) (local.get 2)) (i32.store (i32.const 28) (local.get 3))
             (i32.store (i32.const 32) (local.get 4)) (i32.const 16)",
        ),
        ("take", "(param i32 i32) (result i32) (local.get 1)"),
        (
            "give",
            "(param i32) (result i32)
             (i32.store (i32.const 16) (i32.const 2097152)) (i32.store (i32.const 20) (local.get 0)) (i32.const 16)",
        ),
        (
            "nested",
            "(param i32 i32) (result i32)
             (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)",
        ),
    ];
    let exports = functions.map(|(name, body)| {
        format!(
            r#"(func (export "{ECHO}#{name}") {body})
               (func (export "cabi_post_{ECHO}#{name}") (param i32) (call $empty))"#
        )
    });
    let (allocator, exports) = (allocator(65536), exports.concat());
    // Pages that were never written would all be the same one, and nothing real is read as fast.
    let data = "wisp".repeat(MEBIBYTE / 4);
    let core = format!(
        r#"(module (memory (export "memory") 50) (data (i32.const 2097152) "{data}") {allocator} {exports})"#
    );
    component(WIT, &core)
}

/// One instance, and a function of it.
struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    #[allow(clippy::unwrap_used, reason = "what helps a bench may fail")]
    fn new() -> Self {
        let engine = Engine::new(Config::new().concurrency_support(false)).unwrap();
        let component = Component::new(&engine, echo()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine)
            .instantiate(&mut store, &component)
            .unwrap();
        Self { store, instance }
    }

    #[allow(clippy::unwrap_used, reason = "what helps a bench may fail")]
    fn function(&mut self, name: &str) -> Func {
        let store = &mut self.store;
        let (_, echo) = self.instance.get_export(&mut *store, None, ECHO).unwrap();
        let (_, index) = self
            .instance
            .get_export(&mut *store, Some(&echo), name)
            .unwrap();
        self.instance.get_func(store, index).unwrap()
    }
}

/// Measures one function in the three ways; `typed` is its argument as the compiler knows it.
#[allow(clippy::unwrap_used, reason = "what helps a bench may fail")]
fn ways<P, R>(
    criterion: &mut Criterion<Processor>,
    what: &str,
    name: &str,
    arguments: (&Value, &Val, P),
) where
    P: ComponentNamedList + Lower + Clone + 'static,
    R: ComponentNamedList + Lift + 'static,
{
    let (ours, dynamic, typed) = arguments;
    let mut guest = Guest::new();
    let function = guest.function(name);
    let signature = Signature::of(&function.ty(&guest.store));
    let mut group = criterion.benchmark_group(format!("values, {what}"));
    group.bench_function("wisp", |bencher| {
        bencher.iter(|| {
            let arguments = vec![ours.clone()];
            call_blocking(&mut guest.store, &function, &signature, arguments).unwrap()
        });
    });
    let known = function.typed::<P, R>(&guest.store).unwrap();
    group.bench_function("wasmtime, typed", |bencher| {
        bencher.iter(|| known.call(&mut guest.store, typed.clone()).unwrap());
    });
    group.bench_function("wasmtime, dynamic", |bencher| {
        bencher.iter(|| {
            let mut results = [Val::Bool(false)];
            let arguments = [dynamic.clone()];
            function
                .call(&mut guest.store, &arguments, &mut results)
                .unwrap();
            results
        });
    });
    group.finish();
}

fn record(criterion: &mut Criterion<Processor>) {
    let text = |text: &str| (Value::String(text.into()), Val::String(text.into()));
    let (id, payload) = (text("a1"), text("payload"));
    let ours = Value::Record(vec![id.0, payload.0, Value::U32(7)]);
    let dynamic = Val::Record(vec![
        ("id".into(), id.1),
        ("payload".into(), payload.1),
        ("level".into(), Val::U32(7)),
    ]);
    let typed = Packet {
        id: "a1".into(),
        payload: "payload".into(),
        level: 7,
    };
    let arguments = (&ours, &dynamic, (typed,));
    ways::<(Packet,), (Packet,)>(criterion, "a small record in and out", "process", arguments);
}

fn bytes(criterion: &mut Criterion<Processor>) {
    let ours = Value::Bytes(Bytes::from(vec![1; MEBIBYTE]));
    let dynamic = Val::List(vec![Val::U8(1); MEBIBYTE]);
    let typed: &'static [u8] = vec![1; MEBIBYTE].leak();
    let arguments = (&ours, &dynamic, (typed,));
    ways::<(&[u8],), (u32,)>(criterion, "1 MiB in", "take", arguments);
    let arguments = (&Value::U32(1 << 20), &Val::U32(1 << 20), (1 << 20,));
    ways::<(u32,), (Vec<u8>,)>(criterion, "1 MiB out", "give", arguments);
}

fn nested(criterion: &mut Criterion<Processor>) {
    const BRANCHES: usize = 20;
    let numbers = [(1, 2), (3, 4), (5, 6)];
    let ours = Value::Record(vec![
        Value::String("branch".into()),
        Value::List(
            numbers
                .map(|(x, y)| Value::Tuple(vec![Value::U32(x), Value::U32(y)]))
                .into(),
        ),
        Value::Option(Some(Box::new(Value::String("a note".into())))),
    ]);
    let tuples = numbers.map(|(x, y)| Val::Tuple(vec![Val::U32(x), Val::U32(y)]));
    let dynamic = Val::Record(vec![
        ("name".into(), Val::String("branch".into())),
        ("at".into(), Val::List(tuples.into())),
        (
            "note".into(),
            Val::Option(Some(Box::new(Val::String("a note".into())))),
        ),
    ]);
    let typed = Branch {
        name: "branch".into(),
        at: numbers.into(),
        note: Some("a note".into()),
    };
    let ours = Value::List(vec![ours; BRANCHES]);
    let dynamic = Val::List(vec![dynamic; BRANCHES]);
    let arguments = (&ours, &dynamic, (vec![typed; BRANCHES],));
    let what = "20 records with lists and options in and out";
    ways::<(Vec<Branch>,), (Vec<Branch>,)>(criterion, what, "nested", arguments);
}

criterion_group! {
    name = benches;
    config = processor::criterion();
    targets = record, bytes, nested
}
criterion_main!(benches);
