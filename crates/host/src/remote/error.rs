//! What became of a call of another host.

use thiserror::Error;

/// Why a call of another host gave no result, by what is known of it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing of it ran: it can be made again.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The connection failed while nobody knows how far the call got.
    #[error("it may have run: {0}")]
    MayHaveRun(String),
    /// The guest trapped, or broke a limit.
    #[error("the guest failed: {0}")]
    Guest(String),
    /// The deadline passed; the guest was stopped, or will be.
    #[error("timed out: {0}")]
    TimedOut(String),
}
