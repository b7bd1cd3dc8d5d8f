//! `wasi:keyvalue` of a component of WASI 0.3: its functions are plain ones there too.

use serde_json::{Value, json};

mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit/capabilities",
        world: "wisp:capabilities/keyvalue",
        generate_all,
    });
}

use bindings::wasi::keyvalue::store::{self, Error};
use bindings::wasi::keyvalue::{atomics, batch};

/// Writes and reads in the store of that name.
pub fn run(name: &str) -> Value {
    attempt(name).unwrap_or_else(|error| json!(format!("{error:?}")))
}

fn attempt(name: &str) -> Result<Value, Error> {
    let bucket = store::open(name)?;
    bucket.set("a", b"one")?;
    bucket.set("b", b"two")?;
    bucket.delete("b")?;
    let text =
        |value: Option<Vec<u8>>| value.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (a, b) = (text(bucket.get("a")?), text(bucket.get("b")?));
    let many = batch::get_many(&bucket, &["a".to_owned(), "b".to_owned()])?;
    let sum = atomics::increment(&bucket, "n", 1)?;
    Ok(json!([a, b, many.len(), sum]))
}
