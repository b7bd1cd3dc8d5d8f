//! Guests made of text: a job for the clock, which does what its body says, and a library that it may call.

use wisp_host::{Composition, compose};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) const HANDLER: &str = "wisp:cron/handler@0.1.0";
pub(crate) const NUMBERS: &str = "bench:guests/numbers";

/// Calls of the library that one run of a caller makes.
pub(crate) const CALLS: u32 = 1000;

/// Bytes of an interpreter's snapshot, and how many of its pages a call writes.
pub(crate) const SNAPSHOT: usize = 17 << 20;
const WRITTEN: usize = 300;

const CRON: &str = "
    package wisp:cron@0.1.0;
    interface handler {
        record tick { schedule: string, timezone: string, planned: u64, id: string }
        run: func(event: tick) -> result<_, string>;
    }
";

const LIBRARY: &str = "
    interface numbers {
        add: func(a: u32, b: u32) -> u32;
        text: func(text: string) -> string;
    }
";

/// An allocator that is emptied after each call. `first` is where its room begins.
pub(crate) fn allocator(first: usize) -> String {
    format!(
        r#"(global $next (mut i32) (i32.const {first}))
        (func $empty (global.set $next (i32.const {first})))
        (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
            (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
            (global.get $next)
            (global.set $next (i32.add (global.get $next) (local.get $new))))"#
    )
}

/// The component of this module, made for the world `guest` of this WIT.
pub(crate) fn component(wit: &str, core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_str("cron.wit", CRON).unwrap();
    let wit = format!("package bench:guests; {wit}");
    let package = resolve.push_str("guest.wit", &wit).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(core).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

/// A module whose run does what `body` says, and succeeds.
fn job(imports: &str, memory: &str, first: usize, body: &str) -> String {
    let allocator = allocator(first);
    format!(
        r#"(module {imports} {memory} {allocator}
            (func (export "{HANDLER}#run") (param i32 i32 i32 i32 i64 i32 i32) (result i32) (local $i i32)
                {body}
                (i32.const 16))
            (func (export "cabi_post_{HANDLER}#run") (param i32) (call $empty)))"#
    )
}

const ALONE: &str = "world guest { export wisp:cron/handler@0.1.0; }";

/// A guest as Rust or C make it: little memory, of which a call writes a page or two.
pub(crate) fn little() -> Vec<u8> {
    let memory = r#"(memory (export "memory") 17)"#;
    component(ALONE, &job("", memory, 1 << 20, ""))
}

/// A guest as Python is: the snapshot of an interpreter, of which a call writes pages everywhere.
pub(crate) fn snapshot() -> Vec<u8> {
    let data = "wisp".repeat(SNAPSHOT / 4);
    let pages = SNAPSHOT / 65536 + 2;
    let memory = format!(r#"(memory (export "memory") {pages}) (data (i32.const 65536) "{data}")"#);
    let step = SNAPSHOT / WRITTEN / 4096 * 4096;
    let body = format!(
        "(loop $more
            (i32.store (i32.add (i32.const 65536) (i32.mul (local.get $i) (i32.const {step}))) (local.get $i))
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {WRITTEN}))))"
    );
    component(ALONE, &job("", &memory, 1024, &body))
}

/// A guest that calls the library in a loop; `call` is one call, which leaves nothing.
fn caller(call: &str) -> Vec<u8> {
    let wit =
        format!("{LIBRARY} world guest {{ import numbers; export wisp:cron/handler@0.1.0; }}");
    let imports = format!(
        r#"(import "{NUMBERS}" "add" (func $add (param i32 i32) (result i32)))
           (import "{NUMBERS}" "text" (func $text (param i32 i32 i32)))"#
    );
    let memory = r#"(memory (export "memory") 17) (data (i32.const 64) "sixteen bytes ok")"#;
    let body = format!(
        "(loop $more
            {call}
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {CALLS}))))"
    );
    component(&wit, &job(&imports, memory, 1 << 19, &body))
}

/// Calls `add` of the library [`CALLS`] times.
pub(crate) fn adds() -> Vec<u8> {
    caller("(drop (call $add (local.get $i) (i32.const 1)))")
}

/// Calls `text` of the library [`CALLS`] times.
pub(crate) fn texts() -> Vec<u8> {
    caller("(call $text (i32.const 64) (i32.const 16) (i32.const 32)) (call $empty)")
}

/// The library: adds two numbers, and gives a text back.
pub(crate) fn library() -> Vec<u8> {
    let wit = format!("{LIBRARY} world guest {{ export numbers; }}");
    let allocator = allocator(65536);
    let core = format!(
        r#"(module (memory (export "memory") 17) {allocator}
            (func (export "{NUMBERS}#add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
            (func (export "{NUMBERS}#text") (param i32 i32) (result i32)
                (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))
            (func (export "cabi_post_{NUMBERS}#text") (param i32) (call $empty)))"#
    );
    component(&wit, &core)
}

/// One component made of a caller and its library.
pub(crate) fn fused(caller: &[u8]) -> Vec<u8> {
    let composition = serde_json::json!({
        "entry": "caller",
        "parts": {
            "caller": {"component": 0, "links": {NUMBERS: "library"}, "open": [], "trusted": false},
            "library": {"component": 1, "links": {}, "open": [], "trusted": false},
        },
    });
    let composition: Composition = serde_json::from_value(composition).unwrap();
    compose(&composition, &[caller.to_vec(), library()]).unwrap()
}
