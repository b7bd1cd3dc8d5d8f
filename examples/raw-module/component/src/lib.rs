//! The same function with an interface: who calls it passes a record and gets a string, and no address at all.

wit_bindgen::generate!({ world: "processor", generate_all });

use exports::cyber::packets::data_processor::{Guest, Packet};

struct Processor;

impl Guest for Processor {
    fn process(input: Packet) -> String {
        format!("SECURE_VERIFIED {}: {}", input.id, input.payload)
    }
}

export!(Processor);
