//! One component of `wasi:http` 0.2 with every behaviour that the tests need.
//!
//! The last segment of the path chooses, whatever the route is; numbers come from the query: `/slow?ms=20`.

mod files;
mod message;
mod outside;
mod passing;
mod sockets;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{Fields, IncomingBody, IncomingRequest, OutgoingBody, ResponseOutparam};

use message::{Answer, Query, describe, fields, start, text};

wasip2::http::proxy::export!(Guest);

struct Guest;

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = Query(query);
        match path.rsplit('/').next().unwrap_or_default() {
            "echo" => echo(&request, out),
            "sse" => events(out, &query),
            "trailers" => trailers(&request, out),
            "trap" => panic!("trapped on request"),
            "break" => break_off(out),
            "spin" => spin(),
            "slow" => slow(out, &query),
            "memory" => memory(out, &query),
            "headers" => text(out, 200, "application/json", describe(&request).as_bytes()),
            "print" => print(out),
            "counter" => counter(out),
            "huge" => huge(out, &query),
            "silent" => {}
            "status" => text(
                out,
                query.number("code", 200) as u16,
                "text/plain",
                b"as asked",
            ),
            "environment" => environment(out),
            "send" => json(out, outside::send(&outside::asked(&request))),
            "sends" => {
                let asked = outside::asked(&request);
                let asked = asked.as_array().into_iter().flatten();
                json(out, asked.map(outside::send).collect());
            }
            "socket" => json(out, sockets::socket(&outside::asked(&request))),
            "sockets" => json(out, sockets::sockets(&outside::asked(&request))),
            "pass" => match passing::pass(query.0) {
                Ok((status, body)) => text(out, status, "application/json", &body),
                Err(error) => text(out, 200, "text/plain", error.as_bytes()),
            },
            "files" => list_root(out),
            "steps" => steps(&request, out),
            "flood" => flood(out, &query),
            "handles" => handles(out, &query),
            "toil" => toil(out),
            "promise" => promise(out, &query),
            "unread" => text(out, 200, "text/plain", b"unread"),
            _ => text(out, 200, "text/plain", b"Hello, world!"),
        }
    }
}

fn json(out: ResponseOutparam, value: serde_json::Value) {
    text(out, 200, "application/json", value.to_string().as_bytes());
}

/// Streams the body back while it arrives, 64 KiB at a time.
fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let kind = request.headers().get("content-type").pop();
    let kind = kind.unwrap_or_else(|| b"application/octet-stream".to_vec());
    let body = request.consume().expect("the body is read once");
    let mut input = body.stream().expect("the stream is taken once");
    let answer = start(out, 200, fields(&[("content-type", &kind)]));
    let mut output = answer.stream();
    let mut buffer = vec![0; 65536];
    loop {
        let length =
            Read::read(&mut input, &mut buffer).expect("the client sends its body to the end");
        if length == 0 {
            break;
        }
        output
            .write_all(&buffer[..length])
            .expect("the client reads");
    }
    drop((input, output));
    answer.finish(None);
}

/// Server-sent events with a pause after each: `?events=3&pause=50`.
fn events(out: ResponseOutparam, query: &Query) {
    let headers = fields(&[
        ("content-type", b"text/event-stream"),
        ("cache-control", b"no-cache"),
    ]);
    let answer = start(out, 200, headers);
    let mut output = answer.stream();
    for number in 0..query.number("events", 3) {
        write!(output, "id: {number}\ndata: event {number}\n\n").expect("the client reads");
        output.flush().expect("the client reads");
        pause(query.number("pause", 50));
    }
    drop(output);
    answer.finish(None);
}

/// Answers with trailers: one of its own, and each of the request's with `seen-` before its name.
fn trailers(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is read once");
    let mut input = body.stream().expect("the stream is taken once");
    let mut text = Vec::new();
    input
        .read_to_end(&mut text)
        .expect("the client sends its body to the end");
    drop(input);
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    let trailers = Fields::new();
    trailers
        .append("x-length", text.len().to_string().as_bytes())
        .expect("a good field");
    if let Some(Ok(Ok(Some(received)))) = future.get() {
        for (name, value) in received.entries() {
            trailers
                .append(&format!("seen-{name}"), &value)
                .expect("a good field");
        }
    }
    let headers = fields(&[("content-type", b"text/plain"), ("trailer", b"x-length")]);
    let answer = start(out, 200, headers);
    answer.stream().write_all(&text).expect("the client reads");
    answer.finish(Some(trailers));
}

/// Traps in the middle of a body.
fn break_off(out: ResponseOutparam) {
    let answer = start(out, 200, fields(&[("content-type", b"text/plain")]));
    let mut output = answer.stream();
    output
        .write_all(b"the first half")
        .expect("the client reads");
    output.flush().expect("the client reads");
    panic!("trapped in the middle of a body");
}

fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

/// Sleeps, then answers: `?ms=100`.
fn slow(out: ResponseOutparam, query: &Query) {
    pause(query.number("ms", 100));
    text(out, 200, "text/plain", b"slept");
}

fn pause(milliseconds: u64) {
    monotonic_clock::subscribe_duration(milliseconds * 1_000_000).block();
}

/// Touches every page of `?mib=64`.
fn memory(out: ResponseOutparam, query: &Query) {
    let mib = query.number("mib", 64) as usize;
    let mut hog = Vec::<u8>::with_capacity(mib << 20);
    hog.resize(mib << 20, 1);
    let sum: usize = std::hint::black_box(&hog)
        .iter()
        .step_by(4096)
        .map(|byte| usize::from(*byte))
        .sum();
    text(
        out,
        200,
        "text/plain",
        format!("touched {sum} pages").as_bytes(),
    );
}

fn print(out: ResponseOutparam) {
    println!("a line on standard output");
    eprintln!("a line on standard error");
    print!("a last line without its end");
    std::io::stdout().flush().expect("standard output is open");
    text(out, 200, "text/plain", b"printed");
}

/// How many requests this instance has answered, this one included.
fn counter(out: ResponseOutparam) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    text(out, 200, "text/plain", count.to_string().as_bytes());
}

/// `?bytes=10000000` of a repeated pattern, of unknown length to the client.
fn huge(out: ResponseOutparam, query: &Query) {
    let answer = start(
        out,
        200,
        fields(&[("content-type", b"application/octet-stream")]),
    );
    let mut output = answer.stream();
    let pattern: Vec<u8> = (0..=255).cycle().take(65536).collect();
    let mut left = query.number("bytes", 10_000_000) as usize;
    while left > 0 {
        let length = left.min(pattern.len());
        output
            .write_all(&pattern[..length])
            .expect("the client reads");
        left -= length;
    }
    drop(output);
    answer.finish(None);
}

/// Writes `?lines=1000` of `?bytes=100` to standard output.
fn flood(out: ResponseOutparam, query: &Query) {
    let line = "x".repeat(query.number("bytes", 100) as usize - 1);
    for _ in 0..query.number("lines", 1000) {
        println!("{line}");
    }
    text(out, 200, "text/plain", b"flooded");
}

/// Holds `?count=1000` resources at once.
fn handles(out: ResponseOutparam, query: &Query) {
    let kept: Vec<_> = (0..query.number("count", 1000))
        .map(|_| Fields::new())
        .collect();
    let count = kept.len().to_string();
    text(out, 200, "text/plain", count.as_bytes());
}

/// Answers, and computes without end before the body does.
fn toil(out: ResponseOutparam) -> ! {
    let answer = start(out, 200, fields(&[("content-type", b"text/plain")]));
    let mut output = answer.stream();
    output
        .write_all(b"the first half")
        .expect("the client reads");
    output.flush().expect("the client reads");
    spin()
}

/// Promises a body of `?bytes=1000` and sends none of it.
fn promise(out: ResponseOutparam, query: &Query) {
    let length = query.number("bytes", 1000).to_string();
    let headers = fields(&[("content-length", length.as_bytes())]);
    drop(start(out, 200, headers).stream());
}

/// The environment as a JSON object.
fn environment(out: ResponseOutparam) {
    let variables: serde_json::Map<_, _> = std::env::vars()
        .map(|(name, value)| (name, value.into()))
        .collect();
    text(
        out,
        200,
        "application/json",
        serde_json::Value::Object(variables).to_string().as_bytes(),
    );
}

/// Does with files what the body says.
fn steps(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is read once");
    let mut input = body.stream().expect("the stream is taken once");
    let mut steps = Vec::new();
    input
        .read_to_end(&mut steps)
        .expect("the client sends its body to the end");
    let results = files::run(&steps).to_string();
    text(out, 200, "application/json", results.as_bytes());
}

/// What the root folder holds, or why it cannot be read.
fn list_root(out: ResponseOutparam) {
    let listing = match std::fs::read_dir("/") {
        Ok(entries) => format!("{} entries", entries.count()),
        Err(error) => format!("refused: {error}"),
    };
    text(out, 200, "text/plain", listing.as_bytes());
}

impl Answer {
    /// Ends the body, with trailers or without.
    fn finish(self, trailers: Option<Fields>) {
        // The client may be gone by now; the host knows, and nobody else has to.
        let _ = OutgoingBody::finish(self.body, trailers);
    }
}
