//! What is asked and what is said.

use std::io::{Read, Write};

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// What a verb gives: an answer, or an error by its name.
pub type Said = Result<Vec<u8>, String>;

/// A request, taken apart.
pub struct Ask {
    pub capability: String,
    pub verb: String,
    pub body: Vec<u8>,
    query: String,
}

impl Ask {
    pub fn read(request: &IncomingRequest) -> Self {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut segments = path.rsplit('/');
        let verb = segments.next().unwrap_or_default().to_owned();
        let capability = segments.next().unwrap_or_default().to_owned();
        let consumed = request.consume().expect("the body is read once");
        let mut body = Vec::new();
        let mut input = consumed.stream().expect("the stream is taken once");
        input
            .read_to_end(&mut body)
            .expect("the client sends its body to the end");
        Self {
            capability,
            verb,
            body,
            query: query.to_owned(),
        }
    }

    /// The value of that name in the query, as it stands there; nothing is decoded.
    pub fn find(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The same, or an empty text.
    pub fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The number of that name, or the default.
    pub fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        let number = self.find(name).and_then(|value| value.parse().ok());
        number.unwrap_or(default)
    }
}

pub fn json(value: &serde_json::Value) -> Said {
    Ok(value.to_string().into_bytes())
}

pub fn send(out: ResponseOutparam, said: Said) {
    let (status, content) = match said {
        Ok(content) => (200, content),
        Err(name) => (500, name.into_bytes()),
    };
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a good status");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    stream.write_all(&content).expect("the client reads");
    drop(stream);
    // The client may be gone by now; the host knows, and nobody else has to.
    let _ = OutgoingBody::finish(body, None);
}
