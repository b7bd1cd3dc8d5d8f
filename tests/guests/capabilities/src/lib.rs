//! A component of `wasi:http` 0.2 that uses what the host gives beyond WASI.
//!
//! The last two segments of the path say what it does: `/keyvalue/get?store=default&key=a`. What is written is the body of the
//! request. The answer is text or JSON; an error of an interface has the status 500 and its name.

mod answer;
mod blobstore;
mod config;
mod keyvalue;
mod logging;
mod messaging;
mod random;
mod sqlite;

use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use answer::{Ask, Said};

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/capabilities",
        inline: "
            package test:capabilities;

            world guest {
                include wisp:capabilities/blobstore@0.1.0;
                include wisp:capabilities/keyvalue@0.1.0;
                include wisp:capabilities/config@0.1.0;
                include wisp:capabilities/config-of-spin@0.1.0;
                include wisp:capabilities/logging@0.1.0;
                include wisp:capabilities/messaging@0.1.0;
                include wisp:capabilities/sqlite@0.1.0;
            }
        ",
        world: "test:capabilities/guest",
        with: {
            "wasi:io/error@0.2.12": wasip2::io::error,
            "wasi:io/poll@0.2.12": wasip2::io::poll,
            "wasi:io/streams@0.2.12": wasip2::io::streams,
        },
        generate_all,
    });
}

wasip2::http::proxy::export!(Guest);

struct Guest;

impl wasip2::exports::http::incoming_handler::Guest for Guest {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let ask = Ask::read(&request);
        let said = match ask.capability.as_str() {
            "blobstore" if ask.verb == "hang" => return blobstore::hang(&ask, out),
            "blobstore" => blobstore::answer(&ask),
            "config" => config::answer(&ask),
            "keyvalue" => keyvalue::answer(&ask),
            "logging" => logging::answer(&ask),
            "messaging" => messaging::answer(&ask),
            "random" => random::answer(&ask),
            "sqlite" => sqlite::answer(&ask),
            other => Err(format!("no capability {other}")),
        };
        answer::send(out, said);
    }
}

/// What nobody knows.
fn unknown(ask: &Ask) -> Said {
    Err(format!("no verb {}", ask.verb))
}
