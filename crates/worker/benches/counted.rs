//! `wisp-worker` with an allocator that counts, for `make guard` (benches/guard.py).
//!
//! Each line on standard input is answered with how many blocks of memory the thread that serves has asked for so far. Other
//! threads (the ticker, jobs of stores) are not counted: what they do depends on time.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use mimalloc::MiMalloc;

static BLOCKS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Without a destructor and made at compile time, so that asking for it allocates nothing.
    static SERVES: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if SERVES.get() {
        BLOCKS.fetch_add(1, Ordering::Relaxed);
    }
}

/// The worker's own allocator, counted.
struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: everything is passed on to an allocator that keeps the contract; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { MiMalloc.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { MiMalloc.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Answers for as long as somebody asks.
fn answer() {
    for _ in std::io::stdin().lines().map_while(Result::ok) {
        let counted = BLOCKS.load(Ordering::Relaxed);
        if writeln!(std::io::stdout(), "{counted}").is_err() {
            return;
        }
    }
}

fn main() -> ExitCode {
    std::thread::spawn(answer);
    SERVES.set(true);
    wisp_worker::main()
}
