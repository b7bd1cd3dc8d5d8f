//! How much processor time a guest takes, at no cost for those that take little.
//!
//! Nobody reads a clock for a guest that was never interrupted: it has computed for less than one tick of the engine. The
//! interruption itself is the sign to begin. From then on the clock of the thread is read, which stands still while the
//! system runs something else, so that a busy machine does not make a guest look guilty.
//!
//! Where the host polls the guest's future itself, it reads the clock around each poll, and [`interrupted`] is all that it
//! needs. Where Wasmtime polls it, there is a [`Stopwatch`]: it runs from the moment at which the guest comes back from an
//! interruption until the next one, or until the poll ends. What a guest does in a poll that began with an event, before
//! the first tick in it, is not seen: so a guest that waits often is charged less than it took, never more.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

thread_local! {
    static INTERRUPTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a guest was interrupted on this thread since this was last asked.
pub fn interrupted() -> bool {
    INTERRUPTED.take()
}

/// Called when a guest is interrupted.
pub(crate) fn interrupt() {
    INTERRUPTED.set(true);
}

/// The processor time of this thread.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The clock starts with the thread: neither can be negative.
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A guest was stopped because it took more processor time than it may.
#[derive(Clone, Copy, Debug)]
pub struct OutOfTime;

impl std::fmt::Display for OutOfTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("more processor time than `limits.cpu` allows")
    }
}

impl std::error::Error for OutOfTime {}

/// The processor time of an instance whose polls belong to Wasmtime. Used by one thread at a time.
#[derive(Debug, Default)]
pub struct Stopwatch {
    spent: AtomicU64,
    allowed: AtomicU64,
    /// The thread's time when the guest came back from its last interruption, if it has run since then.
    since: AtomicU64,
    out: AtomicBool,
}

impl Stopwatch {
    /// A request begins, which may take so much; `alone` says whether no other is in progress in this instance.
    ///
    /// Requests at once in one instance share what they may take, because nobody can tell whose work it does.
    pub fn begin(&self, limit: Duration, alone: bool) {
        if alone {
            self.spent.store(0, Ordering::Relaxed);
            self.allowed.store(nanoseconds(limit), Ordering::Relaxed);
        } else {
            self.allowed
                .fetch_add(nanoseconds(limit), Ordering::Relaxed);
        }
    }

    /// The guest does not run any more: its poll has ended.
    pub fn pause(&self) {
        // Most guests are never interrupted, and this is all that they cost.
        if self.since.load(Ordering::Relaxed) != 0 {
            self.charge();
        }
    }

    /// Whether the instance was stopped for taking too much.
    pub fn is_out(&self) -> bool {
        self.out.load(Ordering::Relaxed)
    }

    /// The guest is interrupted; whether it has taken more than it may.
    pub(crate) fn interrupt(&self) -> bool {
        self.charge();
        let out = self.spent.load(Ordering::Relaxed) > self.allowed.load(Ordering::Relaxed);
        self.out.fetch_or(out, Ordering::Relaxed);
        out
    }

    /// The guest goes on after an interruption.
    pub(crate) fn resume(&self) {
        self.since
            .store(nanoseconds(thread_time()), Ordering::Relaxed);
    }

    fn charge(&self) {
        let since = self.since.swap(0, Ordering::Relaxed);
        if since != 0 {
            let took = nanoseconds(thread_time()).saturating_sub(since);
            self.spent.fetch_add(took, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(time: Duration) {
        let until = thread_time() + time;
        while thread_time() < until {
            std::hint::black_box(());
        }
    }

    #[test]
    fn time_counts_from_an_interruption_to_the_end_of_the_poll() {
        let watch = Stopwatch::default();
        watch.begin(Duration::from_millis(8), true);

        work(Duration::from_millis(10));
        assert!(!watch.interrupt(), "nothing was measured before");
        watch.resume();
        work(Duration::from_millis(5));
        watch.pause();
        work(Duration::from_millis(10));
        assert!(!watch.interrupt(), "others worked in between");
        watch.resume();
        work(Duration::from_millis(4));

        assert!(watch.interrupt());
        assert!(watch.is_out());
    }

    #[test]
    fn requests_at_once_share_what_they_may_take_and_the_next_begins_anew() {
        let watch = Stopwatch::default();
        let limit = Duration::from_millis(4);
        watch.begin(limit, true);
        watch.begin(limit, false);
        watch.resume();
        work(Duration::from_millis(6));

        assert!(!watch.interrupt());
        watch.begin(limit, true);
        watch.resume();
        work(Duration::from_millis(3));
        assert!(!watch.interrupt());
    }
}
