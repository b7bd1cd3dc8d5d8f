//! Address space for memories: reserved in one piece, opened and closed as they grow and end.

use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};

/// Address space that nothing can reach until it is made accessible, piece by piece.
#[derive(Debug)]
pub(crate) struct Reservation {
    start: NonNull<u8>,
    length: usize,
}

#[expect(unsafe_code, reason = "a pointer is neither by itself; see SAFETY")]
// SAFETY: a reservation belongs to nobody but its owner, and what lies in it is only reached through the memories in it, each of
// which Wasmtime guards as it guards its own.
unsafe impl Send for Reservation {}
#[expect(unsafe_code, reason = "a pointer is neither by itself; see SAFETY")]
// SAFETY: as above; its methods only compute addresses and call the kernel.
unsafe impl Sync for Reservation {}

impl Reservation {
    pub(crate) fn new(length: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        #[expect(
            unsafe_code,
            reason = "the one way to reserve address space; see SAFETY"
        )]
        // SAFETY: the kernel chooses where, so nothing that is there already is touched.
        let start = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), flags)
        }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("no address"))?;
        let made = Self { start, length };
        // Pages of 2 MiB would be cleared whole for the few bytes that are written. Kernels without them refuse the advice.
        let _ = made.advise(0, length, Advice::LinuxNoHugepage);
        Ok(made)
    }

    /// The address of a byte.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        self.start.as_ptr().wrapping_add(offset)
    }

    /// Opens or closes a range.
    pub(crate) fn protect(&self, offset: usize, length: usize, accessible: bool) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let flags = if accessible {
            MprotectFlags::READ | MprotectFlags::WRITE
        } else {
            MprotectFlags::empty()
        };
        #[expect(
            unsafe_code,
            reason = "the one way to open and close memory; see SAFETY"
        )]
        // SAFETY: the range lies in this reservation, in the place of the memory that asks.
        unsafe {
            rustix::mm::mprotect(self.at(offset).cast(), length, flags)?;
        }
        Ok(())
    }

    /// Puts a piece of a file in place of a range; what is written there stays here. Or, without one, zeroes.
    pub(crate) fn replace(
        &self,
        offset: usize,
        length: usize,
        with: Option<(&File, u64)>,
    ) -> io::Result<()> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        let at = self.at(offset).cast();
        #[expect(unsafe_code, reason = "the one way to map a file there; see SAFETY")]
        // SAFETY: the range lies in this reservation, in the place of the memory that asks.
        unsafe {
            match with {
                Some((file, begin)) => rustix::mm::mmap(at, length, access, flags, file, begin),
                None => rustix::mm::mmap_anonymous(at, length, access, flags),
            }?;
        }
        let _ = self.advise(offset, length, Advice::LinuxNoHugepage);
        Ok(())
    }

    /// Tells the kernel how a range is used.
    pub(crate) fn advise(&self, offset: usize, length: usize, advice: Advice) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        #[expect(unsafe_code, reason = "the one way to give pages back; see SAFETY")]
        // SAFETY: the range lies in this reservation, in a place that no instance uses.
        unsafe {
            rustix::mm::madvise(self.at(offset).cast(), length, advice)?;
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the one way to end a reservation; see SAFETY")]
        // SAFETY: it is ours, and every memory in it holds it, so none is left.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
