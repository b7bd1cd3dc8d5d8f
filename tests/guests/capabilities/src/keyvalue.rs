//! `wasi:keyvalue` and our extension: `store` names the store (`default` if not given), `key` the key.

use serde_json::json;

use crate::answer::{Ask, Said, json};
use crate::bindings::wasi::keyvalue::atomics::{self, Cas, CasError};
use crate::bindings::wasi::keyvalue::batch;
use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error, KeyResponse};
use crate::bindings::wisp::keyvalue::extension::{self, CompareError};

pub fn answer(ask: &Ask) -> Said {
    let bucket = store::open(ask.find("store").unwrap_or("default")).map_err(name)?;
    let key = ask.text("key");
    match ask.verb.as_str() {
        "get" => bucket
            .get(key)
            .map_err(name)?
            .ok_or_else(|| "nothing".into()),
        "set" => done(bucket.set(key, &ask.body)),
        "delete" => done(bucket.delete(key)),
        "exists" => bucket.exists(key).map_err(name).map(text),
        "list" => listed(bucket.list_keys(ask.find("cursor"))),
        "increment" => atomics::increment(&bucket, key, ask.number("delta", 1))
            .map_err(name)
            .map(text),
        "cas" => cas(&bucket, ask),
        "stale" => stale(&bucket, ask),
        "get-many" => many(&bucket, ask),
        "set-many" => set_many(&bucket, ask),
        "delete-many" => done(batch::delete_many(&bucket, &keys(ask))),
        "entry" => entry(&bucket, key),
        "set-for" => done(extension::set_for(
            &bucket,
            key,
            &ask.body,
            ask.number("ms", 1000),
        )),
        "compare" => compare(&bucket, ask),
        "prefix" => listed(extension::list_prefix(
            &bucket,
            ask.text("prefix"),
            ask.find("cursor"),
            ask.number("limit", 100),
        )),
        "open-many" => open_many(ask.number("count", 1)),
        _ => crate::unknown(ask),
    }
}

fn name(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no-such-store".into(),
        Error::AccessDenied => "access-denied".into(),
        Error::Other(message) => format!("other: {message}"),
    }
}

fn text(value: impl ToString) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn done(result: Result<(), Error>) -> Said {
    result.map_err(name).map(|()| b"done".to_vec())
}

fn listed(page: Result<KeyResponse, Error>) -> Said {
    let page = page.map_err(name)?;
    json(&json!({ "keys": page.keys, "cursor": page.cursor }))
}

/// The keys of the query, with commas between them.
fn keys(ask: &Ask) -> Vec<String> {
    ask.text("keys").split(',').map(str::to_owned).collect()
}

fn many(bucket: &Bucket, ask: &Ask) -> Said {
    let values = batch::get_many(bucket, &keys(ask)).map_err(name)?;
    let shown = values.into_iter().map(|(key, value)| {
        json!([
            key,
            value.map(|value| String::from_utf8_lossy(&value).into_owned())
        ])
    });
    json(&shown.collect())
}

/// Sets all keys to the body.
fn set_many(bucket: &Bucket, ask: &Ask) -> Said {
    let values: Vec<_> = keys(ask)
        .into_iter()
        .map(|key| (key, ask.body.clone()))
        .collect();
    done(batch::set_many(bucket, &values))
}

/// Appends the body to a value by compare-and-swap, as often as it takes; answers with the number of tries.
fn cas(bucket: &Bucket, ask: &Ask) -> Said {
    let mut handle = Cas::new(bucket, ask.text("key")).map_err(name)?;
    for tries in 1.. {
        let mut value = handle.current().map_err(name)?.unwrap_or_default();
        value.extend_from_slice(&ask.body);
        match atomics::swap(handle, &value) {
            Ok(()) => return Ok(text(tries)),
            Err(CasError::CasFailed(next)) => handle = next,
            Err(CasError::StoreError(error)) => return Err(name(error)),
        }
    }
    unreachable!("it tries for ever")
}

/// Swaps after somebody else has set the key, then with the handle that the error gave.
fn stale(bucket: &Bucket, ask: &Ask) -> Said {
    let key = ask.text("key");
    let handle = Cas::new(bucket, key).map_err(name)?;
    bucket.set(key, b"of somebody else").map_err(name)?;
    match atomics::swap(handle, &ask.body) {
        Ok(()) => Err("the swap of an old version went through".into()),
        Err(CasError::StoreError(error)) => Err(name(error)),
        Err(CasError::CasFailed(next)) => {
            let found = next.current().map_err(name)?.unwrap_or_default();
            atomics::swap(next, &ask.body).map_err(|_| "the new handle is old too")?;
            Ok(found)
        }
    }
}

fn entry(bucket: &Bucket, key: &str) -> Said {
    let entry = extension::get_entry(bucket, key).map_err(name)?;
    let shown = entry.map(|entry| {
        let value = String::from_utf8_lossy(&entry.value).into_owned();
        // As text: a number of 64 bits is no number for every reader of JSON.
        json!({ "value": value, "version": entry.version.to_string(), "time-left": entry.time_left })
    });
    json(&shown.unwrap_or_default())
}

fn compare(bucket: &Bucket, ask: &Ask) -> Said {
    let version = ask.find("version").and_then(|version| version.parse().ok());
    let milliseconds = ask.find("ms").and_then(|ms| ms.parse().ok());
    match extension::compare_and_set(bucket, ask.text("key"), version, &ask.body, milliseconds) {
        Ok(version) => Ok(text(version)),
        Err(CompareError::StoreError(error)) => Err(name(error)),
        Err(CompareError::Changed(Some(version))) => Err(format!("changed: {version}")),
        Err(CompareError::Changed(None)) => Err("changed: gone".into()),
    }
}

/// Opens a store so many times, and keeps all of them open until it has answered.
fn open_many(count: u64) -> Said {
    let opened: Result<Vec<_>, _> = (0..count).map(|_| store::open("default")).collect();
    opened.map(|opened| text(opened.len())).map_err(name)
}
