//! Hosts talking to each other, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod forwarding;
mod site;
mod stranger;
mod support;
mod transport;
