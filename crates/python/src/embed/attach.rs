//! Threads of the runtime, attached to the interpreter for a moment.
//!
//! An interpreter that ends stops every other thread that comes back to it, by unwinding its stack in the middle of what it does; through
//! Rust that aborts the process. So none of ours may be there: before the end, `atexit` calls [`ending`], which lets no more in and
//! waits for those that are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long the end waits for a thread that calls Python; only a loop of somebody's own that blocks takes so long.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_micros(200);

static ENDING: AtomicBool = AtomicBool::new(false);
static ATTACHED: AtomicUsize = AtomicUsize::new(0);

/// A thread that is attached, or about to be.
struct Attached;

impl Drop for Attached {
    fn drop(&mut self) {
        ATTACHED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does something with the interpreter; nothing when that ends.
pub(crate) fn attached<R>(work: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    // Counted first and asked then: whoever ends stores first and counts then, so that one of both sees the other.
    ATTACHED.fetch_add(1, Ordering::SeqCst);
    let _attached = Attached;
    if ENDING.load(Ordering::SeqCst) {
        return None;
    }
    Python::try_attach(work)
}

/// Called by `atexit`, before the interpreter begins to end.
#[pyfunction]
pub(crate) fn ending(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    py.detach(|| {
        let limit = Instant::now() + PATIENCE;
        while ATTACHED.load(Ordering::SeqCst) > 0 && Instant::now() < limit {
            std::thread::sleep(PAUSE);
        }
    });
}
