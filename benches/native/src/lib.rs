//! What the load generators share: one connection that asks and checks, and what is told in the end.

pub mod answer;
pub mod client;
pub mod seen;

/// Why a program of this package ends early.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
