//! Whatever an instance does to its memory, the next one begins as if it had not.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use wasmtime::{Config, Engine, Instance, Module, Store};

use super::*;
use crate::snapshot::compiled;
use crate::stacks::Stacks;

/// 40 pages of 64 KiB to begin with, some data in the third.
const GUEST: &str = r#"(module
    (memory (export "memory") 40 80)
    (data (i32.const 131072) "here from the beginning")
    (func (export "write") (param i32) (i32.store8 (local.get 0) (i32.const 7)))
    (func (export "read") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "nothing")))"#;
const BEGINS_WITH: usize = 40 << 16;

/// How the memories of an engine are made.
#[derive(Clone, Copy, Debug)]
struct Way {
    places: usize,
    asks_the_kernel: bool,
    /// Whether the guest has so much data that it is mapped.
    maps: bool,
}

/// Every way, with one place.
const WAYS: [Way; 4] = [
    way(true, false),
    way(false, false),
    way(true, true),
    way(false, true),
];

const fn way(asks_the_kernel: bool, maps: bool) -> Way {
    Way {
        places: 1,
        asks_the_kernel,
        maps,
    }
}

/// What makes instances one after the other in the same places.
struct Guests {
    engine: Engine,
    module: Module,
    snapshots: Snapshots,
}

impl Guests {
    fn new(way: Way) -> Self {
        let mut memories = Memories::new(way.places).unwrap();
        if !way.asks_the_kernel {
            Arc::get_mut(&mut memories.0).unwrap().pagemap = None;
        }
        let mut config = Config::new();
        config
            .memory_init_cow(false)
            .with_host_memory(Arc::new(memories))
            .with_host_stack(Arc::new(Stacks::default()));
        Self::with(
            &Engine::new(&config).unwrap(),
            if way.maps { "much" } else { "" },
        )
    }

    /// Another guest in the same places, with a lot of these words in its memory.
    fn with(engine: &Engine, words: &str) -> Self {
        let much = words.repeat(1_000_000 / words.len().max(1));
        let text = GUEST.replace(
            "(data",
            &format!("(data (i32.const 70000) \"{much}\") (data"),
        );
        let mut module = Vec::new();
        let artifact = compiled(&wat::parse_str(text).unwrap(), |wasm| {
            module = wasm.to_vec();
            Ok(Vec::new())
        });
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&artifact.unwrap()).unwrap();
        Self {
            engine: engine.clone(),
            module: Module::new(engine, module).unwrap(),
            snapshots: Snapshots::read(file).unwrap(),
        }
    }

    fn next(&self) -> Guest {
        self.try_next().unwrap()
    }

    fn try_next(&self) -> wasmtime::Result<Guest> {
        let mut store = Store::new(&self.engine, ());
        let instance = {
            let made = async { Instance::new(&mut store, &self.module, &[]) };
            let mut made = pin!(self.snapshots.around(made));
            let mut context = Context::from_waker(Waker::noop());
            match made.as_mut().poll(&mut context) {
                Poll::Ready(instance) => instance?,
                Poll::Pending => panic!("nothing is waited for"),
            }
        };
        Ok(Guest { store, instance })
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
        let write = self
            .instance
            .get_typed_func::<u32, ()>(&mut self.store, "write");
        write.unwrap().call(&mut self.store, at).unwrap();
    }

    /// All of its memory, as a number.
    fn seen(&mut self) -> (usize, u64) {
        let memory = self.instance.get_memory(&mut self.store, "memory").unwrap();
        let bytes = memory.data(&self.store);
        let mut hasher = std::hash::DefaultHasher::new();
        bytes.hash(&mut hasher);
        (bytes.len(), hasher.finish())
    }
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
fn a_guest_begins_with_its_data_however_its_memory_is_made() {
    let seen = WAYS.map(|way| Guests::new(way).next().seen());

    assert_eq!((seen[0], seen[2]), (seen[1], seen[3]));
    for way in WAYS {
        let mut guest = Guests::new(way).next();
        let expected = if way.maps { i32::from(b'm') } else { 0 };
        assert_eq!(guest.call("read", 70_000).unwrap(), expected, "{way:?}");
        assert_eq!(
            guest.call("read", 131_072).unwrap(),
            i32::from(b'h'),
            "{way:?}"
        );
    }
}

#[test]
fn an_instance_that_fills_its_memory_leaves_nothing() {
    for way in WAYS {
        let guests = Guests::new(way);
        let mut first = guests.next();
        let untouched = first.seen();
        for at in (0..BEGINS_WITH).step_by(512) {
            first.write(at);
        }
        assert_ne!(first.seen(), untouched, "{way:?}");
        drop(first);

        assert_eq!(guests.next().seen(), untouched, "{way:?}");
    }
}

#[test]
fn a_memory_that_has_grown_is_small_again_for_the_next() {
    for way in WAYS {
        let guests = Guests::new(way);
        let mut first = guests.next();
        let untouched = first.seen();
        assert_eq!(first.call("grow", 10).unwrap(), 40);
        first.write(BEGINS_WITH + 1);
        drop(first);

        let mut second = guests.next();
        assert!(second.call("read", BEGINS_WITH).is_err());
        drop(second);
        let mut third = guests.next();
        assert_eq!(third.seen(), untouched, "{way:?}");
        assert_eq!(third.call("grow", 10).unwrap(), 40);
        assert_eq!(third.call("read", BEGINS_WITH + 1).unwrap(), 0);
    }
}

#[test]
fn what_lies_behind_a_memory_cannot_be_reached() {
    for maps in [false, true] {
        let guests = Guests::new(Way {
            places: 2,
            ..way(true, maps)
        });
        let (mut one, mut other) = (guests.next(), guests.next());
        let last = usize::try_from(u32::MAX).unwrap();

        assert!(one.call("read", BEGINS_WITH).is_err());
        assert!(other.call("read", last).is_err());
        assert_eq!(one.seen(), other.seen());
    }
}

#[test]
fn when_all_places_are_taken_no_memory_is_made() {
    for way in WAYS {
        let guests = Guests::new(way);
        let first = guests.next();

        let refused = guests.try_next().err().unwrap().to_string();
        drop(first);

        assert!(refused.contains("are taken"), "{refused}");
        guests.next();
    }
}

#[test]
fn guests_that_take_turns_in_one_place_see_their_own_data_only() {
    let plain = Guests::new(way(true, false));
    let much = Guests::with(&plain.engine, "much");
    let more = Guests::with(&plain.engine, "more");
    let all = [&plain, &much, &more, &much, &plain, &more, &plain];
    let write_over = |guests: &Guests| {
        let mut guest = guests.next();
        let seen = guest.seen();
        for at in (60_000..1_200_000).step_by(700) {
            guest.write(at);
        }
        seen
    };

    let first = all.map(write_over);
    let again = all.map(write_over);

    assert_eq!(first, again);
    assert_eq!(
        (first[0], first[1], first[2]),
        (first[4], first[3], first[5])
    );
    assert_eq!(BTreeSet::from_iter(first).len(), 3);
}

#[test]
fn memories_apart_begin_with_their_data_too() {
    let mut config = Config::new();
    config
        .memory_init_cow(false)
        .with_host_memory(Arc::new(Apart));
    let guests = Guests::with(&Engine::new(&config).unwrap(), "much");
    let expected = Guests::new(way(true, true)).next().seen();

    let mut all = [guests.next(), guests.next()];
    all[0].write(70_000);

    assert_eq!(all[1].seen(), expected);
    assert_ne!(all[0].seen(), expected);
}

proptest! {
    #[test]
    fn whatever_an_instance_writes_the_next_begins_as_if_it_had_not(
        writes in proptest::collection::vec((0..BEGINS_WITH, 1..40_usize, 1..9000_usize), 0..40),
        grows in 0..40_usize,
    ) {
        for way in WAYS {
            let guests = Guests::new(way);
            let untouched = guests.next().seen();
            for _ in 0..3 {
                let mut guest = guests.next();
                prop_assert_eq!(guest.seen(), untouched);
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
