//! Calls `numbers` when it gets a request: `GET /.../add/1000` answers with the nanoseconds that a thousand calls took.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wasip2::http::proxy::export!(Guest);

struct Guest;

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let mut parts = path.rsplit('/');
        let count = parts.next().and_then(|count| count.parse().ok());
        let name = parts.next().unwrap_or_default();
        let answer = loops::run(name, count.unwrap_or(0)).to_string();
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        stream
            .blocking_write_and_flush(answer.as_bytes())
            .expect("the client reads");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the length is right");
    }
}
