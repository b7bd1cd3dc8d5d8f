//! What became of the messages of one subscription in this worker.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// Nothing is known of what waits before it was looked for.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Tally {
    taken: AtomicU64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    put_aside: AtomicU64,
    waiting: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            taken: AtomicU64::default(),
            acknowledged: AtomicU64::default(),
            failed: AtomicU64::default(),
            put_aside: AtomicU64::default(),
            waiting: AtomicU64::new(UNKNOWN),
        }
    }
}

impl Tally {
    pub(super) fn taken(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn put_aside(&self) {
        self.put_aside.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages of the group that nobody has acknowledged yet, in the whole lattice.
    pub(super) fn waiting(&self, count: u64) {
        self.waiting.store(count, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut counts = json!({
            "taken": read(&self.taken), "acknowledged": read(&self.acknowledged), "failed": read(&self.failed),
            "put_aside": read(&self.put_aside),
        });
        let waiting = read(&self.waiting);
        if let (Some(fields), true) = (counts.as_object_mut(), waiting != UNKNOWN) {
            fields.insert("waiting".into(), waiting.into());
        }
        counts
    }
}
