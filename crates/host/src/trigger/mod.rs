//! What causes invocations.
//!
//! [`http`] is the data plane: it accepts connections, finds the route of each request, prepares the request for its
//! guest, and streams the answer back.

mod activity;
mod body;
mod connection;
mod exchange;
pub(crate) mod fixed;
mod forwarded;
pub(crate) mod headers;
pub mod http;
pub(crate) mod manner;
mod pattern;
mod problem;
mod respond;
pub mod router;
mod tls;
mod tree;

pub use respond::Respond;
