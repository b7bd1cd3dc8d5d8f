//! Requests to the outside.

use std::io::{Read, Write};

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme};

/// Sends a request to `http://host:port/path`, with the words that follow as its body.
pub fn send(method: &str, url: &str, rest: &[&str]) -> Result<String, String> {
    let (scheme, after) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = after.split_once('/').unwrap_or((after, ""));
    let request = OutgoingRequest::new(Fields::new());
    let wrong = |()| "refused to build it".to_owned();
    request.set_method(&kind(method)).map_err(wrong)?;
    request.set_scheme(Some(&protocol(scheme))).map_err(wrong)?;
    request.set_authority(Some(authority)).map_err(wrong)?;
    request
        .set_path_with_query(Some(&format!("/{path}")))
        .map_err(wrong)?;
    let body = request.body().map_err(wrong)?;
    let future = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    let mut stream = body.write().map_err(wrong)?;
    let _ = stream.write_all(rest.join(" ").as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => Ok(received(&response)),
        Some(Ok(Err(code))) => Err(format!("{code:?}")),
        _ => Err("taken twice".to_owned()),
    }
}

fn kind(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        other => Method::Other(other.to_owned()),
    }
}

fn protocol(scheme: &str) -> Scheme {
    match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    }
}

fn received(response: &IncomingResponse) -> String {
    let mut headers: Vec<_> = response
        .headers()
        .entries()
        .into_iter()
        .filter(|(name, _)| name != "date")
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(&value)))
        .collect();
    headers.sort();
    let mut text = String::new();
    if let Ok(body) = response.consume() {
        if let Ok(mut stream) = body.stream() {
            let _ = stream.read_to_string(&mut text);
        }
    }
    format!("{} [{}] {text}", response.status(), headers.join(";"))
}
