//! Whether this process still tells the engine when a guest faults.
//!
//! A trap such as a division by zero is a signal, for which Wasmtime installs a handler once, when the first engine is made. A handler that
//! is installed later, by Python's `faulthandler` or a crash reporter, takes its place, and then a guest's trap ends the process.

use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// The handler that was there after the first engine was made.
static INSTALLED: OnceLock<usize> = OnceLock::new();

/// Called after each engine was made.
pub(crate) fn installed() {
    INSTALLED.get_or_init(current);
}

/// Whether others are there now than the engine's.
pub fn replaced() -> bool {
    INSTALLED
        .get()
        .is_some_and(|installed| *installed != current())
}

/// The handler of SIGILL; whoever replaces one of them replaces them all.
fn current() -> usize {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    #[expect(unsafe_code, reason = "the system has no other way to ask; see SAFETY")]
    // SAFETY: with no new action the call only writes the present one, to memory that is ours and of its type; zeroes are a
    // valid `sigaction`, should it write nothing.
    unsafe {
        libc::sigaction(libc::SIGILL, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction
    }
}
