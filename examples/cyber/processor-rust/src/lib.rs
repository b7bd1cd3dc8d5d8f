//! The processor of the cyber system, in Rust.

wit_bindgen::generate!({ world: "processor", generate_all });

use cyber::text::format::{Subject, status};
use exports::cyber::packets::data_processor::{Guest, Packet, ProcessError, ProcessedPacket};

const FACTOR: u64 = 0xBEEF;
const HIGHEST: u32 = 1_000_000;

struct Processor;

impl Guest for Processor {
    fn process(input: Packet) -> Result<ProcessedPacket, ProcessError> {
        if input.payload.is_empty() {
            return Err(ProcessError::EmptyPayload);
        }
        if input.encryption_level > HIGHEST {
            return Err(ProcessError::LevelTooHigh(HIGHEST));
        }
        let size = u32::try_from(input.payload.len()).unwrap_or(u32::MAX);
        let status = status(&Subject {
            id: input.id.clone(),
            size,
            level: input.encryption_level,
        });
        let hash = u64::from(input.encryption_level) * FACTOR;
        Ok(ProcessedPacket {
            id: input.id,
            status,
            verification_hash: format!("{hash:#x}"),
        })
    }
}

export!(Processor);
