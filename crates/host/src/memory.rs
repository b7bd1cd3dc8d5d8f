//! The linear memories of instances with little data, kept from one instance to the next.
//!
//! Theory of operation. What costs most about a fresh instance is not making it but the page faults of its memory: each page
//! that it touches is given by the kernel, cleared, and taken away again at its end. Here the memory stays with its place
//! when an instance ends. The kernel is asked which of its pages exist ([`Pagemap`]), these are cleared, and the next instance
//! finds them present. The answer is right whatever the kernel does meanwhile: a page on its way to another place or to swap is
//! reported like one that is there, and a page that does not exist is zero when it is touched. What is more than
//! [`MOST_RESIDENT`] is given back instead, and so is everything where the kernel cannot be asked.
//!
//! All places of an engine are one reservation of address space: before and behind each memory lies a guard that nothing
//! can reach. A memory begins empty, and an instance's data is copied into it, which is why only components with little
//! data live here (`memory_init_cow` is off for them).

use std::io;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::pagemap::Pagemap;

/// Bytes that stay with a place between two instances.
const MOST_RESIDENT: usize = 512 << 10;
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
    /// Places that no instance uses; the last that was left is the first to be taken, because its pages are at hand.
    free: Mutex<Vec<Place>>,
    pagemap: Option<Pagemap>,
    page: usize,
}

/// Address space that nothing can reach until it is made accessible, piece by piece.
#[derive(Debug)]
struct Reservation {
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

/// Where one memory can be.
#[derive(Debug)]
struct Place {
    /// From the start of the reservation.
    offset: usize,
    /// Bytes from there that can be reached; a multiple of the page's size.
    accessible: usize,
}

/// A memory of an instance, in its place.
#[derive(Debug)]
struct Memory {
    shared: Arc<Shared>,
    place: Place,
    size: usize,
}

impl Reservation {
    fn new(length: usize) -> io::Result<Self> {
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

    fn at(&self, offset: usize) -> *mut u8 {
        self.start.as_ptr().wrapping_add(offset)
    }

    fn protect(&self, offset: usize, length: usize, accessible: bool) -> io::Result<()> {
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

    fn advise(&self, offset: usize, length: usize, advice: Advice) -> io::Result<()> {
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

impl Memories {
    /// Reserves places for so many memories.
    pub(crate) fn new(count: usize) -> io::Result<Self> {
        let place = |number: usize| Place {
            offset: GUARD + number * (RESERVED + GUARD),
            accessible: 0,
        };
        let reservation = Reservation::new(place(count).offset)?;
        let shared = Shared {
            reservation,
            free: Mutex::new((0..count).rev().map(place).collect()),
            pagemap: Pagemap::open(),
            page: rustix::param::page_size(),
        };
        Ok(Self(Arc::new(shared)))
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Place>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Makes a memory zero again, as if nothing had ever been written to it.
    fn clear(&self, place: &Place) -> io::Result<()> {
        let start = self.reservation.at(place.offset).addr();
        let end = start + place.accessible;
        let kept = match &self.pagemap {
            Some(pagemap) => {
                let found = pagemap.existing(start..end, MOST_RESIDENT / self.page)?;
                for run in found.runs() {
                    let run_start = self.reservation.at(place.offset + (run.start - start));
                    #[expect(unsafe_code, reason = "nobody else can write it; see SAFETY")]
                    // SAFETY: the run lies in the accessible part of a place whose instance has ended.
                    unsafe {
                        ptr::write_bytes(run_start, 0, run.len());
                    }
                }
                found.end() - start
            }
            None => 0,
        };
        let rest = place.accessible - kept;
        self.reservation
            .advise(place.offset + kept, rest, Advice::LinuxDontNeed)
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
        let place = self.0.lock().pop();
        let place = place.ok_or("all memories of this worker are taken")?;
        let mut memory = Memory {
            shared: self.0.clone(),
            place,
            size: minimum,
        };
        let fitted = self.0.fit(&mut memory.place, minimum);
        fitted.map_err(|error| error.to_string())?;
        Ok(Box::new(memory))
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
        let place = Place { ..self.place };
        // A place that cannot be cleared is never used again.
        if self.shared.clear(&place).is_ok() {
            self.shared.lock().push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wasmtime::{Config, Engine, Instance, Module, Store};

    use super::*;
    use crate::stacks::Stacks;

    /// 40 pages of 64 KiB to begin with, some data in the third.
    const GUEST: &str = r#"(module
        (memory (export "memory") 40 80)
        (data (i32.const 131072) "here from the beginning")
        (func (export "write") (param i32) (i32.store8 (local.get 0) (i32.const 7)))
        (func (export "read") (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "sum") (result i32)
            (local $at i32) (local $sum i32)
            (loop $next
                (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
            (local.get $sum)))"#;
    const BEGINS_WITH: usize = 40 << 16;

    /// What makes instances one after the other in the same places.
    struct Guests {
        engine: Engine,
        module: Module,
    }

    impl Guests {
        fn new(places: usize, asks_the_kernel: bool) -> Self {
            let mut memories = Memories::new(places).unwrap();
            if !asks_the_kernel {
                Arc::get_mut(&mut memories.0).unwrap().pagemap = None;
            }
            let mut config = Config::new();
            config
                .memory_init_cow(false)
                .with_host_memory(Arc::new(memories))
                .with_host_stack(Arc::new(Stacks::default()));
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, GUEST).unwrap();
            Self { engine, module }
        }

        fn next(&self) -> Guest {
            let mut store = Store::new(&self.engine, ());
            let instance = Instance::new(&mut store, &self.module, &[]).unwrap();
            Guest { store, instance }
        }
    }

    struct Guest {
        store: Store<()>,
        instance: Instance,
    }

    impl Guest {
        fn call(&mut self, name: &str, argument: usize) -> wasmtime::Result<i32> {
            let argument = u32::try_from(argument).unwrap();
            let function = self.instance.get_typed_func(&mut self.store, name)?;
            function.call(&mut self.store, argument)
        }

        fn write(&mut self, at: usize) {
            let at = u32::try_from(at).unwrap();
            let function = self.instance.get_typed_func(&mut self.store, "write");
            function.unwrap().call(&mut self.store, at).unwrap();
        }

        fn sum(&mut self) -> i32 {
            let function = self.instance.get_typed_func(&mut self.store, "sum");
            function.unwrap().call(&mut self.store, ()).unwrap()
        }
    }

    fn untouched() -> i32 {
        b"here from the beginning"
            .iter()
            .copied()
            .map(i32::from)
            .sum()
    }

    #[test]
    fn the_kernel_of_this_machine_is_asked() {
        // Linux 6.7 or newer; without it everything works, and slower.
        let release = rustix::system::uname();
        let release = release.release().to_str().unwrap();
        let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));

        assert_eq!(Pagemap::open().is_some(), version >= (6, 7), "{release}");
    }

    #[test]
    fn an_instance_that_fills_its_memory_leaves_nothing() {
        for asks_the_kernel in [true, false] {
            let guests = Guests::new(1, asks_the_kernel);
            let mut first = guests.next();
            for at in (0..BEGINS_WITH).step_by(512) {
                first.write(at);
            }
            drop(first);

            assert_eq!(guests.next().sum(), untouched());
        }
    }

    #[test]
    fn a_memory_that_has_grown_is_small_again_for_the_next() {
        for asks_the_kernel in [true, false] {
            let guests = Guests::new(1, asks_the_kernel);
            let mut first = guests.next();
            assert_eq!(first.call("grow", 10).unwrap(), 40);
            first.write(BEGINS_WITH + 1);
            drop(first);

            let mut second = guests.next();
            assert!(second.call("read", BEGINS_WITH).is_err());
            drop(second);
            let mut third = guests.next();
            assert_eq!(third.call("grow", 10).unwrap(), 40);
            assert_eq!(third.sum(), untouched());
        }
    }

    #[test]
    fn what_lies_behind_a_memory_cannot_be_reached() {
        let guests = Guests::new(2, true);
        let (mut one, mut other) = (guests.next(), guests.next());

        assert!(one.call("read", BEGINS_WITH).is_err());
        assert!(
            other
                .call("read", usize::try_from(u32::MAX).unwrap())
                .is_err()
        );
        assert_eq!((one.sum(), other.sum()), (untouched(), untouched()));
    }

    #[test]
    fn when_all_places_are_taken_no_memory_is_made() {
        let guests = Guests::new(1, true);
        let first = guests.next();
        let mut store = Store::new(&guests.engine, ());

        let refused = Instance::new(&mut store, &guests.module, &[]).unwrap_err();
        drop(first);

        assert!(refused.to_string().contains("are taken"), "{refused}");
        assert_eq!(guests.next().sum(), untouched());
    }

    proptest! {
        #[test]
        fn whatever_an_instance_writes_the_next_begins_as_if_it_had_not(
            writes in proptest::collection::vec((0..BEGINS_WITH, 1..40_usize, 1..9000_usize), 0..40),
            grows in 0..40_usize,
        ) {
            for asks_the_kernel in [true, false] {
                let guests = Guests::new(1, asks_the_kernel);
                for _ in 0..3 {
                    let mut guest = guests.next();
                    prop_assert_eq!(guest.sum(), untouched());
                    guest.call("grow", grows).unwrap();
                    let size = BEGINS_WITH + (grows << 16);
                    for &(start, count, step) in &writes {
                        for at in (start..size).step_by(step).take(count) {
                            guest.write(at);
                        }
                    }
                }
            }
        }
    }
}
