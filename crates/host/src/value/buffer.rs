//! Memory for large `list<u8>` values, kept for the next one.
//!
//! A mebibyte is passed in less time than the system takes to give a process a mebibyte of new memory, page by page. So each thread keeps
//! the last large buffer that it let go. What was in it is never seen again: a value is as long as what was copied into it.

use std::cell::Cell;

use bytes::Bytes;

/// Shorter values are not worth it.
const LEAST: usize = 128 << 10;
/// Longer ones are given back to the system.
const MOST: usize = 4 << 20;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

struct Buffer(Vec<u8>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        if buffer.capacity() <= MOST {
            // A thread that ends has nothing to keep.
            let _ = SPARE.try_with(|spare| spare.set(buffer));
        }
    }
}

/// A value with these bytes.
pub(super) fn copied(bytes: &[u8]) -> Bytes {
    if !(LEAST..=MOST).contains(&bytes.len()) {
        return Bytes::copy_from_slice(bytes);
    }
    let mut buffer = SPARE.take();
    buffer.clear();
    buffer.reserve_exact(bytes.len());
    buffer.extend_from_slice(bytes);
    Bytes::from_owner(Buffer(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_large_value_is_used_for_the_next_which_is_all_that_is_seen() {
        let first = copied(&vec![1; 2 * LEAST]);
        let place = first.as_ptr();
        drop(first);

        let second = copied(&vec![2; LEAST]);

        assert_eq!(second.as_ptr(), place);
        assert_eq!(second, vec![2; LEAST]);
    }

    #[test]
    fn values_that_live_at_once_have_memory_of_their_own() {
        let (first, second) = (copied(&vec![1; LEAST]), copied(&vec![2; LEAST]));
        let clone = first.clone();
        drop(first);

        let third = copied(&vec![3; LEAST]);

        assert_eq!(
            (clone, second, third),
            (
                vec![1; LEAST].into(),
                vec![2; LEAST].into(),
                vec![3; LEAST].into()
            )
        );
    }
}
