//! Streams, futures and async functions across links.

use wisp_host::Profile;

use super::{App, ON_THE_WAY};
use crate::app::Part;
use crate::async_support::{AWAIT, WAITING, future_handles, lifted, stream_handles};
use crate::guests::{MEMORY, caller, component_of, numbers, numbers_and};
use crate::guests3::{END, FOR_EVER, IT, SPIN, TRAP, flow_caller, flows, relay, relayed, server};

fn gateway(wasm: Vec<u8>) -> Part {
    Part::new("gateway", wasm)
        .on(Profile::Async)
        .linked(IT, "library")
}

fn library(wasm: Vec<u8>) -> Part {
    Part::new("library", wasm).on(Profile::Async)
}

/// An app whose gateway answers with what this computes from the library of flows.
fn flowing(status: &str, library: impl Fn(Part) -> Part) -> App {
    App::serve(&[
        gateway(flow_caller(status)),
        library(self::library(flows())),
    ])
}

fn same(part: Part) -> Part {
    part
}

#[tokio::test]
async fn streams_and_futures_of_all_numbers_and_of_text_cross_in_both_directions() {
    let text =
        r"\00\20\00\00\08\00\00\00\10\20\00\00\04\00\00\00\18\20\00\00\0d\00\00\00".to_owned();
    let numbers = |size: usize| {
        let items = (1..=3).map(|item: u8| format!(r"\0{item}") + &r"\00".repeat(size - 1));
        items.collect::<String>()
    };
    let cases = [
        ("bool", 1, r"\01\00\01".to_owned()),
        ("u8", 1, numbers(1)),
        ("s8", 1, numbers(1)),
        ("u16", 2, numbers(2)),
        ("s16", 2, numbers(2)),
        ("u32", 4, numbers(4)),
        ("s32", 4, numbers(4)),
        ("u64", 8, numbers(8)),
        ("s64", 8, numbers(8)),
        ("f32", 4, numbers(4)),
        ("f64", 8, numbers(8)),
        ("string", 8, text),
    ];
    for (ty, size, items) in cases {
        let app = App::serve(&[gateway(relayed(ty, size, &items)), library(relay(ty))]);

        assert_eq!(app.status().await, 200, "{ty}");

        app.end().await;
    }
}

#[tokio::test]
async fn streams_and_futures_cross_inside_of_records_options_and_results() {
    let wit = "interface it {
        record parcel { label: string, items: option<stream<u8>> }
        send: async func(parcel: parcel) -> result<future<u32>, string>;
    }";
    let handles =
        |module: &str| stream_handles(module, "send") + &future_handles(module, (1, "send"), "");
    let send = lifted(
        &format!("{IT}#send"),
        "(param $label i32) (param $length i32) (param $some i32) (param $items i32) (result i32)
         (local $new i64) (local $writer i32)
         (local.set $new (call $new-future))
         (local.set $writer (call $writer (local.get $new)))
         (call $return-send (i32.const 0) (call $reader (local.get $new)) (i32.const 0))
         (i32.store (i32.const 1024) (i32.add (local.get $length) (i32.shr_u
            (call $await (local.get $items) (call $read (local.get $items) (i32.const 2048) (i32.const 100)))
            (i32.const 4))))
         (call $drop-reader (local.get $items))
         (drop (call $await (local.get $writer) (call $give (local.get $writer) (i32.const 1024))))
         (call $drop-giver (local.get $writer))",
    );
    let exported = format!("[export]{IT}");
    let core = format!(
        r#"(module (import "{exported}" "[task-return]send" (func $return-send (param i32 i32 i32)))
            {WAITING} {} {MEMORY} {AWAIT} {send})"#,
        handles(&exported)
    );
    let receiver = component_of(
        "http-0.3",
        &format!("{wit} world guest {{ export it; }}"),
        &core,
    );
    let sender = server(
        wit,
        &format!(
            r#"(import "{IT}" "send" (func $send (param i32 i32 i32 i32 i32))) {}"#,
            handles(IT)
        ),
        "(local $items i64) (local $writer i32) (local $count i32)
         (local.set $items (call $new-stream))
         (local.set $writer (call $writer (local.get $items)))
         (call $send (i32.const 4096) (i32.const 5) (i32.const 1) (call $reader (local.get $items)) (i32.const 1024))
         (drop (call $await (local.get $writer) (call $write (local.get $writer) (i32.const 0) (i32.const 10))))
         (call $drop-writer (local.get $writer))
         (local.set $count (i32.load (i32.const 1028)))
         (drop (call $await (local.get $count) (call $get (local.get $count) (i32.const 2048))))
         (i32.add (i32.const 200) (i32.load (i32.const 2048)))",
    );
    let app = App::serve(&[gateway(sender), library(receiver)]);

    // Five letters of the label and ten bytes.
    assert_eq!(app.status().await, 215);

    app.end().await;
}

#[tokio::test]
async fn a_slow_reader_slows_its_writer() {
    let status = "(local $items i64) (local $go i64) (local $total i32) (local $writer i32) (local $chunks i32)
        (local.set $items (call $new-stream))
        (local.set $go (call $new-future))
        (local.set $total (call $hold (call $reader (local.get $items)) (call $reader (local.get $go))))
        (local.set $writer (call $writer (local.get $items)))
        (loop $more
            (if (i32.ne (call $write (local.get $writer) (i32.const 0) (i32.const 65536)) (i32.const -1)) (then
                (local.set $chunks (i32.add (local.get $chunks) (i32.const 1)))
                (br $more))))
        (drop (call $await (call $writer (local.get $go)) (call $give (call $writer (local.get $go)) (i32.const 1024))))
        (drop (call $await (local.get $writer) (i32.const -1)))
        (call $drop-writer (local.get $writer))
        (drop (call $await (local.get $total) (call $get (local.get $total) (i32.const 1024))))
        (if (i32.ne (i32.load (i32.const 1024)) (i32.mul (i32.const 65536)
                (i32.add (i32.const 1) (local.get $chunks)))) (then (return (i32.const 501))))
        (i32.add (i32.const 200) (local.get $chunks))";
    let app = flowing(status, same);

    // What is on its way is not more; the next one waits until the reader reads, and then all of it arrives.
    let sent = app.status().await - 200;
    assert!(
        ON_THE_WAY.contains(&sent),
        "{sent} pieces were on their way"
    );

    app.end().await;
}

#[tokio::test]
async fn a_reader_that_drops_its_end_ends_the_writer() {
    let status = "(local $items i64) (local $writer i32) (local $call i32)
        (local.set $items (call $new-stream))
        (local.set $writer (call $writer (local.get $items)))
        (local.set $call (call $sip (call $reader (local.get $items))))
        (loop $more (br_if $more (i32.ne (i32.const 1) (i32.and (i32.const 15)
            (call $await (local.get $writer) (call $write (local.get $writer) (i32.const 0) (i32.const 65536)))))))
        (call $drop-writer (local.get $writer))
        (call $returned (local.get $call))
        (i32.const 222)";
    let app = flowing(status, same);

    assert_eq!(app.status().await, 222);

    app.end().await;
}

/// Reads a stream to its end, and gives how many bytes that were.
const COUNT: &str = "
    (loop $more
        (local.set $code (call $await (local.get $items)
            (call $read (local.get $items) (i32.const 2048) (i32.const 50000))))
        (local.set $count (i32.add (local.get $count) (i32.shr_u (local.get $code) (i32.const 4))))
        (br_if $more (i32.eqz (i32.and (local.get $code) (i32.const 15)))))
    (call $drop-reader (local.get $items))
    (i32.add (i32.const 200) (local.get $count))";

fn poured(how: u32) -> String {
    format!(
        "(local $items i32) (local $code i32) (local $count i32)
         (local.set $items (call $pour (i32.const {how}))) {COUNT}"
    )
}

#[tokio::test]
async fn an_instance_and_its_permit_live_until_the_last_stream_has_ended() {
    let open = format!("(drop (call $pour (i32.const {FOR_EVER})))");
    let dropped = format!(
        "(local.set $items (call $pour (i32.const {FOR_EVER})))
         (drop (call $await (local.get $items) (call $read (local.get $items) (i32.const 2048) (i32.const 10))))
         (call $drop-reader (local.get $items))"
    );
    let then = |first: &str| {
        let (locals, rest) = split(&poured(END));
        format!("{locals} {first} {rest}")
    };
    let overloaded = flowing(&then(&open), |part| part.at_once(1, 0));
    let waiting = flowing(&then(&dropped), |part| part.at_once(1, 1));

    assert_eq!(overloaded.status().await, 502);
    assert_eq!(waiting.status().await, 210);

    overloaded.end().await;
    waiting.end().await;
}

/// The locals of a body, and the rest.
fn split(body: &str) -> (String, String) {
    let end = body.find("(local.set").unwrap();
    (body[..end].to_owned(), body[end..].to_owned())
}

#[tokio::test]
async fn a_stream_that_its_writer_did_not_end_is_a_trap_of_its_reader_not_an_end() {
    let ended = flowing(&poured(END), same);
    let trapped = flowing(&poured(TRAP), same);
    let late = flowing(&poured(SPIN), |part| part.timeout_ms(50));

    assert_eq!(ended.status().await, 210);
    assert_eq!(trapped.status().await, 502);
    assert_eq!(late.status().await, 502);

    for app in [ended, trapped, late] {
        app.end().await;
    }
}

#[tokio::test]
async fn a_stream_of_another_component_can_be_the_body_of_a_response() {
    let answer =
        |how: u32| format!("(global.set $body (call $pour (i32.const {how}))) (i32.const 200)");
    let ended = flowing(&answer(END), same);
    let trapped = flowing(&answer(TRAP), same);
    let late = flowing(&answer(SPIN), |part| part.timeout_ms(50));

    let mut client = ended.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.reply().await.body.len(), 10);
    for app in [trapped, late] {
        let mut client = app.connect().await;
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let all = client.rest().await;
        // The callee may fail before the head is sent, which is a 502, or after it.
        let whole = all.starts_with(b"HTTP/1.1 200") && all.ends_with(b"0\r\n\r\n");
        assert!(!whole, "it was cut off, and looks complete");
        app.end().await;
    }

    drop(client);
    ended.end().await;
}

#[tokio::test]
async fn a_caller_that_ends_takes_the_callee_along_while_a_stream_is_open() {
    let held = "(local $items i64) (local $go i64)
        (local.set $items (call $new-stream))
        (local.set $go (call $new-future))
        (drop (call $hold (call $reader (local.get $items)) (call $reader (local.get $go))))";
    let trapped = App::serve(&[
        gateway(flow_caller(&format!("{held} (unreachable)"))),
        library(flows()),
    ]);
    let late = App::serve(&[
        gateway(flow_caller(&format!(
            "{held} (loop $spin (br $spin)) (unreachable)"
        )))
        .timeout_ms(50),
        library(flows()),
    ]);

    assert_eq!(trapped.status().await, 502);
    trapped.idle("library").await;
    assert_eq!(late.status().await, 504);
    late.idle("library").await;

    trapped.end().await;
    late.end().await;
}

#[tokio::test]
async fn a_callee_does_not_take_what_a_trapped_caller_sent_for_all_of_it() {
    let it = "interface it { count: func() -> u32; audit: async func(items: stream<u8>); }";
    let audit = lifted(
        &format!("{IT}#audit"),
        "(param $items i32) (result i32)
         (loop $more (br_if $more (i32.eqz (i32.and (i32.const 15) (call $await (local.get $items)
            (call $read (local.get $items) (i32.const 2048) (i32.const 100)))))))
         (drop (call $count))
         (call $drop-reader (local.get $items))
         (call $return-audit)",
    );
    let exported = format!("[export]{IT}");
    let core = format!(
        r#"(module
            (import "test:links/numbers" "count" (func $count (result i32)))
            (import "{exported}" "[task-return]audit" (func $return-audit))
            {WAITING} {} {MEMORY} {AWAIT} {audit}
            (func (export "{IT}#count") (result i32) (call $count)))"#,
        stream_handles(&exported, "audit")
    );
    let wit = format!(
        "{it} interface numbers {{ count: func() -> u32; }} world guest {{ import numbers; export it; }}"
    );
    let auditor = component_of("http-0.3", &wit, &core);
    // The first request traps while its stream is open.
    let status = "(local $count i32) (local $items i64) (local $writer i32) (local $call i32)
        (local.set $count (call $count))
        (local.set $items (call $new-stream))
        (local.set $writer (call $writer (local.get $items)))
        (local.set $call (call $audit (call $reader (local.get $items))))
        (drop (call $await (local.get $writer) (call $write (local.get $writer) (i32.const 0) (i32.const 10))))
        (if (i32.eq (local.get $count) (i32.const 1)) (then (unreachable)))
        (call $drop-writer (local.get $writer))
        (call $returned (local.get $call))
        (i32.add (i32.const 200) (call $count))";
    let imports = format!(
        r#"(import "{IT}" "count" (func $count (result i32)))
           (import "{IT}" "[async-lower]audit" (func $audit (param i32) (result i32))) {}"#,
        stream_handles(IT, "audit")
    );
    let app = App::serve(&[
        gateway(server(it, &imports, status)),
        library(auditor).linked("test:links/numbers", "numbers"),
        Part::new("numbers", numbers()).reuse(10),
    ]);

    let first = app.status().await;
    app.idle("library").await;
    let second = app.status().await;

    // Counted: the first request, the second, its audit, and its end.
    assert_eq!([first, second], [502, 204]);

    app.end().await;
}

#[tokio::test]
async fn a_caller_has_several_async_calls_in_progress_at_once() {
    let status = "(local $a i64) (local $b i64) (local $c i64) (local $call-a i32) (local $call-b i32) (local $call-c i32)
        (local.set $a (call $new-future)) (local.set $b (call $new-future)) (local.set $c (call $new-future))
        (local.set $call-a (call $begin-wait (call $reader (local.get $a)) (i32.const 2048)))
        (local.set $call-b (call $begin-wait (call $reader (local.get $b)) (i32.const 2052)))
        (local.set $call-c (call $begin-wait (call $reader (local.get $c)) (i32.const 2056)))
        (i32.store (i32.const 1024) (i32.const 3))
        (drop (call $await (call $writer (local.get $c)) (call $give (call $writer (local.get $c)) (i32.const 1024))))
        (call $returned (local.get $call-c))
        (i32.store (i32.const 1024) (i32.const 10))
        (drop (call $await (call $writer (local.get $a)) (call $give (call $writer (local.get $a)) (i32.const 1024))))
        (call $returned (local.get $call-a))
        (i32.store (i32.const 1024) (i32.const 20))
        (drop (call $await (call $writer (local.get $b)) (call $give (call $writer (local.get $b)) (i32.const 1024))))
        (call $returned (local.get $call-b))
        (i32.add (i32.const 200) (i32.add (i32.load (i32.const 2048))
            (i32.add (i32.load (i32.const 2052)) (i32.load (i32.const 2056)))))";
    let app = flowing(status, same);

    assert_eq!(app.status().await, 233);
    app.idle("library").await;

    app.end().await;
}

#[tokio::test]
async fn the_caller_s_deadline_ends_an_async_call() {
    let status = "(local $go i64)
        (local.set $go (call $new-future))
        (call $returned (call $begin-wait (call $reader (local.get $go)) (i32.const 2048)))
        (i32.const 200)";
    let app = App::serve(&[
        gateway(flow_caller(status)).timeout_ms(50),
        library(flows()).at_once(1, 0),
    ]);

    assert_eq!(app.status().await, 504);
    app.idle("library").await;

    app.end().await;
}

#[tokio::test]
async fn a_plain_function_gives_back_the_stream_that_it_was_given() {
    let status = format!(
        "(local $sent i64) (local $items i32) (local $code i32) (local $count i32)
         (local.set $sent (call $new-stream))
         (local.set $items (call $pass (call $reader (local.get $sent))))
         (drop (call $await (call $writer (local.get $sent))
            (call $write (call $writer (local.get $sent)) (i32.const 0) (i32.const 33))))
         (call $drop-writer (call $writer (local.get $sent)))
         {COUNT}"
    );
    let app = flowing(&status, same);

    assert_eq!(app.status().await, 233);
    app.idle("library").await;

    app.end().await;
}

#[tokio::test]
async fn guests_of_wasi_0_3_and_of_0_2_call_each_other() {
    let wit = "interface it { add: func(a: u32, b: u32) -> u32; }";
    let add = format!(r#"(import "{IT}" "add" (func $add (param i32 i32) (result i32)))"#);
    let newer = server(
        wit,
        &add,
        "(i32.add (i32.const 200) (call $add (i32.const 1) (i32.const 2)))",
    );
    let older = component_of(
        "http-0.2",
        &format!("{wit} world guest {{ export it; }}"),
        &format!(
            r#"(module (func (export "{IT}#add") (param i32 i32) (result i32)
                (i32.add (local.get 0) (local.get 1))))"#
        ),
    );
    // This one cannot be of 0.2, because it has an async function too.
    let waiting = numbers_and(
        "later: async func();",
        r#"(func (export "[callback][async-lift]test:links/numbers#later") (param i32 i32 i32) (result i32) (unreachable))
           (func (export "[async-lift]test:links/numbers#later") (result i32) (unreachable))"#,
    );
    let down = App::serve(&[
        gateway(newer.clone()),
        library(older.clone()).on(Profile::Sync),
    ]);
    let beside = App::serve(&[gateway(newer), library(older)]);
    let up = App::serve(&[
        Part::new("gateway", caller(crate::ADD)).linked("test:links/numbers", "numbers"),
        Part::new("numbers", waiting).on(Profile::Async),
    ]);

    assert_eq!(down.status().await, 203);
    assert_eq!(beside.status().await, 203);
    assert_eq!(up.status().await, 203);

    down.end().await;
    beside.end().await;
    up.end().await;
}
