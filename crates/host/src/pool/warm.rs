//! Instances that wait for their next use, the most recently used last.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The warm instances of one component.
#[derive(Debug)]
pub(super) struct Warm<T> {
    instances: Mutex<Vec<(T, Instant)>>,
    idle: Duration,
}

impl<T> Warm<T> {
    /// Instances are dropped when they were unused for `idle`.
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            instances: Mutex::default(),
            idle,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(T, Instant)>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that was used last.
    pub(super) fn take(&self) -> Option<T> {
        self.lock().pop().map(|(instance, _)| instance)
    }

    /// Keeps one for later.
    pub(super) fn keep(&self, instance: T) {
        self.lock().push((instance, Instant::now()));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Takes those that were unused for too long; they are dropped without the lock.
    pub(super) fn retire(&self) {
        let mut instances = self.lock();
        let fresh = instances
            .iter()
            .position(|(_, since)| since.elapsed() < self.idle);
        let count = fresh.unwrap_or(instances.len());
        let retired: Vec<_> = instances.drain(..count).collect();
        drop(instances);
        drop(retired);
    }

    /// Drops the one that was unused for longest.
    pub(super) fn give_up_one(&self) {
        let mut instances = self.lock();
        let oldest = (!instances.is_empty()).then(|| instances.remove(0));
        drop(instances);
        drop(oldest);
    }
}
