//! "Hello, world!" through `wasi:http` 0.2.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

const GREETING: &[u8] = b"Hello, world!";

wasip2::http::proxy::export!(Guest);

struct Guest;

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::new();
        headers
            .set("content-type", &[b"text/plain".to_vec()])
            .expect("a good field");
        headers
            .set("content-length", &[GREETING.len().to_string().into_bytes()])
            .expect("a good field");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        stream
            .blocking_write_and_flush(GREETING)
            .expect("the client reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the length is right");
    }
}
