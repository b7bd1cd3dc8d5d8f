//! Bodies through `wasi:http` 0.2, as `benches/native/src/bin/hyper-bodies.rs` does it without a component.
//!
//! `/up` reads the request's body and answers with its length, `/down` answers with ten million bytes, `/echo` sends back
//! what arrives while it arrives. Everything else is greeted.

use std::io::Write;

use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

const GREETING: &[u8] = b"Hello, world!";
const DOWN: usize = 10_000_000;
const PIECE: usize = 64 * 1024;

wasip2::http::proxy::export!(Guest);

struct Guest;

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match request.path_with_query().as_deref() {
            Some("/up") => up(&request, out),
            Some("/down") => down(out),
            Some("/echo") => echo(&request, out),
            _ => answer(out, GREETING),
        }
    }
}

fn up(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let mut length = 0;
    pieces(&body, |piece| length += piece.len());
    answer(out, length.to_string().as_bytes());
}

fn down(out: ResponseOutparam) {
    let body = start(out, &DOWN.to_string().into_bytes());
    let piece = vec![b'x'; PIECE];
    let mut output = body.write().expect("the stream is taken once");
    let mut left = DOWN;
    while left > 0 {
        let length = left.min(PIECE);
        output
            .write_all(&piece[..length])
            .expect("the client reads");
        left -= length;
    }
    drop(output);
    OutgoingBody::finish(body, None).expect("the length is right");
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let length = request.headers().get("content-length").pop();
    let answered = start(out, &length.expect("a body of known length"));
    let mut output = answered.write().expect("the stream is taken once");
    let body = request.consume().expect("the body is taken once");
    pieces(&body, |piece| {
        output.write_all(piece).expect("the client reads")
    });
    drop(output);
    OutgoingBody::finish(answered, None).expect("the length is right");
}

/// Reads a body to its end.
fn pieces(body: &IncomingBody, mut each: impl FnMut(&[u8])) {
    let input = body.stream().expect("the stream is taken once");
    loop {
        match input.blocking_read(PIECE as u64) {
            Ok(piece) => each(&piece),
            Err(StreamError::Closed) => return,
            Err(error) => panic!("the client sends its body to the end: {error}"),
        }
    }
}

fn answer(out: ResponseOutparam, content: &[u8]) {
    let body = start(out, content.len().to_string().as_bytes());
    let mut output = body.write().expect("the stream is taken once");
    output.write_all(content).expect("the client reads");
    drop(output);
    OutgoingBody::finish(body, None).expect("the length is right");
}

/// Sends the head.
fn start(out: ResponseOutparam, length: &[u8]) -> OutgoingBody {
    let headers = Fields::new();
    for (name, value) in [
        ("content-type", &b"text/plain"[..]),
        ("content-length", length),
    ] {
        headers.set(name, &[value.to_vec()]).expect("a good field");
    }
    let response = OutgoingResponse::new(headers);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    body
}
