//! The request's body and the response.

use std::io::{Read, Write};

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// The whole body, as text.
pub fn body(request: &IncomingRequest) -> String {
    let body = request.consume().expect("the body is read once");
    let mut stream = body.stream().expect("the stream is taken once");
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .expect("the client sends its body to the end");
    text
}

/// Answers with 200 and this body.
pub fn send(out: ResponseOutparam, content: &[u8]) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    stream.write_all(content).expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is whole");
}
