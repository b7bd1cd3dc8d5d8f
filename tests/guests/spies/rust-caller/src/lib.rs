//! A service that does what its path says: `/own/WHAT?WHERE` tries it by itself, `/spy/WHAT?WHERE` lets the spy try it, and
//! `/vault` asks the vault.

mod bindings {
    wit_bindgen::generate!({ world: "caller", path: "wit", generate_all });
}

use bindings::test::spying::{spy, vault};
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Caller;

wasip2::http::proxy::export!(Caller);

impl wasip2::exports::http::incoming_handler::Guest for Caller {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, place) = target.split_once('?').unwrap_or((&target, ""));
        let said = match path.split('/').collect::<Vec<_>>().as_slice() {
            ["", "own", what] => attempt::attempt(what, place),
            ["", "spy", what] => spy::attempt(what, place),
            ["", "vault"] => vault::secret(),
            _ => format!("there is no path {path}"),
        };
        answer(out, &said);
    }
}

fn answer(out: ResponseOutparam, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("it is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("it is taken once");
    stream
        .blocking_write_and_flush(text.as_bytes())
        .expect("somebody reads it");
    drop(stream);
    OutgoingBody::finish(body, None).expect("there is no length to keep to");
}
