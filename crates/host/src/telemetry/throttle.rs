//! How much a component may log: so many bytes in each second, and what is more is counted instead.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Window {
    begun: Instant,
    used: u64,
    dropped: u64,
}

/// The bytes that one component may log in this worker.
#[derive(Debug)]
pub(crate) struct Throttle {
    rate: u64,
    window: Mutex<Window>,
}

impl Throttle {
    /// `rate` bytes a second.
    pub(crate) fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate,
            window: Mutex::new(Window {
                begun: now,
                used: 0,
                dropped: 0,
            }),
        }
    }

    /// Whether a line of so many bytes may be written, and how many lines were dropped in a second that is over.
    pub(crate) fn admit(&self, bytes: usize, now: Instant) -> (bool, u64) {
        let mut window = self.lock();
        let dropped = window.renew(now);
        let used = window
            .used
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let admitted = used <= self.rate;
        if admitted {
            window.used = used;
        } else {
            window.dropped += 1;
        }
        (admitted, dropped)
    }

    /// How many lines were dropped in a second that is over, and not yet told.
    pub(crate) fn settle(&self, now: Instant) -> u64 {
        self.lock().renew(now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn renew(&mut self, now: Instant) -> u64 {
        if now.duration_since(self.begun) < SECOND {
            return 0;
        }
        self.begun = now;
        self.used = 0;
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_than_the_rate_is_dropped_and_counted_once() {
        let start = Instant::now();
        let throttle = Throttle::new(100, start);

        assert_eq!(throttle.admit(60, start), (true, 0));
        assert_eq!(throttle.admit(60, start), (false, 0));
        assert_eq!(throttle.admit(40, start), (true, 0));
        assert_eq!(throttle.admit(1, start), (false, 0));

        assert_eq!(throttle.settle(start + SECOND / 2), 0);
        assert_eq!(throttle.settle(start + SECOND), 2);
        assert_eq!(throttle.settle(start + 2 * SECOND), 0);
        assert_eq!(throttle.admit(100, start + 2 * SECOND), (true, 0));
    }
}
