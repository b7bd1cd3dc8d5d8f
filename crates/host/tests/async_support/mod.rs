//! What guests of WASI 0.3 written by hand need: to wait, and to handle streams and futures.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test takes what it needs"
)]

/// What a guest needs to wait.
pub const WAITING: &str = r#"
    (import "$root" "[waitable-set-new]" (func $new-set (result i32)))
    (import "$root" "[waitable-join]" (func $join (param i32 i32)))
    (import "$root" "[waitable-set-wait]" (func $wait (param i32 i32) (result i32)))
    (import "$root" "[subtask-drop]" (func $drop-subtask (param i32)))
"#;

/// `$await` waits for what was begun, if it was not done at once, and gives its code; `$returned` waits for a call.
pub const AWAIT: &str = r"
    (global $set (mut i32) (i32.const 0))
    (func $event (param $waitable i32) (result i32)
        (if (i32.eqz (global.get $set)) (then (global.set $set (call $new-set))))
        (call $join (local.get $waitable) (global.get $set))
        (drop (call $wait (global.get $set) (i32.const 0)))
        (call $join (local.get $waitable) (i32.const 0))
        (i32.load (i32.const 4)))
    (func $await (param $waitable i32) (param $code i32) (result i32)
        (if (result i32) (i32.eq (local.get $code) (i32.const -1))
            (then (call $event (local.get $waitable)))
            (else (local.get $code))))
    (func $returned (param $call i32)
        (local $state i32)
        (local.set $state (i32.and (local.get $call) (i32.const 15)))
        (block $done (loop $again
            (br_if $done (i32.eq (local.get $state) (i32.const 2)))
            (local.set $state (call $event (i32.shr_u (local.get $call) (i32.const 4))))
            (br $again)))
        (if (i32.shr_u (local.get $call) (i32.const 4))
            (then (call $drop-subtask (i32.shr_u (local.get $call) (i32.const 4))))))
    (func $reader (param $pair i64) (result i32) (i32.wrap_i64 (local.get $pair)))
    (func $writer (param $pair i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
";

/// An export that WASI 0.3 calls asynchronously, which never waits for an event in a callback.
pub fn lifted(name: &str, code: &str) -> String {
    format!(
        r#"(func (export "[callback][async-lift]{name}") (param i32 i32 i32) (result i32) (unreachable))
           (func (export "[async-lift]{name}") {code} (i32.const 0))"#
    )
}

/// The functions that make, read, write and drop streams, as `module` has them for the first stream of this function.
pub fn stream_handles(module: &str, function: &str) -> String {
    format!(
        r#"(import "{module}" "[stream-new-0]{function}" (func $new-stream (result i64)))
           (import "{module}" "[async-lower][stream-read-0]{function}" (func $read (param i32 i32 i32) (result i32)))
           (import "{module}" "[async-lower][stream-write-0]{function}" (func $write (param i32 i32 i32) (result i32)))
           (import "{module}" "[stream-drop-readable-0]{function}" (func $drop-reader (param i32)))
           (import "{module}" "[stream-drop-writable-0]{function}" (func $drop-writer (param i32)))"#
    )
}

/// The same for a future; `suffix` is what the names get, to have more than one kind.
pub fn future_handles(module: &str, (index, function): (u32, &str), suffix: &str) -> String {
    let name = format!("{index}]{function}");
    format!(
        r#"(import "{module}" "[future-new-{name}" (func $new-future{suffix} (result i64)))
           (import "{module}" "[async-lower][future-read-{name}" (func $get{suffix} (param i32 i32) (result i32)))
           (import "{module}" "[async-lower][future-write-{name}" (func $give{suffix} (param i32 i32) (result i32)))
           (import "{module}" "[future-drop-readable-{name}" (func $drop-getter{suffix} (param i32)))
           (import "{module}" "[future-drop-writable-{name}" (func $drop-giver{suffix} (param i32)))"#
    )
}
