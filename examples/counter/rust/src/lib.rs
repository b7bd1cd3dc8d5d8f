//! Counts visits in Rust. `generate!` makes functions of the WIT in the folder `wit`, where `wisp wit add wasi:keyvalue` put the
//! package.

use std::io::Write;

use imports::wasi::keyvalue::{atomics, store};
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

mod imports {
    wit_bindgen::generate!({ world: "counter", generate_all });
}

struct Service;

wasip2::http::proxy::export!(Service);

impl wasip2::exports::http::incoming_handler::Guest for Service {
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {
        match count() {
            Ok(visits) => respond(
                out,
                200,
                &format!(r#"{{"language":"rust","visits":{visits}}}"#),
            ),
            Err(error) => {
                eprintln!("the store: {error}");
                respond(out, 500, r#"{"detail":"the store could not do it"}"#);
            }
        }
    }
}

fn count() -> Result<i64, store::Error> {
    let visits = store::open("visits")?;
    atomics::increment(&visits, "all", 1)
}

fn respond(out: ResponseOutparam, status: u16, content: &str) {
    let headers = [("content-type".to_string(), b"application/json".to_vec())];
    let response =
        OutgoingResponse::new(Fields::from_list(&headers).expect("the header field is valid"));
    response
        .set_status_code(status)
        .expect("the status is valid");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    // From here on the only possible failure is that the client has gone.
    let _ = stream.write_all(content.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
