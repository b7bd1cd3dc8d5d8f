//! `http://<component>.internal/`: bodies stream from one component to the other.

use std::process::Command;

use wisp_host::Profile;

use super::app::{App, Part};
use super::guests::{MEMORY, component};

const HTTP: &str = "wasi:http/types@0.2.12";
const STREAMS: &str = "wasi:io/streams@0.2.12";

/// What both guests import, and how they read the handle that a result has.
fn imports() -> String {
    format!(
        r#"(import "{HTTP}" "[constructor]fields" (func $fields (result i32)))
           (import "{HTTP}" "[method]incoming-request.consume" (func $consume-request (param i32 i32)))
           (import "{HTTP}" "[method]incoming-body.stream" (func $reader (param i32 i32)))
           (import "{HTTP}" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-response.body" (func $response-body (param i32 i32)))
           (import "{HTTP}" "[method]outgoing-body.write" (func $writer (param i32 i32)))
           (import "{HTTP}" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
           (import "{HTTP}" "[static]response-outparam.set" (func $answer (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
           (import "{STREAMS}" "[method]output-stream.blocking-splice" (func $splice (param i32 i32 i64 i32)))
           (import "{STREAMS}" "[resource-drop]output-stream" (func $drop-writer (param i32)))
           (import "{STREAMS}" "[resource-drop]input-stream" (func $drop-reader (param i32)))"#
    )
}

/// `$moved` hands on at most so many bytes, and gives how many those were, or -1 at the end; `$open` answers with a body
/// and gives where to write it.
const COMMON: &str = "
    (global $body (mut i32) (i32.const 0))
    (func $handle (result i32) (i32.load (i32.const 260)))
    (func $moved (param $to i32) (param $from i32) (param $most i64) (result i32)
        (call $splice (local.get $to) (local.get $from) (local.get $most) (i32.const 256))
        (if (result i32) (i32.load8_u (i32.const 256)) (then (i32.const -1)) (else (i32.load (i32.const 264)))))
    (func $open (param $out i32) (result i32)
        (local $response i32)
        (local.set $response (call $response (call $fields)))
        (call $response-body (local.get $response) (i32.const 256))
        (global.set $body (call $handle))
        (call $answer (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $writer (global.get $body) (i32.const 256))
        (call $handle))
    (func $received (param $request i32) (result i32)
        (call $consume-request (local.get $request) (i32.const 256))
        (call $reader (call $handle) (i32.const 256))
        (call $handle))
    (func $close (param $writer i32)
        (call $drop-writer (local.get $writer))
        (call $finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 256)))
";

fn guest(imports: &str, handle: &str) -> Vec<u8> {
    let core = format!(
        r#"(module {} {imports} {MEMORY} {COMMON}
            (data (i32.const 64) "echo.internal") (data (i32.const 120) "/")
            (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32) {handle}))"#,
        self::imports()
    );
    let wit = "world guest {
        import wasi:http/types@0.2.12; import wasi:http/outgoing-handler@0.2.12;
        export wasi:http/incoming-handler@0.2.12;
    }";
    component(wit, &core)
}

/// Answers before it has read anything, and then gives back what comes.
fn echo() -> Vec<u8> {
    guest(
        "",
        "(local $in i32) (local $to i32)
         (local.set $in (call $received (local.get $request)))
         (local.set $to (call $open (local.get $out)))
         (loop $more (br_if $more (i32.ne (i32.const -1)
            (call $moved (local.get $to) (local.get $in) (i64.const 65536)))))
         (call $close (local.get $to))",
    )
}

/// Sends its body to `http://echo.internal/`, whose answer must begin before that, and gives each piece back before it
/// takes the next.
fn relay() -> Vec<u8> {
    let imports = format!(
        r#"(import "{HTTP}" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.set-method" (func $set-method (param i32 i32 i32 i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.set-authority" (func $set-authority (param i32 i32 i32 i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.set-path-with-query" (func $set-path (param i32 i32 i32 i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.set-scheme" (func $set-scheme (param i32 i32 i32 i32 i32) (result i32)))
           (import "{HTTP}" "[method]outgoing-request.body" (func $request-body (param i32 i32)))
           (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $send (param i32 i32 i32 i32)))
           (import "{HTTP}" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
           (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
           (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop-pollable (param i32)))
           (import "{HTTP}" "[method]future-incoming-response.get" (func $get (param i32 i32)))
           (import "{HTTP}" "[method]incoming-response.consume" (func $consume-response (param i32 i32)))"#
    );
    guest(
        &imports,
        "(local $in i32) (local $sent i32) (local $upload i32) (local $up i32) (local $back i32) (local $to i32)
         (local $future i32) (local $pollable i32) (local $count i32)
         (local.set $in (call $received (local.get $request)))
         (local.set $sent (call $request (call $fields)))
         (drop (call $set-method (local.get $sent) (i32.const 2) (i32.const 0) (i32.const 0)))
         (drop (call $set-scheme (local.get $sent) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
         (drop (call $set-path (local.get $sent) (i32.const 1) (i32.const 120) (i32.const 1)))
         (drop (call $set-authority (local.get $sent) (i32.const 1) (i32.const 64) (i32.const 13)))
         (call $request-body (local.get $sent) (i32.const 256))
         (local.set $upload (call $handle))
         (call $writer (local.get $upload) (i32.const 256))
         (local.set $up (call $handle))
         (call $send (local.get $sent) (i32.const 0) (i32.const 0) (i32.const 256))
         (local.set $future (i32.load (i32.const 264)))
         (local.set $pollable (call $subscribe (local.get $future)))
         (call $block (local.get $pollable))
         (call $drop-pollable (local.get $pollable))
         (call $get (local.get $future) (i32.const 512))
         (call $consume-response (i32.load (i32.const 536)) (i32.const 256))
         (call $reader (call $handle) (i32.const 256))
         (local.set $back (call $handle))
         (local.set $to (call $open (local.get $out)))
         (block $end (loop $more
            (local.set $count (call $moved (local.get $up) (local.get $in) (i64.const 65536)))
            (br_if $end (i32.eq (local.get $count) (i32.const -1)))
            (loop $again
                (if (i32.gt_s (local.get $count) (i32.const 0)) (then
                    (local.set $count (i32.sub (local.get $count) (call $moved (local.get $to) (local.get $back)
                        (i64.extend_i32_u (local.get $count)))))
                    (br $again))))
            (br $more)))
         (call $drop-writer (local.get $up))
         (call $finish (local.get $upload) (i32.const 0) (i32.const 0) (i32.const 256))
         (if (i32.ne (i32.const -1) (call $moved (local.get $to) (local.get $back) (i64.const 65536)))
            (then (unreachable)))
         (call $close (local.get $to))",
    )
}

/// The most memory that this process had since the last time this was asked, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = line.unwrap().split_whitespace().nth(1).unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak.parse().unwrap()
}

/// Sends so many bytes, each piece when the one before came back; the head comes before all of them.
async fn exchange(app: &App, bytes: usize) {
    let piece = vec![b'x'; 100_000];
    let mut client = app.connect().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\n\r\n"
        ))
        .await;
    let head = client.head().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));

    for _ in 0..bytes / piece.len() {
        client.send(&piece).await;
        let mut back = 0;
        while back < piece.len() {
            back += client.chunk().await.len();
        }
        assert_eq!(back, piece.len());
    }

    assert!(client.chunk().await.is_empty());
}

#[tokio::test]
async fn bodies_stream_to_a_component_and_back_in_bounded_memory() {
    // Alone in a process, because memory is that of the whole process.
    let alone = "WISP_TEST_ALONE";
    if std::env::var_os(alone).is_none() {
        let name = "internal::bodies_stream_to_a_component_and_back_in_bounded_memory";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = child
            .args(["--exact", name])
            .env(alone, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    }
    for profile in [Profile::Sync, Profile::Async] {
        let part = |name, wasm| Part::new(name, wasm).on(profile).body(10_000_000);
        let app = App::serve(&[
            part("gateway", relay()).linked("http://echo.internal", "echo"),
            part("echo", echo()),
        ]);

        exchange(&app, 100_000).await;
        peak();
        let before = peak();
        exchange(&app, 10_000_000).await;
        let grown = peak() - before;

        assert!(grown < 4000, "{profile:?}: {grown} KiB more");
        app.end().await;
    }
}
