//! Requests to the outside, as the body of the request asks for them in JSON.

use std::io::{Read, Write};

use serde_json::{Value, json};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

/// The body of a request, as JSON.
pub fn asked(request: &IncomingRequest) -> Value {
    let body = request.consume().expect("the body is read once");
    let mut text = Vec::new();
    body.stream()
        .expect("the stream is taken once")
        .read_to_end(&mut text)
        .expect("the client sends its body to the end");
    serde_json::from_slice(&text).expect("JSON")
}

/// Sends one request: `method`, `scheme`, `authority`, `path`, `headers`, `body`, and times in milliseconds.
///
/// Gives `status`, `headers` and `body`; `error` with the code, or `refused` with what could not even be set.
pub fn send(asked: &Value) -> Value {
    match request(asked) {
        Err(what) => json!({ "refused": what }),
        Ok((request, content)) => match exchange(request, content, options(asked)) {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{error:?}") }),
        },
    }
}

/// A field that is text.
pub fn text<'a>(asked: &'a Value, name: &str) -> Option<&'a str> {
    asked.get(name).and_then(Value::as_str)
}

fn request(asked: &Value) -> Result<(OutgoingRequest, Option<&str>), &'static str> {
    let headers = Fields::new();
    for pair in asked["headers"].as_array().into_iter().flatten() {
        let (name, value) = (pair[0].as_str(), pair[1].as_str());
        let (name, value) = (name.expect("a name"), value.expect("a value"));
        headers
            .append(name, value.as_bytes())
            .map_err(|_| "header")?;
    }
    let request = OutgoingRequest::new(headers);
    let method = match text(asked, "method") {
        None | Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        Some(other) => Method::Other(other.to_owned()),
    };
    request.set_method(&method).map_err(|()| "method")?;
    let scheme = match text(asked, "scheme") {
        None | Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(other) => Scheme::Other(other.to_owned()),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    request
        .set_authority(text(asked, "authority"))
        .map_err(|()| "authority")?;
    request
        .set_path_with_query(text(asked, "path"))
        .map_err(|()| "path")?;
    Ok((request, text(asked, "body")))
}

fn options(asked: &Value) -> RequestOptions {
    let options = RequestOptions::new();
    let time = |name: &str| asked[name].as_u64().map(|time| time * 1_000_000);
    options.set_connect_timeout(time("connect")).expect("a time");
    options
        .set_first_byte_timeout(time("first_byte"))
        .expect("a time");
    options
        .set_between_bytes_timeout(time("between_bytes"))
        .expect("a time");
    options
}

fn exchange(
    request: OutgoingRequest,
    content: Option<&str>,
    options: RequestOptions,
) -> Result<Value, ErrorCode> {
    let body = request.body().expect("the body is taken once");
    let sending = outgoing_handler::handle(request, Some(options))?;
    if let Some(content) = content {
        let mut stream = body.write().expect("the stream is taken once");
        // A server that is not reached takes none of it.
        let _ = stream.write_all(content.as_bytes());
    }
    let _ = OutgoingBody::finish(body, None);
    sending.subscribe().block();
    let response = sending.get().expect("it is ready").expect("taken once")?;
    let headers: Vec<_> = response.headers().entries();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let status = response.status();
    let body = read(&response)?;
    Ok(json!({ "status": status, "headers": headers, "body": body }))
}

fn read(response: &IncomingResponse) -> Result<String, ErrorCode> {
    let body: IncomingBody = response.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut text = Vec::new();
    loop {
        match stream.blocking_read(65536) {
            Ok(piece) => text.extend(piece),
            Err(StreamError::Closed) => return Ok(String::from_utf8_lossy(&text).into_owned()),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(code.unwrap_or(ErrorCode::InternalError(None)));
            }
        }
    }
}
