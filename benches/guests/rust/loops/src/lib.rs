//! Calls of `numbers` in a loop, timed inside the guest, so that nothing but the loop is in the figure.

use std::hint::black_box;
use std::time::Instant;

wit_bindgen::generate!({ world: "caller", path: "wit", generate_all });

use bench::calls::numbers::{self, Packet};

/// Sixteen bytes.
const TEXT: &str = "sixteen bytes ok";

/// Calls the function of this name so many times, and returns the nanoseconds that it took. `nothing` is the loop alone.
pub fn run(name: &str, count: u32) -> u64 {
    let began = Instant::now();
    match name {
        "nothing" => repeat(count, |sum, round| sum.wrapping_add(round)),
        "add" => repeat(count, numbers::add),
        "length" => repeat(count, |_, _| numbers::length(black_box(TEXT))),
        "text" => repeat(count, |_, _| {
            black_box(numbers::text(black_box(TEXT)));
            0
        }),
        "process" => process(count),
        _ => return 0,
    }
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn repeat(count: u32, call: impl Fn(u32, u32) -> u32) {
    let sum = (0..count).fold(0, |sum, round| black_box(call(sum, round)));
    black_box(sum);
}

fn process(count: u32) {
    let packet = Packet {
        id: "a1".into(),
        payload: "payload".into(),
        level: 7,
    };
    repeat(count, |_, _| numbers::process(black_box(&packet)).level);
}
