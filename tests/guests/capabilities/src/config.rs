//! `wasi:config`, in both versions.

use serde_json::{Value, json};

use crate::answer::{Ask, Said, json};
use crate::bindings::wasi::config0_2_0_draft_2024_09_27::store as older;
use crate::bindings::wasi::config0_2_0_rc_1::store as newest;

pub fn answer(ask: &Ask) -> Said {
    let key = ask.text("key");
    match ask.verb.as_str() {
        "get" => json(&json!(
            newest::get(key).map_err(|error| format!("{error:?}"))?
        )),
        "all" => json(&object(
            newest::get_all().map_err(|error| format!("{error:?}"))?,
        )),
        "get-older" => json(&json!(
            older::get(key).map_err(|error| format!("{error:?}"))?
        )),
        "all-older" => json(&object(
            older::get_all().map_err(|error| format!("{error:?}"))?,
        )),
        _ => crate::unknown(ask),
    }
}

fn object(pairs: Vec<(String, String)>) -> Value {
    Value::Object(
        pairs
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect(),
    )
}
