//! The tests that hold for links of every kind, over bridged links.

#[path = "calls.rs"]
mod calls;
#[path = "streams.rs"]
mod streams;

use std::ops::RangeInclusive;

use super::app::App;

/// Pieces of a stream that its writer has sent before anybody reads.
const ON_THE_WAY: RangeInclusive<u16> = 1..=1;
