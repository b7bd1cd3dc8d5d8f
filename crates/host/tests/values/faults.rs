//! What does not fit is refused: wrong arguments before the guest is entered, what a guest must not give as a trap.

use wasmtime::Store;
use wasmtime::component::{Component, Func, Instance, Linker};
use wisp_host::value::{self, Mismatch, Signature, Value};
use wit_component::StringEncoding;

use super::support::{MEMORY, component, engine, function, import};

const WIT: &str = "
    package test:faults;
    interface host { record point { x: u32, y: f64 } give: func() -> point; }
    interface faults {
        record packet { id: string, level: u8 }
        enum color { red, green }
        variant shape { dot, circle(f32) }
        flags access { read, write }
        process: func(packet: packet, colors: list<color>) -> u32;
        get-text: func() -> string;
        get-letter: func() -> char;
        get-color: func() -> color;
        get-shape: func() -> shape;
        get-packet: func() -> packet;
        get-packets: func() -> list<packet>;
        blob: func() -> list<u8>;
        numbers: func() -> list<u64>;
        get-access: func() -> access;
        give: func() -> u32;
    }
    world guest { import host; export faults; }
";

/// Each function gives what it must not: bad UTF-8, a surrogate, cases that do not exist, pointers out of bounds and askew.
fn core() -> String {
    format!(
        r#"(module
            (import "test:faults/host" "give" (func $give (param i32)))
            {MEMORY}
            (data (i32.const 16) "\ff\fe")
            (data (i32.const 32) "\10\00\00\00\02\00\00\00")
            (data (i32.const 48) "\f0\ff\ff\ff\20\00\00\00")
            (data (i32.const 64) "\03\00\00\00\01\00\00\00")
            (data (i32.const 80) "\09\00\00\00\00\00\00\00")
            (func (export "test:faults/faults#process") (param i32 i32 i32 i32 i32) (result i32) (local.get 2))
            (func (export "test:faults/faults#get-text") (result i32) (i32.const 32))
            (func (export "test:faults/faults#get-letter") (result i32) (i32.const 0xd800))
            (func (export "test:faults/faults#get-color") (result i32) (i32.const 2))
            (func (export "test:faults/faults#get-shape") (result i32) (i32.const 80))
            (func (export "test:faults/faults#get-packet") (result i32) (i32.const 0x7ffffffc))
            (func (export "test:faults/faults#get-packets") (result i32) (i32.const 48))
            (func (export "test:faults/faults#blob") (result i32) (i32.const 48))
            (func (export "test:faults/faults#numbers") (result i32) (i32.const 64))
            (func (export "test:faults/faults#get-access") (result i32) (i32.const 0xff))
            (func (export "test:faults/faults#give") (result i32) (call $give (i32.const 128)) (i32.const 1)))"#
    )
}

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    async fn new(concurrent: bool, given: Option<Value>) -> Self {
        let engine = engine(concurrent);
        let wasm = component(WIT, &core(), StringEncoding::UTF8);
        let component = Component::new(&engine, wasm).unwrap();
        let mut linker = Linker::new(&engine);
        let give = Signature::of(&import(&component, "test:faults/host", "give"));
        let mut host = linker.instance("test:faults/host").unwrap();
        value::define(&mut host, "give", &give, move |_, _| {
            let given = given.clone();
            Box::pin(async move { Ok(given) })
        })
        .unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker
            .instantiate_async(&mut store, &component)
            .await
            .unwrap();
        Self { store, instance }
    }

    fn find(&mut self, name: &str) -> (Func, Signature) {
        let function = function(&mut self.store, &self.instance, "test:faults/faults", name);
        let signature = Signature::of(&function.ty(&self.store));
        (function, signature)
    }

    async fn call(&mut self, name: &str, arguments: Vec<Value>) -> wasmtime::Result<Option<Value>> {
        let (function, signature) = self.find(name);
        value::call(&mut self.store, &function, &signature, arguments).await
    }
}

fn packet(id: Value, level: u8) -> Value {
    Value::Record(vec![id, Value::U8(level)])
}

async fn trap(name: &str) -> String {
    let mut messages = Vec::new();
    for concurrent in [false, true] {
        let mut guest = Guest::new(concurrent, None).await;
        let error = guest.call(name, vec![]).await.unwrap_err();
        messages.push(error.root_cause().to_string());
    }
    assert_eq!(messages[0], messages[1]);
    messages.remove(0)
}

#[tokio::test]
async fn a_wrong_argument_is_named_and_the_instance_goes_on() {
    for concurrent in [false, true] {
        let mut guest = Guest::new(concurrent, None).await;
        let none = Value::List(vec![]);

        let wrong = vec![packet(Value::U32(1), 7), none.clone()];
        let error = guest.call("process", wrong).await.unwrap_err();
        let text = Value::String("a1".into());
        let right = guest.call("process", vec![packet(text, 7), none]).await;

        assert_eq!(
            error.downcast_ref::<Mismatch>().unwrap().to_string(),
            "argument packet: field id: expected string, found u32"
        );
        assert_eq!(right.unwrap(), Some(Value::U32(7)));
    }
}

#[tokio::test]
async fn places_and_numbers_are_part_of_the_message() {
    let mut guest = Guest::new(false, None).await;
    let (_, signature) = guest.find("process");
    let fine = packet(Value::String("a1".into()), 7);
    let message = |arguments: Vec<Value>| {
        signature
            .check_arguments(&arguments)
            .unwrap_err()
            .to_string()
    };

    assert_eq!(message(vec![]), "expected 2 arguments, found 0");
    assert_eq!(
        message(vec![
            fine.clone(),
            Value::List(vec![Value::Enum(0), Value::Enum(2)])
        ]),
        "argument colors: item 1: expected enum { red, green }, found case 2"
    );
    assert_eq!(
        message(vec![Value::Record(vec![]), Value::List(vec![])]),
        "argument packet: expected record { id, level }, found record of 0"
    );
    assert_eq!(
        message(vec![fine, Value::Bytes(bytes::Bytes::new())]),
        "argument colors: expected list<enum { red, green }>, found list<u8>"
    );
}

#[tokio::test]
async fn what_a_guest_must_not_give_is_a_trap() {
    assert_eq!(
        trap("get-text").await,
        "invalid utf-8 sequence of 1 bytes from index 0"
    );
    assert_eq!(
        trap("get-letter").await,
        "converted integer out of range for `char`"
    );
    let no_case = |case| format!("the guest chose case {case}, which its type does not have");
    assert_eq!(trap("get-color").await, no_case(2));
    assert_eq!(trap("get-shape").await, no_case(9));
    assert_eq!(trap("get-packet").await, "pointer out of bounds of memory");
    let beyond = "list pointer/length out of bounds of memory";
    assert_eq!(trap("get-packets").await, beyond);
    assert_eq!(trap("blob").await, beyond);
    assert_eq!(trap("numbers").await, "list pointer is not aligned");
}

#[tokio::test]
async fn bits_without_a_flag_are_ignored() {
    let mut guest = Guest::new(false, None).await;

    let result = guest.call("get-access", vec![]).await.unwrap();

    assert_eq!(result, Some(Value::Flags(0b11)));
}

#[tokio::test]
async fn a_wrong_result_of_a_host_function_is_a_trap_that_says_where() {
    for concurrent in [false, true] {
        let wrong = Value::Record(vec![Value::U32(1), Value::F32(1.0)]);
        let mut guest = Guest::new(concurrent, Some(wrong)).await;

        let error = guest.call("give", vec![]).await.unwrap_err();

        assert_eq!(
            error.root_cause().to_string(),
            "result: field y: expected f64, found f32"
        );
    }
}

#[tokio::test]
async fn a_call_without_a_fiber_gives_the_same() {
    let engine = engine(false);
    let wasm = component(WIT, &core(), StringEncoding::UTF8);
    let component = Component::new(&engine, wasm).unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let process = function(&mut store, &instance, "test:faults/faults", "process");
    let signature = Signature::of(&process.ty(&store));

    let arguments = vec![packet(Value::String("a1".into()), 9), Value::List(vec![])];
    let result = value::call_blocking(&mut store, &process, &signature, arguments).unwrap();

    assert_eq!(result, Some(Value::U32(9)));
}

#[tokio::test]
async fn what_a_call_may_copy_is_bounded() {
    let mut guest = Guest::new(false, None).await;
    guest.store.set_hostcall_fuel(16);

    let error = guest.call("get-access", vec![]).await.unwrap_err();

    assert!(
        error.root_cause().to_string().contains("too much data"),
        "{error:?}"
    );
}
