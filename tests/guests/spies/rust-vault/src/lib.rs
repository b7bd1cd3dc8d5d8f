//! A component with a secret, by interface and over HTTP.

mod bindings {
    wit_bindgen::generate!({ world: "keeping", path: "wit", generate_all });
}

use wasip2::http::types::{Fields, IncomingRequest, OutgoingResponse, ResponseOutparam};

struct Vault;

bindings::export!(Vault with_types_in bindings);
wasip2::http::proxy::export!(Vault);

impl bindings::exports::test::spying::vault::Guest for Vault {
    fn secret() -> String {
        "open sesame".to_owned()
    }
}

impl wasip2::exports::http::incoming_handler::Guest for Vault {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(234).expect("a good status");
        ResponseOutparam::set(out, Ok(response));
    }
}
