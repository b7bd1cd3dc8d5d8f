//! What causes invocations.
//!
//! [`http`] is the data plane: it accepts connections, finds the route of each request, prepares the request for its
//! guest, and streams the answer back.

mod activity;
mod body;
mod connection;
mod endpoint;
mod exchange;
mod forwarded;
mod headers;
pub mod http;
mod pattern;
mod problem;
mod respond;
pub mod router;
mod tls;
mod tree;

pub use respond::Respond;
