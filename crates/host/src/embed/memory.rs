//! Memories of core modules, also while a function of the embedder answers the module.
//!
//! A module passes places in its memory to the functions that it imports, and the embedder reads and writes there before it answers.
//! Meanwhile the call has the store, and waits. So what an import's future leaves here is where the memories are; it takes that
//! away before the guest goes on.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::{AsContextMut, Memory};
use wisp_wasi::Companion;

/// Why bytes cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// Not all of them are inside.
    #[error("{length} bytes at {offset} are not inside the memory of {size} bytes")]
    Outside {
        /// The first of them.
        offset: usize,
        /// How many.
        length: usize,
        /// Bytes of the memory.
        size: usize,
    },
    /// There is no such memory.
    #[error("the module has no memory `{0}`")]
    Missing(String),
    /// The guest runs.
    #[error("a call of this instance is in progress")]
    Busy,
    /// The instance is gone.
    #[error("the instance is closed")]
    Closed,
}

/// What somebody does with the bytes of a memory.
pub(super) type Access<'a> = &'a mut (dyn FnMut(&mut [u8]) -> Result<(), MemoryError> + 'a);

/// Bytes of a memory, if they are all inside.
pub(super) fn part(
    data: &mut [u8],
    offset: usize,
    length: usize,
) -> Result<&mut [u8], MemoryError> {
    let size = data.len();
    let end = offset.checked_add(length);
    end.and_then(|end| data.get_mut(offset..end))
        .ok_or(MemoryError::Outside {
            offset,
            length,
            size,
        })
}

/// The memories of one instance by name, and where they are while it waits for the embedder.
#[derive(Debug, Default)]
pub(super) struct Paused {
    memories: OnceLock<Vec<(String, Memory)>>,
    /// Empty while the guest runs.
    places: Mutex<Vec<(String, Place)>>,
}
/// The bytes of a memory.
#[derive(Debug)]
struct Place {
    start: *mut u8,
    size: usize,
}

#[expect(
    unsafe_code,
    reason = "a pointer that other threads may use; see SAFETY"
)]
// SAFETY: the pointer is followed only under the lock of `Paused`, by one thread at a time.
unsafe impl Send for Place {}

impl Paused {
    /// Those of the instance that has this companion.
    pub(super) fn of(companion: Option<Companion>) -> wasmtime::Result<Arc<Self>> {
        companion
            .and_then(|companion| companion.downcast().ok())
            .ok_or_else(|| wasmtime::Error::msg("the instance has no embedder"))
    }

    /// The instance is there, and these are its memories.
    pub(super) fn begin(&self, memories: Vec<(String, Memory)>) {
        let _ = self.memories.set(memories);
    }

    pub(super) fn memory(&self, name: &str) -> Result<Memory, MemoryError> {
        let mut memories = self.memories.get().into_iter().flatten();
        let found = memories.find(|(known, _)| known == name);
        found
            .map(|(_, memory)| *memory)
            .ok_or_else(|| MemoryError::Missing(name.to_owned()))
    }

    /// Lends the memories for as long as the result lives. The caller is an import's future, which has the store until it ends
    /// or is dropped, and drops this before either.
    pub(super) fn lend(&self, mut store: impl AsContextMut) -> Lent<'_> {
        let memories = self.memories.get().into_iter().flatten();
        let places = memories.map(|(name, memory)| {
            let data = memory.data_mut(&mut store);
            let (start, size) = (data.as_mut_ptr(), data.len());
            (name.clone(), Place { start, size })
        });
        *self.lock() = places.collect();
        Lent(self)
    }

    /// Does something with a memory, if the guest waits; `None` when it does not.
    pub(super) fn access(&self, name: &str, access: Access<'_>) -> Option<Result<(), MemoryError>> {
        let places = self.lock();
        let (_, place) = places.iter().find(|(known, _)| known == name)?;
        #[expect(
            unsafe_code,
            reason = "the store is lent to the paused call; see SAFETY"
        )]
        // SAFETY: the place was taken from the memory by an import's future, which still exists: it empties the list, under
        // this lock, before it ends. As long as it exists it has the store for itself, so nobody grows, moves, frees or
        // touches the memory but we, and the lock keeps us to one at a time.
        let data = unsafe { std::slice::from_raw_parts_mut(place.start, place.size) };
        Some(access(data))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Place)>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memories that are lent.
pub(super) struct Lent<'a>(&'a Paused);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.lock().clear();
    }
}
