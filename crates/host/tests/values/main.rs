//! Values of WIT types, and calls with them: one program, because each program that calls makes the code for calls anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod asynchronous;
mod faults;
mod round_trip;
mod support;
mod wire;
