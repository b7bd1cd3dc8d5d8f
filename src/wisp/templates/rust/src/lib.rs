use std::io::Write;

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wasip2::http::proxy::export!(Service);

struct Service;

impl wasip2::exports::http::incoming_handler::Guest for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        respond(
            out,
            200,
            "text/plain; charset=utf-8",
            format!("Hello from Rust at {target}\n").as_bytes(),
        );
    }
}

fn respond(out: ResponseOutparam, status: u16, kind: &str, content: &[u8]) {
    let length = content.len().to_string();
    let headers = [("content-type", kind), ("content-length", length.as_str())]
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let response =
        OutgoingResponse::new(Fields::from_list(&headers).expect("the header fields are valid"));
    response
        .set_status_code(status)
        .expect("the status is valid");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    // From here on the only possible failure is that the client has gone.
    let mut stream = body.write().expect("the stream is taken once");
    let _ = stream.write_all(content);
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
