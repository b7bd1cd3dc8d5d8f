//! What one engine can hold: a slot for each instance, shared by all components of the worker.
//!
//! A warm instance keeps its slot. When there is none left, the component that has most to spare gives one up; a request
//! waits for a slot rather than failing because the pool is full.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts a request as waiting for as long as it lives.
pub(super) struct Waiting<'a>(pub(super) &'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to hold one instance in the engine's pool.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// Instances of one component that may be asked to give up warm ones.
pub(crate) trait Holder: Send + Sync + std::fmt::Debug {
    /// Instances that wait for a request.
    fn warm(&self) -> usize;
    /// Drops the one that was unused for longest.
    fn give_up_one(&self);
}

/// The slots of one engine.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    waiting: AtomicU32,
    holders: Mutex<Vec<Weak<dyn Holder>>>,
}

impl Slots {
    pub(crate) fn new(free: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            free,
            waiting: AtomicU32::new(0),
            holders: Mutex::default(),
        })
    }

    /// From now on these instances are asked to give up warm ones. Those of a component that was given back are forgotten.
    pub(crate) fn register(&self, holder: Weak<dyn Holder>) {
        let mut holders = self.lock();
        holders.retain(|holder| holder.strong_count() > 0);
        holders.push(holder);
    }

    /// Whether requests wait for a slot, so that no instance should be kept warm.
    pub(crate) fn contended(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<dyn Holder>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot as soon as one is free; `None` only when the engine is gone.
    pub(crate) async fn take(&self) -> Option<Slot> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(Slot { _permit: permit });
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let spare = self
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .max_by_key(|holder| holder.warm());
        if let Some(holder) = spare {
            holder.give_up_one();
        }
        self.free
            .clone()
            .acquire_owned()
            .await
            .ok()
            .map(|permit| Slot { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl Holder for Nobody {
        fn warm(&self) -> usize {
            0
        }

        fn give_up_one(&self) {}
    }

    #[test]
    fn a_component_that_is_loaded_again_and_again_leaves_nothing() {
        let slots = Slots::new(Arc::new(Semaphore::new(1)));
        let stays: Arc<dyn Holder> = Arc::new(Nobody);
        slots.register(Arc::downgrade(&stays));

        for _ in 0..100 {
            let comes: Arc<dyn Holder> = Arc::new(Nobody);
            slots.register(Arc::downgrade(&comes));
        }

        assert_eq!(slots.lock().len(), 2);
    }
}
