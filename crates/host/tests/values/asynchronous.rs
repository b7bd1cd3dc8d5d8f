//! Async functions of WASI 0.3's kind, and handles of resources.

use wasmtime::Store;
use wasmtime::component::{Component, Func, Instance, Linker, LinkerInstance};
use wisp_host::value::{self, Signature, Type, Value};
use wit_component::StringEncoding;

use super::support::{MEMORY, component, engine, function, import};

const LATER: &str = "test:later/later";

const WIT: &str = "
    package test:later;
    interface later {
        text: async func(v: string) -> string;
        three: async func(a: u32, b: u64, c: f64) -> tuple<u32, u64, f64>;
        nothing: async func(v: u32);
        five: async func(a: u32, b: u32, c: u32, d: u32, e: string) -> u32;
    }
    interface plain { text: async func() -> string; number: async func() -> u32; }
    world guest { import later; export later; export plain; }
";

/// Exports lifted as async, which hand on to imports; `five` is lowered as async too, so that its parameters are in memory.
fn core() -> String {
    let callback = |name: &str| {
        format!(
            r#"(func (export "[callback][async-lift]{LATER}#{name}") (param i32 i32 i32) (result i32) (unreachable))"#
        )
    };
    format!(
        r#"(module
            (import "{LATER}" "text" (func $text (param i32 i32 i32)))
            (import "{LATER}" "three" (func $three (param i32 i64 f64 i32)))
            (import "{LATER}" "nothing" (func $nothing (param i32)))
            (import "{LATER}" "[async-lower]five" (func $five (param i32 i32) (result i32)))
            (import "[export]{LATER}" "[task-return]text" (func $text-return (param i32 i32)))
            (import "[export]{LATER}" "[task-return]three" (func $three-return (param i32 i64 f64)))
            (import "[export]{LATER}" "[task-return]nothing" (func $nothing-return))
            (import "[export]{LATER}" "[task-return]five" (func $five-return (param i32)))
            {MEMORY}
            (data (i32.const 64) "\50\00\00\00\05\00\00\00")
            (data (i32.const 80) "plain")
            {}{}{}{}
            (func (export "[async-lift]{LATER}#text") (param i32 i32) (result i32)
                (call $text (local.get 0) (local.get 1) (i32.const 16))
                (call $text-return (i32.load (i32.const 16)) (i32.load (i32.const 20)))
                (i32.const 0))
            (func (export "[async-lift]{LATER}#three") (param i32 i64 f64) (result i32)
                (call $three (local.get 0) (local.get 1) (local.get 2) (i32.const 16))
                (call $three-return (i32.load (i32.const 16)) (i64.load (i32.const 24)) (f64.load (i32.const 32)))
                (i32.const 0))
            (func (export "[async-lift]{LATER}#nothing") (param i32) (result i32)
                (call $nothing (local.get 0)) (call $nothing-return) (i32.const 0))
            (func (export "[async-lift]{LATER}#five") (param i32 i32 i32 i32 i32 i32) (result i32)
                (i32.store (i32.const 128) (local.get 0)) (i32.store (i32.const 132) (local.get 1))
                (i32.store (i32.const 136) (local.get 2)) (i32.store (i32.const 140) (local.get 3))
                (i32.store (i32.const 144) (local.get 4)) (i32.store (i32.const 148) (local.get 5))
                (if (i32.ne (call $five (i32.const 128) (i32.const 160)) (i32.const 2)) (then (unreachable)))
                (call $five-return (i32.load (i32.const 160)))
                (i32.const 0))
            (func (export "test:later/plain#text") (result i32) (i32.const 64))
            (func (export "test:later/plain#number") (result i32) (i32.const 5)))"#,
        callback("text"),
        callback("three"),
        callback("nothing"),
        callback("five"),
    )
}

/// Answers an import with what `change` makes of the arguments.
fn answer(
    interface: &mut LinkerInstance<'_, ()>,
    component: &Component,
    name: &str,
    change: fn(Vec<Value>) -> Option<Value>,
) {
    let signature = Signature::of(&import(component, LATER, name));
    assert!(signature.asynchronous());
    value::define_concurrent(interface, name, &signature, move |_, arguments| {
        Box::pin(async move { Ok(change(arguments)) })
    })
    .unwrap();
}

async fn guest() -> (Store<()>, Instance) {
    let engine = engine(true);
    let component = Component::new(&engine, component(WIT, &core(), StringEncoding::UTF8)).unwrap();
    let mut linker = Linker::new(&engine);
    let mut later = linker.instance(LATER).unwrap();
    answer(&mut later, &component, "text", |mut arguments| {
        arguments.pop()
    });
    answer(&mut later, &component, "three", |arguments| {
        Some(Value::Tuple(arguments))
    });
    answer(&mut later, &component, "nothing", |_| None);
    answer(&mut later, &component, "five", |arguments| {
        assert_eq!(arguments.last(), Some(&Value::String("e".into())));
        arguments.into_iter().next()
    });
    let mut store = Store::new(&engine, ());
    let instance = linker
        .instantiate_async(&mut store, &component)
        .await
        .unwrap();
    (store, instance)
}

fn find(store: &mut Store<()>, instance: &Instance, name: &str) -> (Func, Signature) {
    let function = function(store, instance, LATER, name);
    let signature = Signature::of(&function.ty(&*store));
    (function, signature)
}

#[tokio::test]
async fn async_functions_are_called_and_answered() {
    let (mut store, instance) = guest().await;
    let cases = [
        (
            "text",
            vec![Value::String("ü".into())],
            Some(Value::String("ü".into())),
        ),
        (
            "three",
            vec![Value::U32(1), Value::U64(2), Value::F64(3.5)],
            Some(Value::Tuple(vec![
                Value::U32(1),
                Value::U64(2),
                Value::F64(3.5),
            ])),
        ),
        ("nothing", vec![Value::U32(1)], None),
        (
            "five",
            vec![
                Value::U32(7),
                Value::U32(2),
                Value::U32(3),
                Value::U32(4),
                Value::String("e".into()),
            ],
            Some(Value::U32(7)),
        ),
    ];

    for (name, arguments, expected) in cases {
        let (function, signature) = find(&mut store, &instance, name);
        let result = value::call(&mut store, &function, &signature, arguments.clone()).await;
        assert_eq!(result.unwrap(), expected);

        let result = store
            .run_concurrent(async |accessor| {
                value::call_concurrent(accessor, &function, &signature, arguments).await
            })
            .await;
        assert_eq!(result.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn an_async_function_lifted_as_a_plain_one_works_where_its_result_needs_no_memory() {
    let (mut store, instance) = guest().await;
    let number = function(&mut store, &instance, "test:later/plain", "number");
    let text = function(&mut store, &instance, "test:later/plain", "text");
    let signatures = [&number, &text].map(|function| Signature::of(&function.ty(&store)));

    let five = value::call(&mut store, &number, &signatures[0], vec![]).await;
    let error = value::call(&mut store, &text, &signatures[1], vec![])
        .await
        .unwrap_err();

    assert_eq!(five.unwrap(), Some(Value::U32(5)));
    assert_eq!(
        error.root_cause().to_string(),
        "async functions with such a result can be called only if they are lifted as async"
    );
}

const THINGS: &str = "
    package test:things;
    interface things {
        resource thing { constructor(number: u32); number: func() -> u32; }
        eat: func(things: list<thing>) -> u32;
    }
    world guest { export things; }
";

fn things() -> String {
    let things = "test:things/things";
    format!(
        r#"(module
            (import "[export]{things}" "[resource-new]thing" (func $new (param i32) (result i32)))
            (import "[export]{things}" "[resource-rep]thing" (func $rep (param i32) (result i32)))
            {MEMORY}
            (func (export "{things}#[constructor]thing") (param i32) (result i32) (call $new (local.get 0)))
            (func (export "{things}#[method]thing.number") (param i32) (result i32) (local.get 0))
            (func (export "{things}#eat") (param i32 i32) (result i32)
                (call $rep (i32.load (local.get 0)))))"#
    )
}

#[tokio::test]
async fn handles_of_resources_go_out_and_come_back() {
    for concurrent in [false, true] {
        let engine = engine(concurrent);
        let wasm = component(THINGS, &things(), StringEncoding::UTF8);
        let component = Component::new(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let linker = Linker::new(&engine);
        let instance = linker
            .instantiate_async(&mut store, &component)
            .await
            .unwrap();
        let mut find = |name| {
            let function = function(&mut store, &instance, "test:things/things", name);
            let signature = Signature::of(&function.ty(&store));
            (function, signature)
        };
        let (make, make_signature) = find("[constructor]thing");
        let (number, number_signature) = find("[method]thing.number");
        let (eat, eat_signature) = find("eat");

        let thing = value::call(&mut store, &make, &make_signature, vec![Value::U32(42)])
            .await
            .unwrap()
            .unwrap();
        let borrowed =
            value::call(&mut store, &number, &number_signature, vec![thing.clone()]).await;
        let list = Value::List(vec![thing.clone()]);
        let eaten = value::call(&mut store, &eat, &eat_signature, vec![list.clone()]).await;
        let again = value::call(&mut store, &eat, &eat_signature, vec![list]).await;

        assert!(matches!(make_signature.result(), Some(Type::Own(_))));
        assert!(matches!(thing, Value::Resource(_)));
        assert_eq!(borrowed.unwrap(), Some(Value::U32(42)));
        assert_eq!(eaten.unwrap(), Some(Value::U32(42)));
        assert!(
            again.is_err(),
            "a handle that was given away cannot be given again"
        );
    }
}
