//! The cyber service in Rust.

mod packet;

use std::io::{Read, Write};

use packet::{Packet, Refusal};
use serde::Serialize;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wasip2::http::proxy::export!(Service);

const FACTOR: u64 = 0xBEEF;

struct Service;

impl wasip2::exports::http::incoming_handler::Guest for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match read(&request).and_then(|body| Packet::parse(&body)) {
            Ok(packet) => send(out, 200, "application/json", &Answer::to(&packet)),
            Err(refusal) => send(out, 400, "application/problem+json", &Problem::of(&refusal)),
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    status: &'static str,
    verification_hash: String,
}

impl<'a> Answer<'a> {
    fn to(packet: &'a Packet) -> Self {
        let hash = u64::from(packet.encryption_level) * FACTOR;
        Answer {
            id: &packet.id,
            status: "SECURE_VERIFIED",
            verification_hash: format!("{hash:#x}"),
        }
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    field: &'static str,
}

impl<'a> Problem<'a> {
    fn of(refusal: &'a Refusal) -> Self {
        let Refusal { field, detail } = refusal;
        Problem {
            r#type: "about:blank",
            title: "Bad Request",
            status: 400,
            detail,
            field,
        }
    }
}

fn read(request: &IncomingRequest) -> Result<Vec<u8>, Refusal> {
    let early = |_| Refusal::new("body", "the body ended early");
    let body = request.consume().map_err(early)?;
    let mut stream = body.stream().map_err(early)?;
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => early(()).into(),
    }
}

/// Sends a whole answer. A client that has gone is the host's business, so errors of writing are dropped.
fn send(out: ResponseOutparam, status: u16, kind: &str, content: &impl Serialize) {
    let content = serde_json::to_vec(content).unwrap_or_default();
    let headers = Fields::new();
    let _ = headers.append("content-type", kind.as_bytes());
    let _ = headers.append("content-length", content.len().to_string().as_bytes());
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(status);
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    let Ok(body) = body else { return };
    if let Ok(mut stream) = body.write() {
        let _ = stream.write_all(&content);
    }
    let _ = OutgoingBody::finish(body, None);
}
