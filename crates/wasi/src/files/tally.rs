//! How much room a folder has left.
//!
//! Nobody tells us what other processes write, so the folder is counted: when something is first written, and again when a
//! second has passed or when what was allowed has been used up. In between this process subtracts what its guests write.
//! Where several workers share a folder, each may take an eighth of its part of what is left (or 1 MiB) before it counts
//! again: so together they may exceed the limit by at most an eighth of it, and 1 MiB for each of them.
//!
//! Counting a large folder takes long. It is done on a blocking thread, and after it nobody counts again for four times as
//! long as it took: so a guest that fills and empties its folder takes at most a fifth of a processor with it, and waits.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::walk;

/// How long a count is believed.
const BELIEVED: Duration = Duration::from_secs(1);
/// What a worker may always take before it counts again, when there is as much.
const LEAST_SHARE: u64 = 1 << 20;
/// How much longer than a count the pause after it is.
const PAUSE: u32 = 4;

/// What may be written now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Left {
    /// So many bytes.
    Bytes(u64),
    /// The folder has to be counted first.
    Unknown,
    /// Nothing.
    Nothing,
}

/// What is in one folder.
#[derive(Debug)]
pub(super) struct Tally {
    root: Arc<File>,
    limit: u64,
    workers: u64,
    began: Instant,
    allowed: AtomicI64,
    /// Milliseconds since `began` until which the count is believed.
    believed: AtomicU64,
    full: AtomicBool,
    /// Something was removed since the folder was counted.
    freed: AtomicBool,
    /// When the folder may be counted again.
    next: Mutex<Instant>,
}

impl Tally {
    pub(super) fn new(root: File, limit: u64, workers: u32) -> Self {
        let began = Instant::now();
        Self {
            root: Arc::new(root),
            limit,
            workers: u64::from(workers.max(1)),
            began,
            allowed: AtomicI64::new(0),
            believed: AtomicU64::new(0),
            full: AtomicBool::new(false),
            freed: AtomicBool::new(false),
            next: Mutex::new(began),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What may be written now.
    pub(super) fn left(&self) -> Left {
        if self.now() >= self.believed.load(Ordering::Relaxed) {
            return Left::Unknown;
        }
        match u64::try_from(self.allowed.load(Ordering::Relaxed)) {
            Ok(bytes) if bytes > 0 => Left::Bytes(bytes),
            _ if self.full.load(Ordering::Relaxed) && !self.freed.load(Ordering::Relaxed) => {
                Left::Nothing
            }
            _ => Left::Unknown,
        }
    }

    /// So much is written.
    pub(super) fn grow(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.allowed.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Something is removed.
    pub(super) fn shrink(&self) {
        self.freed.store(true, Ordering::Relaxed);
    }

    /// Counts the folder, if that is needed; one after the other.
    pub(super) async fn count(&self) -> io::Result<()> {
        let mut next = self.next.lock().await;
        if self.left() != Left::Unknown {
            return Ok(());
        }
        sleep_until(*next).await;
        let begun = Instant::now();
        self.freed.store(false, Ordering::Relaxed);
        let root = self.root.clone();
        let used = tokio::task::spawn_blocking(move || walk::bytes(&root)).await;
        *next = Instant::now() + begun.elapsed() * PAUSE;
        self.believe(used.map_err(io::Error::other)??);
        Ok(())
    }

    fn believe(&self, used: u64) {
        let left = self.limit.saturating_sub(used);
        let share = if self.workers == 1 {
            left
        } else {
            left.min(LEAST_SHARE.max(left / (8 * self.workers)))
        };
        self.full.store(share == left, Ordering::Relaxed);
        let allowed = i64::try_from(share).unwrap_or(i64::MAX);
        self.allowed.store(allowed, Ordering::Relaxed);
        let until = self.now() + u64::try_from(BELIEVED.as_millis()).unwrap_or(1);
        self.believed.store(until, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::walk::ENTRY;

    fn tally(limit: u64, workers: u32) -> (tempfile::TempDir, Tally) {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        (folder, Tally::new(root, limit, workers))
    }

    #[tokio::test]
    async fn what_is_written_is_subtracted_and_what_is_removed_comes_back_with_the_next_count() {
        let (folder, tally) = tally(100_000, 1);
        std::fs::write(folder.path().join("a"), vec![0; 50_000]).unwrap();

        assert_eq!(tally.left(), Left::Unknown);
        tally.count().await.unwrap();
        assert_eq!(tally.left(), Left::Bytes(50_000 - ENTRY));
        tally.grow(50_000 - ENTRY);
        assert_eq!(tally.left(), Left::Nothing);

        std::fs::remove_file(folder.path().join("a")).unwrap();
        tally.shrink();
        assert_eq!(tally.left(), Left::Unknown);
        tally.count().await.unwrap();
        assert_eq!(tally.left(), Left::Bytes(100_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_is_believed_for_a_second() {
        let (_folder, tally) = tally(100_000, 1);

        tally.count().await.unwrap();
        tokio::time::advance(BELIEVED).await;

        assert_eq!(tally.left(), Left::Unknown);
    }

    #[tokio::test]
    async fn of_several_workers_each_takes_a_part_and_counts_again() {
        let (folder, tally) = tally(160 << 20, 2);

        tally.count().await.unwrap();
        assert_eq!(tally.left(), Left::Bytes(10 << 20));
        tally.grow(10 << 20);
        assert_eq!(tally.left(), Left::Unknown, "there is more than that");
        std::fs::write(folder.path().join("a"), vec![0; 4096]).unwrap();
        tally.count().await.unwrap();
        assert_eq!(tally.left(), Left::Bytes(((160 << 20) - 4096 - ENTRY) / 16));
    }
}
