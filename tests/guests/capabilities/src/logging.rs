//! `wasi:logging`: the body is the message, the query has `level` and `context`.

use crate::answer::{Ask, Said};
use crate::bindings::wasi::logging::logging::{Level, log};

pub fn answer(ask: &Ask) -> Said {
    let level = match ask.text("level") {
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        "error" => Level::Error,
        "critical" => Level::Critical,
        other => return Err(format!("no level {other}")),
    };
    for _ in 0..ask.number("times", 1) {
        log(
            level,
            ask.text("context"),
            &String::from_utf8_lossy(&ask.body),
        );
    }
    Ok(b"logged".to_vec())
}
