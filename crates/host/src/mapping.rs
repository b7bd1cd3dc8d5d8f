//! A piece of a file in memory, to be read.

use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags};

/// Bytes of a file of our own cache, which nobody changes.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

#[expect(unsafe_code, reason = "a pointer is neither by itself; see SAFETY")]
// SAFETY: what is mapped is only read, by whichever thread.
unsafe impl Send for Mapping {}
#[expect(unsafe_code, reason = "a pointer is neither by itself; see SAFETY")]
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a piece of a file; where it begins must be a multiple of the page's size.
    pub(crate) fn of(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "the one way to map a file; see SAFETY")]
        // SAFETY: the kernel chooses where, so nothing that is there already is touched. The file is an artifact, which is written once, under
        // a name of its own.
        let start = unsafe {
            rustix::mm::mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ,
                MapFlags::SHARED,
                file,
                offset,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("no address"))?;
        Ok(Self { start, length })
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        #[expect(unsafe_code, reason = "the one way to see it as bytes; see SAFETY")]
        // SAFETY: so many bytes are mapped there for as long as this lives.
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr(), self.length)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the one way to end a mapping; see SAFETY")]
        // SAFETY: it is ours, and nobody holds a slice of it any more.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
