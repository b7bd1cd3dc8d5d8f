//! Outgoing requests against real servers on loopback: what gets out, and everything that must not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod attacks;
mod bounds;
mod connections;
mod site;
mod tls;
