//! `wasi:blobstore`: `container` names the container (`images` if not given), `object` the object.

use std::io::{Read, Write};

use serde_json::json;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{Fields, OutgoingResponse, ResponseOutparam};

use crate::answer::{Ask, Said, json};
use crate::bindings::wasi::blobstore::blobstore::{self, ObjectId};
use crate::bindings::wasi::blobstore::container::Container;
use crate::bindings::wasi::blobstore::types::{IncomingValue, OutgoingValue};

const PIECE: usize = 65536;

pub fn answer(ask: &Ask) -> Said {
    let name = ask.find("container").unwrap_or("images");
    match ask.verb.as_str() {
        "create" => blobstore::create_container(name).map(|_| b"done".to_vec()),
        "remove" => done(blobstore::delete_container(name)),
        "is-there" => blobstore::container_exists(name).map(|is| is.to_string().into_bytes()),
        "copy" => done(blobstore::copy_object(&id(ask, ""), &id(ask, "to-"))),
        "move" => done(blobstore::move_object(&id(ask, ""), &id(ask, "to-"))),
        _ => within(&blobstore::get_container(name)?, ask),
    }
}

fn within(container: &Container, ask: &Ask) -> Said {
    let object = object(ask);
    match ask.verb.as_str() {
        "put" => put(container, &object, &ask.body),
        "get" => {
            let (first, last) = (ask.number("first", 0), ask.number("last", u64::MAX));
            IncomingValue::incoming_value_consume_sync(container.get_data(&object, first, last)?)
        }
        "delete" => done(container.delete_objects(&[object])),
        "has" => container
            .has_object(&object)
            .map(|has| has.to_string().into_bytes()),
        "clear" => done(container.clear()),
        "info" => {
            let (own, its) = (container.info()?, container.object_info(&object)?);
            json(&json!({
                "container": own.name, "name": its.name, "within": its.container, "size": its.size,
                "created": own.created_at, "written": its.created_at,
            }))
        }
        "list" => list(container, ask.number("at-once", 100)),
        "fill" => fill(container, &object, ask.number("bytes", 1 << 20)),
        "count" => count(container, &object),
        "unfinished" => {
            let value = OutgoingValue::new_outgoing_value();
            container.write_data(&object, &value)?;
            write(&value, b"never to be seen")?;
            Ok(b"done".to_vec())
        }
        "late" => {
            let value = OutgoingValue::new_outgoing_value();
            write(&value, b"written before anybody knew where to")?;
            container.write_data(&object, &value)?;
            done(OutgoingValue::finish(value))
        }
        "nowhere" => {
            let value = OutgoingValue::new_outgoing_value();
            write(&value, b"to nobody")?;
            done(OutgoingValue::finish(value))
        }
        "open-many" => open_many(container, &object, ask.number("count", 1)),
        _ => crate::unknown(ask),
    }
}

/// Writes the half of an object, says so, and never goes on.
pub fn hang(ask: &Ask, out: ResponseOutparam) {
    let container = blobstore::get_container("images").expect("it is there");
    let value = OutgoingValue::new_outgoing_value();
    container
        .write_data(&object(ask), &value)
        .expect("it may be written");
    write(&value, b"half of the new one").expect("it is written");
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    stream.write_all(b"half").expect("the client reads");
    Write::flush(&mut stream).expect("the client reads");
    monotonic_clock::subscribe_duration(3_600_000_000_000).block();
}

/// The name is in the query as hexadecimal digits when it cannot stand there as it is.
fn object(ask: &Ask) -> String {
    let Some(digits) = ask.find("hex") else {
        return ask.text("object").to_owned();
    };
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    let bytes = (0..digits.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes).expect("UTF-8")
}

fn id(ask: &Ask, prefix: &str) -> ObjectId {
    let container = ask.find(&format!("{prefix}container")).unwrap_or("images");
    ObjectId {
        container: container.to_owned(),
        object: ask.text(&format!("{prefix}object")).to_owned(),
    }
}

fn done(result: Result<(), String>) -> Said {
    result.map(|()| b"done".to_vec())
}

fn write(value: &OutgoingValue, bytes: &[u8]) -> Result<(), String> {
    let body = value.outgoing_value_write_body();
    let mut body = body.map_err(|()| "no body".to_owned())?;
    // What is wrong is told when the value is finished.
    let _ = body.write_all(bytes).and_then(|()| Write::flush(&mut body));
    Ok(())
}

fn put(container: &Container, object: &str, bytes: &[u8]) -> Said {
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(object, &value)?;
    write(&value, bytes)?;
    done(OutgoingValue::finish(value))
}

/// Writes more than this component has memory for.
fn fill(container: &Container, object: &str, bytes: usize) -> Said {
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(object, &value)?;
    let body = value.outgoing_value_write_body();
    let mut body = body.map_err(|()| "no body".to_owned())?;
    let piece = vec![7; PIECE];
    let mut left = bytes;
    while left > 0 && body.write_all(&piece[..left.min(PIECE)]).is_ok() {
        left -= left.min(PIECE);
    }
    drop(body);
    done(OutgoingValue::finish(value))
}

fn count(container: &Container, object: &str) -> Said {
    let value = container.get_data(object, 0, u64::MAX)?;
    let size = value.size();
    let mut stream = IncomingValue::incoming_value_consume_async(value)?;
    let (mut buffer, mut sum) = (vec![0; PIECE], 0_u64);
    loop {
        let read = Read::read(&mut stream, &mut buffer).map_err(|error| error.to_string())?;
        if read == 0 {
            return json(&json!({ "size": size, "read": sum }));
        }
        assert!(buffer[..read].iter().all(|byte| *byte == 7));
        sum += read as u64;
    }
}

fn list(container: &Container, at_once: u64) -> Said {
    let names = container.list_objects()?;
    let (mut all, mut calls) = (Vec::new(), 0);
    loop {
        let (some, end) = names.read_stream_object_names(at_once)?;
        all.extend(some);
        calls += 1;
        if end {
            all.sort();
            return json(&json!({ "names": all, "calls": calls }));
        }
    }
}

fn open_many(container: &Container, object: &str, count: usize) -> Said {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(container.get_data(object, 0, 0)?);
    }
    Ok(open.len().to_string().into_bytes())
}
