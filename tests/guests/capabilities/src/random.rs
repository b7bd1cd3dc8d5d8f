//! `wasi:random` and `wasi:clocks`: what an instance gets of them when it begins.

use serde_json::json;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::{insecure_seed, random};

use crate::answer::{Ask, Said, json};

pub fn answer(_: &Ask) -> Said {
    let (low, high) = insecure_seed::insecure_seed();
    let wall = wall_clock::now();
    json(&json!({
        "bytes": random::get_random_bytes(32),
        "number": random::get_random_u64().to_string(),
        "seed": [low.to_string(), high.to_string()],
        "seconds": wall.seconds,
        "monotonic": [monotonic_clock::now(), monotonic_clock::now()],
    }))
}
