//! Which components of a host are loaded. Of many, those that nobody asks for are given back: code, links, warm instances.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Pool, Ready};

/// Loaded components that stay, however rarely they are asked for.
const STAY: usize = 256;
/// Looks after which the others are given back; a host looks twice a second.
const PATIENCE: u32 = 120;

/// The components of a host that are loaded.
#[derive(Debug, Default)]
pub(crate) struct Residents(Mutex<Vec<Weak<Pool>>>);

impl Residents {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Pool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        self.lock().push(Arc::downgrade(pool));
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<(Arc<Pool>, Arc<Ready>)> {
        let pools = self.lock();
        let pools = pools.iter().filter_map(Weak::upgrade);
        pools
            .filter_map(|pool| Some((pool.clone(), pool.loaded()?)))
            .collect()
    }

    /// Drops instances that were unused for longer than their components allow, and components that were unused for long.
    pub(crate) fn retire_idle(&self) {
        let mut unused = Vec::new();
        for (pool, ready) in self.list() {
            ready.retire_idle();
            unused.push((ready.look(), pool));
        }
        let spare = unused.len().saturating_sub(STAY);
        unused.retain(|(looks, _)| *looks >= PATIENCE);
        unused.sort_by_key(|(looks, _)| std::cmp::Reverse(*looks));
        let rested = unused.iter().filter(|(_, pool)| pool.rest());
        if rested.take(spare).count() > 0 {
            self.lock()
                .retain(|pool| pool.upgrade().is_some_and(|pool| pool.loaded().is_some()));
        }
    }
}
