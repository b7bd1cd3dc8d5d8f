//! How a call into a guest, or an instantiation, fails.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::WasmBacktrace;

/// What a host function failed with, carried through the guest as a trap. The embedder knows what is in it.
#[derive(Clone)]
pub struct Thrown(pub Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Thrown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Thrown")
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a function of the host failed")
    }
}

impl std::error::Error for Thrown {}

/// What ended a call. After each of these the instance is gone.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The guest trapped.
    #[error("{message}")]
    Trap {
        /// What happened.
        message: String,
        /// Where in the guest, innermost first; empty when it is not known.
        backtrace: String,
        /// What the guest wrote last to its standard error.
        stderr: String,
        /// What a host function failed with, when that was it.
        thrown: Option<Thrown>,
    },
    /// The guest wanted more memory than it may have, and did not survive that.
    #[error("it needs more than the {limit} bytes of memory that it may have")]
    Memory {
        /// Bytes.
        limit: usize,
        /// What the guest wrote last to its standard error.
        stderr: String,
    },
    /// The call took too long.
    #[error("it took longer than {} s", limit.as_secs_f64())]
    Timeout {
        /// How long it may take.
        limit: Duration,
        /// What the guest wrote last to its standard error.
        stderr: String,
    },
    /// The instance ended before.
    #[error("the instance is closed: {reason}")]
    Closed {
        /// Why.
        reason: String,
    },
}

impl CallError {
    pub(super) fn of_guest(error: &wasmtime::Error, stderr: String) -> Self {
        let backtrace = error
            .downcast_ref::<WasmBacktrace>()
            .map(|found| format!("{found}"))
            .unwrap_or_default();
        let thrown = error.downcast_ref::<Thrown>().cloned();
        let causes: Vec<String> = error
            .chain()
            .map(ToString::to_string)
            .filter(|cause| !cause.starts_with("error while executing at wasm backtrace"))
            .collect();
        Self::Trap {
            message: causes.join(": "),
            backtrace,
            stderr,
            thrown,
        }
    }
}
