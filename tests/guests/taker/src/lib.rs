//! A component that takes messages, and nothing else. It writes each that comes to the end of a value in the store `default`, under the
//! key that the variable `LOG` names, then does what the first word of the message says.

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/capabilities",
        inline: "
            package test:taker;

            world taker {
                include wisp:capabilities/keyvalue@0.1.0;
                export wisp:messaging/consumer@0.1.0;
            }
        ",
        world: "test:taker/taker",
        generate_all,
    });
}

use std::time::Duration;

use bindings::exports::wisp::messaging::consumer::{Delivery, Guest, Message};
use bindings::wasi::keyvalue::atomics::{self, Cas, CasError};
use bindings::wasi::keyvalue::store;

struct Taker;

bindings::export!(Taker with_types_in bindings);

impl Guest for Taker {
    fn take(message: Message, delivery: Delivery) -> Result<(), String> {
        let body = String::from_utf8_lossy(&message.body).into_owned();
        write(&format!("{} {} {body}\n", delivery.subject, delivery.attempt))?;
        let (verb, rest) = body.split_once(' ').unwrap_or((&body, ""));
        match verb {
            "fail" => Err(rest.to_owned()),
            // Until it comes for the so-manieth time.
            "until" if delivery.attempt < rest.parse().expect("a number") => Err("not yet".into()),
            "trap" => panic!("trapped on request"),
            "sleep" => {
                std::thread::sleep(Duration::from_millis(rest.parse().expect("milliseconds")));
                Ok(())
            }
            "headers" => {
                let kind = message.content_type.unwrap_or_default();
                let headers = message.headers.iter().map(|(name, value)| format!("{name}={value}"));
                write(&format!("{kind} {}\n", headers.collect::<Vec<_>>().join(" ")))
            }
            _ => Ok(()),
        }
    }
}

fn write(line: &str) -> Result<(), String> {
    let key = std::env::var("LOG").unwrap_or_else(|_| "log".into());
    let bucket = store::open("default").map_err(|error| format!("{error:?}"))?;
    let mut handle = Cas::new(&bucket, &key).map_err(|error| format!("{error:?}"))?;
    loop {
        let value = handle.current().map_err(|error| format!("{error:?}"))?;
        let mut value = value.unwrap_or_default();
        value.extend_from_slice(line.as_bytes());
        match atomics::swap(handle, &value) {
            Ok(()) => return Ok(()),
            Err(CasError::CasFailed(next)) => handle = next,
            Err(CasError::StoreError(error)) => return Err(format!("{error:?}")),
        }
    }
}
