//! What is called: does as little as can be, so that the call is what is measured.

wit_bindgen::generate!({ world: "processor", path: "wit", generate_all });

use std::hint::black_box;

use exports::bench::calls::numbers::{Guest, Packet};

struct Processor;

impl Guest for Processor {
    fn add(left: u32, right: u32) -> u32 {
        left.wrapping_add(right)
    }

    fn length(text: String) -> u32 {
        u32::try_from(text.len()).unwrap_or(u32::MAX)
    }

    fn text(text: String) -> String {
        text
    }

    fn process(input: Packet) -> Packet {
        Packet {
            level: input.level.wrapping_add(1),
            ..input
        }
    }

    fn take(bytes: Vec<u8>) -> u32 {
        u32::try_from(bytes.len()).unwrap_or(u32::MAX)
    }

    fn give(length: u32) -> Vec<u8> {
        vec![0; length as usize]
    }

    fn compute(rounds: u32) -> u32 {
        (0..rounds).fold(1, |state, round| black_box(state ^ round).wrapping_mul(16_777_619))
    }
}

export!(Processor);
