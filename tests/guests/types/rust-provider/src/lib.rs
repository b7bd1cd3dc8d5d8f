//! Gives back values of every type, and has things of its own.

mod bindings {
    wit_bindgen::generate!({ world: "provider", path: "wit", generate_all });
}

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use bindings::exports::test::types::echo::{self, *};
use bindings::exports::test::types::things;

struct Guest;

bindings::export!(Guest with_types_in bindings);

type Tuple18 = (
    u8,
    u16,
    u32,
    u64,
    i8,
    i16,
    i32,
    i64,
    f32,
    f64,
    char,
    bool,
    String,
    Vec<u8>,
    Colour,
    Eight,
    Point,
    Option<u8>,
);

macro_rules! echoes {
    ($($name:ident: $ty:ty),* $(,)?) => {
        $(fn $name(value: $ty) -> $ty { value })*
    };
}

impl echo::Guest for Guest {
    echoes! {
        boolean: bool, unsigned8: u8, unsigned16: u16, unsigned32: u32, unsigned64: u64, signed8: i8, signed16: i16,
        signed32: i32, signed64: i64, float32: f32, float64: f64, character: char, text: String,

        list_boolean: Vec<bool>, list_unsigned8: Vec<u8>, list_unsigned16: Vec<u16>, list_unsigned32: Vec<u32>,
        list_unsigned64: Vec<u64>, list_signed8: Vec<i8>, list_signed16: Vec<i16>, list_signed32: Vec<i32>,
        list_signed64: Vec<i64>, list_float32: Vec<f32>, list_float64: Vec<f64>, list_character: Vec<char>,
        list_text: Vec<String>,

        a_point: Point, a_line: Line, a_wide: Wide, a_deep: Deep, a_shape: Shape, a_bare: Bare, a_nested: Nested,
        a_cases300: Cases300, a_single: Single, a_colour: Colour, a_enum300: Enum300, a_one: One, a_eight: Eight,
        a_nine: Nine, a_seventeen: Seventeen, a_thirty_two: ThirtyTwo, a_id: Id, a_path: Path,

        list_points: Vec<Point>, list_wides: Vec<Wide>, list_shapes: Vec<Shape>, list_colours: Vec<Colour>,
        list_flags: Vec<Nine>, list_lists: Vec<Vec<String>>, list_byte_strings: Vec<Vec<u8>>,
        list_tuples: Vec<(u8, i64, String)>, list_options: Vec<Option<String>>,
        list_results: Vec<Result<u8, String>>, list_plain_results: Vec<Result<(), ()>>,

        tuple1: (String,), tuple2: (u8, i64), tuple_nested: ((bool, f64), Vec<(char, Nine)>, Option<Point>),
        tuple18: Tuple18,

        maybe: Option<u8>, maybe_text: Option<String>, maybe_maybe: Option<Option<String>>,
        maybe_thrice: Option<Option<Option<u8>>>, maybe_list: Option<Vec<Option<i16>>>,
        maybe_result: Option<Result<Option<u8>, String>>, maybe_wide: Option<Wide>,

        either: Result<u8, String>, either_ok: Result<Vec<u32>, ()>, either_err: Result<(), Shape>,
        either_bare: Result<(), ()>, either_wide: Result<Wide, Nested>,
        either_either: Result<Result<u8, String>, Option<Colour>>, either_option: Result<Option<String>, Option<u8>>,
    }

    fn parameters18(
        a: u8,
        b: u16,
        c: u32,
        d: u64,
        e: i8,
        f: i16,
        g: i32,
        h: i64,
        i: f32,
        j: f64,
        k: char,
        l: bool,
        m: String,
        n: Vec<u8>,
        o: Colour,
        p: Eight,
        q: Point,
        r: Option<u8>,
    ) -> Tuple18 {
        (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r)
    }

    fn nothing() {}
}

static LIVE: AtomicU32 = AtomicU32::new(0);

struct Counter(Cell<u32>);

impl Counter {
    fn of(value: u32) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self(Cell::new(value))
    }

    fn owned(value: u32) -> things::Counter {
        things::Counter::new(Self::of(value))
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl things::GuestCounter for Counter {
    fn new(start: u32) -> Self {
        Self::of(start)
    }

    fn add(&self, amount: u32) -> u32 {
        self.0.set(self.0.get().wrapping_add(amount));
        self.0.get()
    }

    fn value(&self) -> u32 {
        self.0.get()
    }

    fn joined(first: things::Counter, second: things::CounterBorrow<'_>) -> things::Counter {
        let (first, second) = (first.get::<Self>(), second.get::<Self>());
        Self::owned(first.0.get().wrapping_add(second.0.get()))
    }

    fn sum(those: Vec<things::CounterBorrow<'_>>) -> u32 {
        those
            .iter()
            .fold(0, |sum, each| sum.wrapping_add(each.get::<Self>().0.get()))
    }
}

impl things::Guest for Guest {
    type Counter = Counter;

    fn pass(counter: Option<things::Counter>) -> Option<things::Counter> {
        counter
    }

    fn split(
        counter: things::Counter,
    ) -> Result<(things::Counter, things::Counter), things::Counter> {
        let value = counter.get::<Counter>().0.get();
        if value % 2 == 0 {
            Ok((Counter::owned(value / 2), Counter::owned(value / 2)))
        } else {
            Err(counter)
        }
    }

    fn live() -> u32 {
        LIVE.load(Ordering::Relaxed)
    }
}
