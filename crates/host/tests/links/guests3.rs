//! Guests of WASI 0.3 that call and are called.

use super::async_support::{AWAIT, WAITING, future_handles, lifted, stream_handles};
use super::guests::{MEMORY, component_of};

const HTTP: &str = "wasi:http/types@0.3.0";

/// A guest that answers each request with the status that `status` computes, from what it imports, and with the stream
/// that it puts in the global `$body`.
pub(crate) fn server(wit: &str, imports: &str, status: &str) -> Vec<u8> {
    let handle = lifted(
        "wasi:http/handler@0.3.0#handle",
        "(param $request i32) (result i32)
         (local $status i32) (local $trailers i64) (local $response i32)
         (local.set $status (call $status))
         (local.set $trailers (call $new-trailers))
         (call $respond (call $fields) (i32.ne (global.get $body) (i32.const -1)) (global.get $body) (call $reader (local.get $trailers)) (i32.const 256))
         (local.set $response (i32.load (i32.const 256)))
         (drop (call $set-status (local.get $response) (local.get $status)))
         (call $answer (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (memory.fill (i32.const 512) (i32.const 0) (i32.const 64))
         (drop (call $await (call $writer (local.get $trailers))
            (call $send-trailers (call $writer (local.get $trailers)) (i32.const 512))))
         (call $drop-trailers (call $writer (local.get $trailers)))",
    );
    let core = format!(
        r#"(module
            (import "{HTTP}" "[constructor]fields" (func $fields (result i32)))
            (import "{HTTP}" "[static]response.new" (func $respond (param i32 i32 i32 i32 i32)))
            (import "{HTTP}" "[method]response.set-status-code" (func $set-status (param i32 i32) (result i32)))
            (import "{HTTP}" "[future-new-1][static]response.new" (func $new-trailers (result i64)))
            (import "{HTTP}" "[async-lower][future-write-1][static]response.new"
                (func $send-trailers (param i32 i32) (result i32)))
            (import "{HTTP}" "[future-drop-writable-1][static]response.new" (func $drop-trailers (param i32)))
            (import "[export]wasi:http/handler@0.3.0" "[task-return]handle"
                (func $answer (param i32 i32 i32 i64 i32 i32 i32 i32)))
            {WAITING} {imports} {MEMORY} {AWAIT}
            (global $body (mut i32) (i32.const -1))
            (func $status (result i32) {status})
            {handle})"#
    );
    let wit = format!(
        "{wit} world guest {{
            import wasi:http/types@0.3.0; import it; export wasi:http/handler@0.3.0;
        }}"
    );
    component_of("http-0.3", &wit, &core)
}

/// Those of the streams and futures that these functions have.
fn both_handles(module: &str, stream: &str, future: &str) -> String {
    stream_handles(module, stream) + &future_handles(module, (0, future), "")
}

pub(crate) const IT: &str = "test:links/it";

fn typed(ty: &str) -> String {
    format!(
        "interface it {{
            relay: async func(items: stream<{ty}>) -> stream<{ty}>;
            hand-on: async func(value: future<{ty}>) -> future<{ty}>;
        }}"
    )
}

/// A library that writes what it reads into a stream of its own, two items at a time, and the same with a future.
pub(crate) fn relay(ty: &str) -> Vec<u8> {
    let relay = lifted(
        &format!("{IT}#relay"),
        "(param $items i32) (result i32)
         (local $new i64) (local $code i32) (local $writer i32)
         (local.set $new (call $new-stream))
         (local.set $writer (call $writer (local.get $new)))
         (call $return-relay (call $reader (local.get $new)))
         (loop $more
            (local.set $code (call $await (local.get $items)
                (call $read (local.get $items) (i32.const 1024) (i32.const 2))))
            (if (i32.shr_u (local.get $code) (i32.const 4)) (then
                (drop (call $await (local.get $writer) (call $write (local.get $writer) (i32.const 1024)
                    (i32.shr_u (local.get $code) (i32.const 4)))))))
            (br_if $more (i32.eqz (i32.and (local.get $code) (i32.const 15)))))
         (call $drop-reader (local.get $items))
         (call $drop-writer (local.get $writer))",
    );
    let hand_on = lifted(
        &format!("{IT}#hand-on"),
        "(param $value i32) (result i32)
         (local $new i64) (local $writer i32)
         (local.set $new (call $new-future))
         (local.set $writer (call $writer (local.get $new)))
         (call $return-hand-on (call $reader (local.get $new)))
         (drop (call $await (local.get $value) (call $get (local.get $value) (i32.const 1024))))
         (drop (call $await (local.get $writer) (call $give (local.get $writer) (i32.const 1024))))
         (call $drop-getter (local.get $value))
         (call $drop-giver (local.get $writer))",
    );
    let handles = both_handles(&format!("[export]{IT}"), "relay", "hand-on");
    let core = format!(
        r#"(module
            (import "[export]{IT}" "[task-return]relay" (func $return-relay (param i32)))
            (import "[export]{IT}" "[task-return]hand-on" (func $return-hand-on (param i32)))
            {WAITING} {handles} {MEMORY} {AWAIT} {relay} {hand_on})"#
    );
    let wit = format!("{} world guest {{ export it; }}", typed(ty));
    component_of("http-0.3", &wit, &core)
}

/// Sends three items of so many bytes through a relay, the first again as a future, and answers 200 when what comes back
/// is what it sent. Text is compared, not its place.
pub(crate) fn relayed(ty: &str, size: u32, items: &str) -> Vec<u8> {
    let same = if ty == "string" {
        "(i32.and
            (i32.eq (i32.load offset=4 (local.get $a)) (i32.load offset=4 (local.get $b)))
            (i32.eq (i32.load (i32.load (local.get $a))) (i32.load (i32.load (local.get $b)))))"
    } else {
        "(local.set $size (i32.const 0))
         (loop $bytes
            (if (i32.ne (i32.load8_u (i32.add (local.get $a) (local.get $size)))
                        (i32.load8_u (i32.add (local.get $b) (local.get $size))))
                (then (return (i32.const 0))))
            (local.set $size (i32.add (local.get $size) (i32.const 1)))
            (br_if $bytes (i32.lt_u (local.get $size) (i32.const SIZE))))
         (i32.const 1)"
    };
    let same = same.replace("SIZE", &size.to_string());
    let handles = both_handles(IT, "relay", "hand-on");
    let imports = format!(
        r#"(import "{IT}" "relay" (func $relay (param i32) (result i32)))
           (import "{IT}" "hand-on" (func $hand-on (param i32) (result i32)))
           {handles}
           (data (i32.const 4096) "{items}")
           (data (i32.const 8192) "one text") (data (i32.const 8208) "zwei") (data (i32.const 8216) "three, longer")
           (func $same (param $a i32) (param $b i32) (result i32) (local $size i32) {same})"#
    );
    let status = format!(
        "(local $sent i64) (local $writer i32) (local $back i32) (local $index i32)
         (local.set $sent (call $new-stream))
         (local.set $writer (call $writer (local.get $sent)))
         (local.set $back (call $relay (call $reader (local.get $sent))))
         (if (i32.ne (call $await (local.get $writer) (call $write (local.get $writer) (i32.const 4096) (i32.const 3)))
                     (i32.const 0x30)) (then (return (i32.const 501))))
         (call $drop-writer (local.get $writer))
         (loop $more
            (if (i32.eqz (i32.shr_u (call $await (local.get $back)
                    (call $read (local.get $back) (i32.const 16384) (i32.const 1))) (i32.const 4)))
                (then (return (i32.const 502))))
            (if (i32.eqz (call $same (i32.const 16384)
                    (i32.add (i32.const 4096) (i32.mul (local.get $index) (i32.const {size})))))
                (then (return (i32.const 503))))
            (local.set $index (i32.add (local.get $index) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $index) (i32.const 3))))
         (if (i32.ne (call $await (local.get $back) (call $read (local.get $back) (i32.const 16384) (i32.const 1)))
                     (i32.const 1)) (then (return (i32.const 504))))
         (call $drop-reader (local.get $back))
         (local.set $sent (call $new-future))
         (local.set $writer (call $writer (local.get $sent)))
         (local.set $back (call $hand-on (call $reader (local.get $sent))))
         (drop (call $await (local.get $writer) (call $give (local.get $writer) (i32.const 4096))))
         (drop (call $await (local.get $back) (call $get (local.get $back) (i32.const 16384))))
         (if (i32.eqz (call $same (i32.const 16384) (i32.const 4096))) (then (return (i32.const 505))))
         (i32.const 200)"
    );
    server(&typed(ty), &imports, &status)
}

const FLOWS: &str = "
    interface it {
        pour: async func(how: u32) -> stream<u8>;
        hold: async func(items: stream<u8>, go: future<u32>) -> future<u32>;
        sip: async func(items: stream<u8>);
        wait: async func(go: future<u32>) -> u32;
        pass: func(items: stream<u8>) -> stream<u8>;
    }
";

/// How `pour` goes on after its first ten bytes.
pub(crate) const FOR_EVER: u32 = 0;
pub(crate) const TRAP: u32 = 1;
pub(crate) const SPIN: u32 = 2;
pub(crate) const END: u32 = 3;

const POUR: &str = "(param $how i32) (result i32)
         (local $new i64) (local $writer i32)
         (local.set $new (call $new-stream))
         (local.set $writer (call $writer (local.get $new)))
         (call $return-pour (call $reader (local.get $new)))
         (drop (call $await (local.get $writer) (call $write (local.get $writer) (i32.const 1024) (i32.const 10))))
         (if (i32.eq (local.get $how) (i32.const 1)) (then (unreachable)))
         (if (i32.eq (local.get $how) (i32.const 2)) (then (loop $spin (br $spin))))
         (if (i32.eqz (local.get $how)) (then
            (loop $more (br_if $more (i32.ne (i32.const 1) (i32.and (i32.const 15)
                (call $await (local.get $writer)
                    (call $write (local.get $writer) (i32.const 0) (i32.const 65536)))))))))
         (call $drop-writer (local.get $writer))";

const HOLD: &str = "(param $items i32) (param $go i32) (result i32)
         (local $new i64) (local $writer i32) (local $code i32) (local $count i32)
         (local.set $new (call $new-future))
         (local.set $writer (call $writer (local.get $new)))
         (call $return-hold (call $reader (local.get $new)))
         (drop (call $await (local.get $go) (call $get (local.get $go) (i32.const 1024))))
         (loop $more
            (local.set $code (call $await (local.get $items)
                (call $read (local.get $items) (i32.const 2048) (i32.const 50000))))
            (local.set $count (i32.add (local.get $count) (i32.shr_u (local.get $code) (i32.const 4))))
            (br_if $more (i32.eqz (i32.and (local.get $code) (i32.const 15)))))
         (i32.store (i32.const 1024) (local.get $count))
         (drop (call $await (local.get $writer) (call $give (local.get $writer) (i32.const 1024))))
         (call $drop-reader (local.get $items))
         (call $drop-giver (local.get $writer))
         (call $drop-getter (local.get $go))";

const SIP: &str = "(param $items i32) (result i32)
         (drop (call $await (local.get $items) (call $read (local.get $items) (i32.const 2048) (i32.const 1))))
         (call $drop-reader (local.get $items))
         (call $return-sip)";

const WAIT: &str = "(param $go i32) (result i32)
         (drop (call $await (local.get $go) (call $get (local.get $go) (i32.const 1024))))
         (call $drop-getter (local.get $go))
         (call $return-wait (i32.load (i32.const 1024)))";

/// A library of streams: pours bytes, holds a stream until it may read it, drops one after one byte, waits for a future,
/// and gives a stream back as it is.
pub(crate) fn flows() -> Vec<u8> {
    let pour = lifted(&format!("{IT}#pour"), POUR);
    let hold = lifted(&format!("{IT}#hold"), HOLD);
    let sip = lifted(&format!("{IT}#sip"), SIP);
    let wait = lifted(&format!("{IT}#wait"), WAIT);
    let handles = both_handles(&format!("[export]{IT}"), "sip", "wait");
    let core = format!(
        r#"(module
            (import "[export]{IT}" "[task-return]pour" (func $return-pour (param i32)))
            (import "[export]{IT}" "[task-return]hold" (func $return-hold (param i32)))
            (import "[export]{IT}" "[task-return]sip" (func $return-sip))
            (import "[export]{IT}" "[task-return]wait" (func $return-wait (param i32)))
            {WAITING} {handles} {MEMORY} {AWAIT} {pour} {hold} {sip} {wait}
            (func (export "{IT}#pass") (param i32) (result i32) (local.get 0)))"#
    );
    component_of(
        "http-0.3",
        &format!("{FLOWS} world guest {{ export it; }}"),
        &core,
    )
}

/// A server that calls `flows`.
pub(crate) fn flow_caller(status: &str) -> Vec<u8> {
    let handles = both_handles(IT, "sip", "wait");
    let imports = format!(
        r#"(import "{IT}" "pour" (func $pour (param i32) (result i32)))
           (import "{IT}" "hold" (func $hold (param i32 i32) (result i32)))
           (import "{IT}" "[async-lower]sip" (func $sip (param i32) (result i32)))
           (import "{IT}" "[async-lower]wait" (func $begin-wait (param i32 i32) (result i32)))
           (import "{IT}" "pass" (func $pass (param i32) (result i32)))
           {handles}"#
    );
    server(FLOWS, &imports, status)
}
