//! The stacks on which guests run, kept from one call to the next: to map one anew costs more than most calls.

use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use wasmtime::{StackCreator, StackMemory};

/// Makes the stacks of one engine, all of one size.
#[derive(Debug, Default)]
pub(crate) struct Stacks(Arc<Free>);

/// Stacks that no call uses.
type Free = Mutex<Vec<Mapping>>;

/// Memory for a stack, its lowest page out of reach.
#[derive(Debug)]
struct Mapping {
    range: Range<usize>,
    page: usize,
}

/// A stack that a call runs on.
#[derive(Debug)]
struct Stack {
    free: Arc<Free>,
    /// Until the call is over.
    mapping: Option<Mapping>,
    /// Without the page that is out of reach.
    range: Range<usize>,
    guard: Range<usize>,
}

impl Mapping {
    fn new(size: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let length = size.next_multiple_of(page) + page;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        #[expect(unsafe_code, reason = "the one way to map memory; see SAFETY")]
        // SAFETY: the kernel chooses where, so nothing that is there already is touched.
        let start = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), length, access, MapFlags::PRIVATE)
        }?;
        let start = start.expose_provenance();
        let made = Self {
            range: start..start + length,
            page,
        };
        #[expect(unsafe_code, reason = "the one way to close memory; see SAFETY")]
        // SAFETY: the page was mapped just now, and nobody knows of it.
        unsafe {
            rustix::mm::mprotect(pointer(start).cast(), page, MprotectFlags::empty())?;
        }
        Ok(made)
    }

    /// Where calls run.
    fn usable(&self) -> Range<usize> {
        self.range.start + self.page..self.range.end
    }

    fn clear(&self) -> io::Result<()> {
        let usable = self.usable();
        #[expect(unsafe_code, reason = "the one way to give pages back; see SAFETY")]
        // SAFETY: no call uses it.
        unsafe {
            rustix::mm::madvise(
                pointer(usable.start).cast(),
                usable.len(),
                Advice::LinuxDontNeed,
            )?;
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the one way to end a mapping; see SAFETY")]
        // SAFETY: it is ours, and no call uses it.
        let _ = unsafe { rustix::mm::munmap(pointer(self.range.start).cast(), self.range.len()) };
    }
}

#[expect(
    unsafe_code,
    reason = "what it makes is believed to be a stack; see SAFETY"
)]
// SAFETY: each stack is memory of its own of at least the size that is asked for, whole pages, and below it lies a page that nothing
// can reach. It is zero when that is asked for.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mapping = match free {
            Some(mapping) if mapping.usable().len() >= size => {
                if zeroed {
                    mapping.clear()?;
                }
                mapping
            }
            _ => Mapping::new(size)?,
        };
        let range = mapping.usable();
        Ok(Box::new(Stack {
            free: self.0.clone(),
            guard: mapping.range.start..range.start,
            range,
            mapping: Some(mapping),
        }))
    }
}

#[expect(unsafe_code, reason = "what it says is believed; see SAFETY")]
// SAFETY: the ranges are those of a mapping that lives as long as this does.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        pointer(self.range.end)
    }

    fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    fn guard_range(&self) -> Range<*mut u8> {
        pointer(self.guard.start)..pointer(self.guard.end)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.mapping.take());
    }
}

/// An address in a mapping, whose provenance was exposed when it was made.
fn pointer(address: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address)
}
