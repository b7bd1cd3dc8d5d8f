//! The threads and engines that all components of a Python host share, and what must hold before they are used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Handle;
use wisp_host::embed::Embedding;

/// Counts forks: what was made before one cannot be used after it, because its threads are not in the child.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Called in each child by `os.register_at_fork`.
#[pyfunction]
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Threads and engines of one process.
#[derive(Debug)]
pub(crate) struct Ground {
    embedding: Embedding,
    generation: u32,
}

impl Ground {
    pub(crate) fn new(embedding: Embedding) -> Arc<Self> {
        Arc::new(Self {
            embedding,
            generation: GENERATION.load(Ordering::Relaxed),
        })
    }

    pub(crate) fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// Where work runs that is not quick; nowhere after a fork.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        (self.generation == GENERATION.load(Ordering::Relaxed)).then(|| self.embedding.handle())
    }

    /// Refuses what would hang or kill the process.
    pub(crate) fn check(&self) -> PyResult<&Handle> {
        let Some(handle) = self.handle() else {
            return Err(PyRuntimeError::new_err(
                "this wisp host was started before a fork; start one in the child process instead",
            ));
        };
        if wisp_host::embed::trap_handlers_replaced() {
            return Err(PyRuntimeError::new_err(
                "another signal handler was installed after wisp's, so that a trap of a guest would end this process; \
                 call `faulthandler.enable()` (or whatever installs it) before the first `wisp.Host`",
            ));
        }
        Ok(handle)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.generation != GENERATION.load(Ordering::Relaxed) {
            // The threads that it would tell to end are in the parent.
            self.embedding.abandon();
        }
    }
}
