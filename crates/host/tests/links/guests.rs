//! Guests that call and are called.

use wisp_host::{Profile, Strategy, compile};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Memory, and an allocator that never frees.
pub(crate) const MEMORY: &str = r#"
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
        (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
        (global.get $next)
        (global.set $next (i32.add (global.get $next) (local.get $new))))
"#;

const NUMBERS: &str = "
    interface numbers {
        record point { x: u32, y: u32 }
        add: func(a: u32, b: u32) -> u32;
        shout: func(text: string, at: list<point>) -> string;
        count: func() -> u32;
        fail: func() -> u32;
        spin: func() -> u32;
    }
";

/// A component with the package `test:links` of this WIT, made for its world `guest`.
pub(crate) fn component(wit: &str, core: &str) -> Vec<u8> {
    component_of("http-0.2", wit, core)
}

/// The same with the interfaces of the folder `wit/<http>`.
pub(crate) fn component_of(http: &str, wit: &str, core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let folder = format!("{}/../../wit/{http}", env!("CARGO_MANIFEST_DIR"));
    resolve.push_path(folder).unwrap();
    let package = resolve
        .push_str("test.wit", &format!("package test:links; {wit}"))
        .unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(core).unwrap_or_else(|error| panic!("{error}\n{core}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

/// A library: adds, gives a text back, counts its calls, traps, and computes for ever.
pub(crate) fn numbers() -> Vec<u8> {
    numbers_and("", "")
}

/// The same with other functions too.
pub(crate) fn numbers_and(functions: &str, exports: &str) -> Vec<u8> {
    let name = "test:links/numbers";
    let core = format!(
        r#"(module {MEMORY}
            (global $count (mut i32) (i32.const 0))
            (func (export "{name}#add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
            (func (export "{name}#shout") (param i32 i32 i32 i32) (result i32)
                (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))
            (func (export "{name}#count") (result i32)
                (global.set $count (i32.add (global.get $count) (i32.const 1))) (global.get $count))
            (func (export "{name}#fail") (result i32) (unreachable))
            (func (export "{name}#spin") (result i32) (loop $more (br $more)) (unreachable))
            {exports})"#
    );
    let interface = NUMBERS.replace(
        "interface numbers {",
        &format!("interface numbers {{ {functions}"),
    );
    component(
        &format!("{interface} world guest {{ export numbers; }}"),
        &core,
    )
}

const HTTP: &str = "wasi:http/types@0.2.12";

/// A guest that answers each request with the status that `status` computes, from what it imports.
fn server(wit: &str, imports: &str, status: &str) -> Vec<u8> {
    let core = format!(
        r#"(module
            (import "{HTTP}" "[constructor]fields" (func $fields (result i32)))
            (import "{HTTP}" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
            (import "{HTTP}" "[method]outgoing-response.set-status-code" (func $set-status (param i32 i32) (result i32)))
            (import "{HTTP}" "[static]response-outparam.set" (func $answer (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
            {imports}
            {MEMORY}
            (data (i32.const 32) "hello")
            (data (i32.const 64) "numbers.internal")
            (data (i32.const 96) "strangers.internal")
            (data (i32.const 120) "/")
            (data (i32.const 128) "\01\00\00\00\02\00\00\00")
            (func $status (result i32) {status})
            (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
                (local $response i32)
                (local.set $response (call $response (call $fields)))
                (drop (call $set-status (local.get $response) (call $status)))
                (call $answer (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0)
                    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))"#
    );
    let wit = format!(
        "{wit} world guest {{
            import wasi:http/types@0.2.12; import wasi:http/outgoing-handler@0.2.12;
            {} export wasi:http/incoming-handler@0.2.12;
        }}",
        if wit.is_empty() {
            ""
        } else {
            "import numbers;"
        }
    );
    component(&wit, &core)
}

/// A server that calls `numbers`.
pub(crate) fn caller(status: &str) -> Vec<u8> {
    let name = "test:links/numbers";
    let imports = format!(
        r#"(import "{name}" "add" (func $add (param i32 i32) (result i32)))
           (import "{name}" "shout" (func $shout (param i32 i32 i32 i32 i32)))
           (import "{name}" "count" (func $count (result i32)))
           (import "{name}" "fail" (func $fail (result i32)))
           (import "{name}" "spin" (func $spin (result i32)))"#
    );
    server(NUMBERS, &imports, status)
}

/// A server that calls no one.
pub(crate) fn plain(status: u16) -> Vec<u8> {
    server("", "", &format!("(i32.const {status})"))
}

/// A server that asks `http://<name>/` and answers with that status, or with 299 when it may not.
///
/// `name` is where the name stands in its memory, and how long it is.
pub(crate) fn asker((place, length): (u32, u32)) -> Vec<u8> {
    let imports = format!(
        r#"(import "{HTTP}" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.set-authority" (func $set-authority (param i32 i32 i32 i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.set-path-with-query" (func $set-path (param i32 i32 i32 i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.set-scheme" (func $set-scheme (param i32 i32 i32 i32 i32) (result i32)))
           (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $send (param i32 i32 i32 i32)))
           (import "{HTTP}" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
           (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
           (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop-pollable (param i32)))
           (import "{HTTP}" "[method]future-incoming-response.get" (func $get (param i32 i32)))
           (import "{HTTP}" "[method]incoming-response.status" (func $status-of (param i32) (result i32)))"#
    );
    let status = format!(
        "(local $request i32) (local $future i32) (local $pollable i32)
         (local.set $request (call $request (call $fields)))
         (drop (call $set-scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
         (drop (call $set-path (local.get $request) (i32.const 1) (i32.const 120) (i32.const 1)))
         (drop (call $set-authority (local.get $request) (i32.const 1) (i32.const {place}) (i32.const {length})))
         (call $send (local.get $request) (i32.const 0) (i32.const 0) (i32.const 256))
         (local.set $future (i32.load (i32.const 264)))
         (local.set $pollable (call $subscribe (local.get $future)))
         (call $block (local.get $pollable))
         (call $drop-pollable (local.get $pollable))
         (call $get (local.get $future) (i32.const 512))
         (if (result i32) (i32.load8_u (i32.const 528))
             (then (i32.const 299))
             (else (call $status-of (i32.load (i32.const 536)))))"
    );
    server("", &imports, &status)
}

/// Bytes that the engine of this kind loads.
pub(crate) fn artifact(wasm: &[u8], profile: Profile) -> Vec<u8> {
    compile(wasm, profile, Strategy::Cranelift).unwrap()
}
