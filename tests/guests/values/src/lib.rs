//! A component that gives back values of every type, misbehaves on request, has resources, and calls its host.

mod bindings {
    wit_bindgen::generate!({ world: "values", path: "wit" });
}

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use bindings::exports::test::values::{behave, counters, echo, relay};
use bindings::test::values::log;
use echo::{Colour, Packet, ProcessError, Rights, Shape};

struct Guest;

bindings::export!(Guest with_types_in bindings);

macro_rules! echoes {
    ($($name:ident: $ty:ty),* $(,)?) => {
        $(fn $name(value: $ty) -> $ty { value })*
    };
}

impl echo::Guest for Guest {
    echoes! {
        boolean: bool, unsigned8: u8, unsigned16: u16, unsigned32: u32, unsigned64: u64,
        signed8: i8, signed16: i16, signed32: i32, signed64: i64, float32: f32, float64: f64,
        character: char, text: String, bytes: Vec<u8>, numbers: Vec<i32>, texts: Vec<String>,
        packets: Vec<Packet>, pair: (u32, String), a_shape: Shape, a_colour: Colour, some_rights: Rights,
        maybe: Option<String>, nested: Option<Option<u32>>, outcomes: Vec<Result<u32, String>>,
    }

    fn nothing() {}

    fn process(input: Packet) -> Result<Packet, ProcessError> {
        match (input.payload.is_empty(), input.encryption_level) {
            (true, _) => Err(ProcessError::EmptyPayload),
            (_, 10..) => Err(ProcessError::TooSecret(input.encryption_level)),
            _ => Ok(Packet {
                payload: input.payload.to_uppercase(),
                ..input
            }),
        }
    }

    fn checked(fail: bool) -> Result<u32, String> {
        if fail {
            Err("it was asked to fail".into())
        } else {
            Ok(7)
        }
    }

    fn plain(fail: bool) -> Result<(), ()> {
        if fail { Err(()) } else { Ok(()) }
    }
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl behave::Guest for Guest {
    fn trap(why: String) {
        eprintln!("about to trap: {why}");
        panic!("{why}");
    }

    fn divide(by: u32) -> u32 {
        std::hint::black_box(1_u32)
            .checked_div(by)
            .unwrap_or_else(|| core::arch::wasm32::unreachable())
    }

    fn spin() {
        let mut number = 0_u64;
        loop {
            number = std::hint::black_box(number.wrapping_add(1));
        }
    }

    fn eat(mebibytes: u32) -> u32 {
        let food = vec![1_u8; (mebibytes as usize) << 20];
        std::hint::black_box(food.iter().map(|byte| u32::from(*byte)).sum())
    }

    fn environment() -> Vec<(String, String)> {
        std::env::vars().collect()
    }

    fn count() -> u32 {
        COUNT.fetch_add(1, Ordering::Relaxed) + 1
    }
}

static LIVE: AtomicU32 = AtomicU32::new(0);

struct Counter(Cell<u32>);

impl Counter {
    fn of(value: u32) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self(Cell::new(value))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl counters::GuestCounter for Counter {
    fn new(start: u32) -> Self {
        Self::of(start)
    }

    fn add(&self, amount: u32) -> u32 {
        self.0.set(self.0.get() + amount);
        self.0.get()
    }

    fn value(&self) -> u32 {
        self.0.get()
    }

    fn joined(first: counters::Counter, second: counters::CounterBorrow<'_>) -> counters::Counter {
        let sum = first.get::<Counter>().0.get() + second.get::<Counter>().0.get();
        counters::Counter::new(Counter::of(sum))
    }
}

impl counters::Guest for Guest {
    type Counter = Counter;

    fn live() -> u32 {
        LIVE.load(Ordering::Relaxed)
    }
}

impl relay::Guest for Guest {
    fn write(line: String, level: u32) -> u32 {
        log::write(&line, level)
    }

    fn check(input: relay::Packet) -> Result<relay::Packet, String> {
        log::check(&input)
    }

    fn repeat(times: u32) -> u32 {
        (0..times).map(|level| log::write("", level)).sum()
    }
}
