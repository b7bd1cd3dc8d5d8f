//! Calls `numbers` when it is called itself: who loads it answers.

wit_bindgen::generate!({ world: "relay", path: "wit", generate_all });

use exports::bench::calls::loops::Guest;

struct Relay;

impl Guest for Relay {
    fn run(name: String, count: u32) -> u64 {
        loops::run(&name, count)
    }
}

export!(Relay);
