//! Which pages of our memory are our own: the kernel's `PAGEMAP_SCAN`, of Linux 6.7.
//!
//! <https://docs.kernel.org/admin-guide/mm/pagemap.html>

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Runs of pages that one scan reports.
const MOST_RUNS: usize = 32;

/// It is one of a file that is mapped there, and was not written.
const FILE: u64 = 1 << 2;
/// The page is in memory.
const PRESENT: u64 = 1 << 3;
/// It is in swap, or on its way from one place to another.
const SWAPPED: u64 = 1 << 4;
/// It is the one page of zeroes that all share, so it was only read.
const ZERO: u64 = 1 << 5;

/// `_IOWR('f', 16, struct pm_scan_arg)`
const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;

/// `struct pm_scan_arg` of linux/fs.h.
#[repr(C)]
#[derive(Debug, Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    runs: u64,
    runs_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region` of linux/fs.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    start: u64,
    end: u64,
    categories: u64,
}

/// Room for what one scan reports.
#[derive(Debug, Default)]
pub(crate) struct Found {
    runs: [Run; MOST_RUNS],
    count: usize,
    end: usize,
}

impl Found {
    /// Runs of pages with something of their own in them.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<usize>> {
        let runs = self.runs.iter().take(self.count);
        runs.map(|run| address(run.start)..address(run.end))
    }

    /// How far the scan came before it had found as much as it may report.
    pub(crate) fn end(&self) -> usize {
        self.end
    }
}

/// What the kernel says of this process's memory.
#[derive(Debug)]
pub(crate) struct Pagemap(File);

impl Pagemap {
    /// `None` where the kernel cannot be asked.
    pub(crate) fn open() -> Option<Self> {
        let pagemap = Self(File::open("/proc/self/pagemap").ok()?);
        pagemap.own(0..0, 1, &mut Found::default()).ok()?;
        Some(pagemap)
    }

    /// The pages in a range that are this process's own: written since they were zeroes, or bytes of a file; at most `most` of them.
    pub(crate) fn own(
        &self,
        range: Range<usize>,
        most: usize,
        found: &mut Found,
    ) -> io::Result<()> {
        let mut scan = Scan {
            size: word(size_of::<Scan>()),
            start: word(range.start),
            end: word(range.end),
            runs: word(found.runs.as_mut_ptr().addr()),
            runs_len: word(MOST_RUNS),
            max_pages: word(most),
            category_inverted: FILE | ZERO,
            category_mask: FILE | ZERO,
            category_anyof_mask: PRESENT | SWAPPED,
            ..Scan::default()
        };
        #[expect(unsafe_code, reason = "the system has no other way to ask; see SAFETY")]
        // SAFETY: the argument is the structure that this request takes, it and the runs that it points to live until the call is
        // over, and of the pages in the range the call changes nothing.
        let count = unsafe { libc::ioctl(self.0.as_raw_fd(), PAGEMAP_SCAN, &raw mut scan) };
        found.count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        found.end = address(scan.walk_end);
        Ok(())
    }
}

fn word(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn address(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
