//! The linear memories of instances, kept from one instance to the next.
//!
//! Theory of operation. What costs most about a fresh instance is not making it but the page faults of its memory: each page
//! that it touches is given by the kernel, cleared, and taken away again at its end. Here the memory stays with its place
//! when an instance ends. The kernel is asked which of its pages exist ([`Pagemap`]), these are cleared, and the next instance
//! finds them present. The answer is right whatever the kernel does meanwhile: a page on its way to another place or to swap is
//! reported like one that is there, and a page that does not exist is zero when it is touched. What is more than
//! [`MOST_RESIDENT`] is given back instead, and so is everything where the kernel cannot be asked.
//!
//! All places of an engine are one reservation of address space: before and behind each memory lies a guard that nothing
//! can reach. A memory with little data begins empty, and the data is copied into it. One with much begins with its
//! [`Snapshot`], a file that is mapped there: a page that was written has become one of this process, which the kernel tells
//! apart from those of the file, and the bytes of the file are copied over it again.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mm::Advice;
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::pagemap::{Found, Pagemap};
use crate::reservation::Reservation;
use crate::snapshot::{Key, Snapshot, Snapshots};

/// Bytes that stay with a place between two instances.
const MOST_RESIDENT: usize = 512 << 10;
/// The same where a snapshot is mapped: a request to an interpreter writes one or two of these.
const MOST_RESIDENT_OF_SNAPSHOT: usize = 8 << 20;
/// What is reserved for a memory: all that 32 bits can address, so that code needs no checks.
const RESERVED: usize = 4 << 30;
/// Before and behind it, for the offsets that instructions add to addresses.
const GUARD: usize = 32 << 20;

/// Makes the memories of one engine.
#[derive(Debug)]
pub(crate) struct Memories(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    reservation: Reservation,
    free: Mutex<Free>,
    pagemap: Option<Pagemap>,
    page: usize,
}

/// Places that no instance uses; of those with the same, the last that was left is the first to be taken, because its pages are at
/// hand.
#[derive(Debug, Default)]
struct Free {
    plain: Vec<Place>,
    /// Those where a snapshot is mapped.
    mapped: HashMap<Key, Vec<Place>>,
}

impl Free {
    /// A place, if possible one where this snapshot is mapped already.
    fn take(&mut self, snapshot: Option<&Arc<Snapshot>>) -> Option<Place> {
        let same = snapshot.and_then(|snapshot| self.mapped.get_mut(&snapshot.key));
        let found = same.and_then(Vec::pop).or_else(|| self.plain.pop());
        found.or_else(|| {
            self.mapped.retain(|_, places| !places.is_empty());
            self.mapped.values_mut().next()?.pop()
        })
    }

    fn put_back(&mut self, place: Place) {
        match &place.snapshot {
            Some(snapshot) => self.mapped.entry(snapshot.key).or_default().push(place),
            None => self.plain.push(place),
        }
    }
}

/// Where one memory can be.
#[derive(Debug)]
struct Place {
    /// From the start of the reservation.
    offset: usize,
    /// Bytes from there that can be reached; a multiple of the page's size.
    accessible: usize,
    /// What the memory here begins with, where it is not zeroes.
    snapshot: Option<Arc<Snapshot>>,
}

impl Place {
    fn key(&self) -> Option<Key> {
        self.snapshot.as_ref().map(|snapshot| snapshot.key)
    }
}

/// A memory of an instance, in its place.
#[derive(Debug)]
struct Memory {
    shared: Arc<Shared>,
    place: Place,
    size: usize,
}

impl Memories {
    /// Reserves places for so many memories.
    pub(crate) fn new(count: usize) -> io::Result<Self> {
        let place = |number: usize| Place {
            offset: GUARD + number * (RESERVED + GUARD),
            accessible: 0,
            snapshot: None,
        };
        let reservation = Reservation::new(place(count).offset)?;
        let free = Free {
            plain: (0..count).rev().map(place).collect(),
            mapped: HashMap::new(),
        };
        let shared = Shared {
            reservation,
            free: Mutex::new(free),
            pagemap: Pagemap::open(),
            page: rustix::param::page_size(),
        };
        Ok(Self(Arc::new(shared)))
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps what a memory here is to begin with.
    fn begin_with(&self, place: &mut Place, snapshot: Option<Arc<Snapshot>>) -> io::Result<()> {
        if place.key() == snapshot.as_ref().map(|snapshot| snapshot.key) {
            return Ok(());
        }
        if let Some(before) = place.snapshot.take() {
            let (start, length) = (before.start, before.bytes.len());
            self.reservation
                .replace(place.offset + start, length, None)?;
            place.accessible = place.accessible.max(before.end());
        }
        if let Some(snapshot) = snapshot {
            self.fit(place, snapshot.end())?;
            let (start, length) = (snapshot.start, snapshot.bytes.len());
            let origin = Some(snapshot.origin());
            self.reservation
                .replace(place.offset + start, length, origin)?;
            place.snapshot = Some(snapshot);
        }
        Ok(())
    }

    /// Makes a place reach as far as a memory of this size, and no further.
    fn fit(&self, place: &mut Place, size: usize) -> io::Result<()> {
        let wanted = size.next_multiple_of(self.page);
        let (low, high) = (wanted.min(place.accessible), wanted.max(place.accessible));
        let grows = wanted > place.accessible;
        self.reservation
            .protect(place.offset + low, high - low, grows)?;
        place.accessible = wanted;
        Ok(())
    }

    /// Makes a memory as it began, as if nothing had ever been written to it.
    fn clear(&self, place: &Place) -> io::Result<()> {
        let start = self.reservation.at(place.offset).addr();
        let end = start + place.accessible;
        let most = match place.snapshot {
            Some(_) => MOST_RESIDENT_OF_SNAPSHOT,
            None => MOST_RESIDENT,
        };
        let (mut at, mut room) = (start, most / self.page);
        if let Some(pagemap) = &self.pagemap {
            let mut found = Found::default();
            while at < end && room > 0 {
                pagemap.own(at..end, room, &mut found)?;
                for run in found.runs() {
                    self.restore(place, run.start - start..run.end - start);
                    room = room.saturating_sub(run.len() / self.page);
                }
                at = found.end();
            }
        }
        self.reservation
            .advise(place.offset + (at - start), end - at, Advice::LinuxDontNeed)
    }

    /// Writes over some pages of a memory what they were at its beginning.
    fn restore(&self, place: &Place, pages: Range<usize>) {
        let (bytes, begins) = match &place.snapshot {
            Some(snapshot) => (snapshot.bytes.as_slice(), snapshot.start),
            None => (&[][..], 0),
        };
        let ends = begins + bytes.len();
        let copied = pages.start.clamp(begins, ends)..pages.end.clamp(begins, ends);
        self.zero(place, pages.start..pages.end.min(begins).max(pages.start));
        if let Some(from) = bytes.get(copied.start - begins..copied.end - begins) {
            let to = self.reservation.at(place.offset + copied.start);
            #[expect(unsafe_code, reason = "nobody else can write it; see SAFETY")]
            // SAFETY: the range lies in the accessible part of a place whose instance has ended, and the snapshot is elsewhere.
            unsafe {
                ptr::copy_nonoverlapping(from.as_ptr(), to, from.len());
            }
        }
        self.zero(place, pages.start.max(ends).min(pages.end)..pages.end);
    }

    fn zero(&self, place: &Place, range: Range<usize>) {
        let start = self.reservation.at(place.offset + range.start);
        #[expect(unsafe_code, reason = "nobody else can write it; see SAFETY")]
        // SAFETY: the range lies in the accessible part of a place whose instance has ended.
        unsafe {
            ptr::write_bytes(start, 0, range.len());
        }
    }
}

#[expect(
    unsafe_code,
    reason = "what it makes is believed to be memory; see SAFETY"
)]
// SAFETY: each memory has a place of its own in the reservation, zero, as large as it says, with as much room and as large a guard
// behind it as is asked for, or it is refused.
unsafe impl MemoryCreator for Memories {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        if reserved.is_none_or(|reserved| reserved > RESERVED)
            || minimum > RESERVED
            || guard > GUARD
        {
            return Err("a memory larger than 32 bits can address".to_owned());
        }
        let snapshot = Snapshots::current(minimum);
        let place = self.0.lock().take(snapshot.as_ref());
        let mut place = place.ok_or("all memories of this worker are taken")?;
        // A place that cannot be made ready is never used again.
        let made = self.0.begin_with(&mut place, snapshot);
        let made = made.and_then(|()| self.0.fit(&mut place, minimum));
        made.map_err(|error| error.to_string())?;
        Ok(Box::new(Memory {
            shared: self.0.clone(),
            place,
            size: minimum,
        }))
    }
}

/// Makes memories each of which has a reservation for itself: for engines of which nobody knows how many instances they will have.
#[derive(Debug)]
pub(crate) struct Apart;

#[expect(
    unsafe_code,
    reason = "what it makes is believed to be memory; see SAFETY"
)]
// SAFETY: each memory is one that [`Memories`] makes.
unsafe impl MemoryCreator for Apart {
    fn new_memory(
        &self,
        ty: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let one = Memories::new(1).map_err(|error| error.to_string())?;
        one.new_memory(ty, minimum, maximum, reserved, guard)
    }
}

#[expect(unsafe_code, reason = "what it says is believed; see SAFETY")]
// SAFETY: the pointer never moves, `byte_size` bytes behind it can be reached, and the capacity is what was reserved.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        RESERVED
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        if size > RESERVED {
            wasmtime::bail!("a memory cannot be larger than 4 GiB");
        }
        if size > self.place.accessible {
            self.shared.fit(&mut self.place, size)?;
        }
        self.size = size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.shared.reservation.at(self.place.offset)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if Arc::strong_count(&self.shared) == 1 {
            // The last of an engine that is gone takes its reservation with it.
            return;
        }
        let place = Place {
            snapshot: self.place.snapshot.take(),
            ..self.place
        };
        // A place that cannot be cleared is never used again.
        if self.shared.clear(&place).is_ok() {
            self.shared.lock().put_back(place);
        }
    }
}

#[cfg(test)]
mod tests;
