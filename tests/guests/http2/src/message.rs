//! Requests and responses: the little that the behaviours share.

use std::io::Write;

use serde_json::json;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::OutputStream;

/// A query string whose values are plain numbers.
pub struct Query<'a>(pub &'a str);

impl Query<'_> {
    /// The number of that name, or the default.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }
}

/// A response whose head has been sent.
pub struct Answer {
    pub body: OutgoingBody,
}

impl Answer {
    /// The body's stream; drop it before the body is finished.
    pub fn stream(&self) -> OutputStream {
        self.body.write().expect("the stream is taken once")
    }
}

/// Header fields from names and values.
pub fn fields(pairs: &[(&str, &[u8])]) -> Fields {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_string(), value.to_vec()))
        .collect();
    Fields::from_list(&pairs).expect("good fields")
}

/// Sends the head.
pub fn start(out: ResponseOutparam, status: u16, headers: Fields) -> Answer {
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a good status");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    Answer { body }
}

/// A whole answer whose length is known.
pub fn text(out: ResponseOutparam, status: u16, kind: &str, content: &[u8]) {
    let length = content.len().to_string();
    let headers = fields(&[
        ("content-type", kind.as_bytes()),
        ("content-length", length.as_bytes()),
    ]);
    let answer = start(out, status, headers);
    let mut stream = answer.stream();
    // A HEAD request's body may be refused by the host: that is no fault of ours.
    let _ = stream.write_all(content);
    drop(stream);
    let _ = OutgoingBody::finish(answer.body, None);
}

/// The head of a request as JSON: method, target, scheme, authority and all header fields in order.
pub fn describe(request: &IncomingRequest) -> String {
    let headers: Vec<_> = request.headers().entries();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    json!({
        "method": method(request.method()),
        "target": request.path_with_query(),
        "scheme": request.scheme().map(scheme),
        "authority": request.authority(),
        "headers": headers,
    })
    .to_string()
}

fn method(method: Method) -> String {
    match method {
        Method::Get => "GET".into(),
        Method::Head => "HEAD".into(),
        Method::Post => "POST".into(),
        Method::Put => "PUT".into(),
        Method::Delete => "DELETE".into(),
        Method::Connect => "CONNECT".into(),
        Method::Options => "OPTIONS".into(),
        Method::Trace => "TRACE".into(),
        Method::Patch => "PATCH".into(),
        Method::Other(name) => name,
    }
}

fn scheme(scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => "http".into(),
        Scheme::Https => "https".into(),
        Scheme::Other(name) => name,
    }
}
