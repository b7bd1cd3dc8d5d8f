//! What causes invocations.
//!
//! [`http`] is the data plane: it accepts connections, finds the route of each request, prepares the request for its
//! guest, and streams the answer back. [`cron`] calls components when the control plane says that it is time.

mod activity;
mod arrivals;
mod body;
mod connection;
pub(crate) mod cron;
mod endpoint;
mod exchange;
pub(crate) mod fixed;
mod forwarded;
pub(crate) mod headers;
mod heads;
pub mod http;
pub(crate) mod manner;
mod pattern;
mod peer;
mod place;
mod problem;
mod respond;
pub mod router;
mod tls;
mod tree;

pub use cron::{InProgress, Ran, Run};
pub use respond::Respond;
