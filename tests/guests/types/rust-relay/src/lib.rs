//! Hands every value on to another component, and gives back what that gives.

mod bindings {
    wit_bindgen::generate!({ world: "relay", path: "wit", generate_all });
}

use bindings::exports::test::types::echo::{Guest, *};
use bindings::test::types::echo;

struct Relay;

bindings::export!(Relay with_types_in bindings);

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

macro_rules! by_value {
    ($($name:ident: $ty:ty),* $(,)?) => {
        $(fn $name(value: $ty) -> $ty { echo::$name(value) })*
    };
}

macro_rules! by_reference {
    ($($name:ident: $ty:ty),* $(,)?) => {
        $(fn $name(value: $ty) -> $ty { echo::$name(&value) })*
    };
}

impl Guest for Relay {
    by_value! {
        boolean: bool, unsigned8: u8, unsigned16: u16, unsigned32: u32, unsigned64: u64, signed8: i8, signed16: i16,
        signed32: i32, signed64: i64, float32: f32, float64: f64, character: char,

        a_point: Point, a_bare: Bare, a_single: Single, a_colour: Colour, a_enum300: Enum300, a_one: One,
        a_eight: Eight, a_nine: Nine, a_seventeen: Seventeen, a_thirty_two: ThirtyTwo, a_id: Id,

        tuple2: (u8, i64), maybe: Option<u8>, maybe_thrice: Option<Option<Option<u8>>>, either_bare: Result<(), ()>,
    }

    by_reference! {
        text: String, list_boolean: Vec<bool>, list_unsigned8: Vec<u8>, list_unsigned16: Vec<u16>,
        list_unsigned32: Vec<u32>, list_unsigned64: Vec<u64>, list_signed8: Vec<i8>, list_signed16: Vec<i16>,
        list_signed32: Vec<i32>, list_signed64: Vec<i64>, list_float32: Vec<f32>, list_float64: Vec<f64>,
        list_character: Vec<char>, list_text: Vec<String>,

        a_line: Line, a_wide: Wide, a_deep: Deep, a_shape: Shape, a_nested: Nested, a_cases300: Cases300, a_path: Path,

        list_points: Vec<Point>, list_wides: Vec<Wide>, list_shapes: Vec<Shape>, list_colours: Vec<Colour>,
        list_flags: Vec<Nine>, list_lists: Vec<Vec<String>>, list_byte_strings: Vec<Vec<u8>>,
        list_tuples: Vec<(u8, i64, String)>, list_options: Vec<Option<String>>,
        list_results: Vec<Result<u8, String>>, list_plain_results: Vec<Result<(), ()>>,
    }

    fn tuple1((text,): (String,)) -> (String,) {
        echo::tuple1((&text,))
    }

    fn tuple_nested(
        value: ((bool, f64), Vec<(char, Nine)>, Option<Point>),
    ) -> ((bool, f64), Vec<(char, Nine)>, Option<Point>) {
        echo::tuple_nested((value.0, &value.1, value.2.as_ref()))
    }

    fn tuple18((a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r): Tuple18) -> Tuple18 {
        echo::tuple18((a, b, c, d, e, f, g, h, i, j, k, l, &m, &n, &o, &p, &q, r))
    }

    fn maybe_text(value: Option<String>) -> Option<String> {
        echo::maybe_text(value.as_deref())
    }

    fn maybe_maybe(value: Option<Option<String>>) -> Option<Option<String>> {
        echo::maybe_maybe(value.as_ref().map(Option::as_deref))
    }

    fn maybe_list(value: Option<Vec<Option<i16>>>) -> Option<Vec<Option<i16>>> {
        echo::maybe_list(value.as_deref())
    }

    fn maybe_result(
        value: Option<Result<Option<u8>, String>>,
    ) -> Option<Result<Option<u8>, String>> {
        echo::maybe_result(
            value
                .as_ref()
                .map(|result| result.as_ref().map(|ok| *ok).map_err(String::as_str)),
        )
    }

    fn maybe_wide(value: Option<Wide>) -> Option<Wide> {
        echo::maybe_wide(value.as_ref())
    }

    fn either(value: Result<u8, String>) -> Result<u8, String> {
        echo::either(value.as_ref().map(|ok| *ok).map_err(String::as_str))
    }

    fn either_ok(value: Result<Vec<u32>, ()>) -> Result<Vec<u32>, ()> {
        echo::either_ok(value.as_deref().map_err(|()| ()))
    }

    fn either_err(value: Result<(), Shape>) -> Result<(), Shape> {
        echo::either_err(value.as_ref().map(|()| ()))
    }

    fn either_wide(value: Result<Wide, Nested>) -> Result<Wide, Nested> {
        echo::either_wide(value.as_ref())
    }

    fn either_either(
        value: Result<Result<u8, String>, Option<Colour>>,
    ) -> Result<Result<u8, String>, Option<Colour>> {
        echo::either_either(match &value {
            Ok(inner) => Ok(inner.as_ref().map(|ok| *ok).map_err(String::as_str)),
            Err(colour) => Err(colour.as_ref()),
        })
    }

    fn either_option(
        value: Result<Option<String>, Option<u8>>,
    ) -> Result<Option<String>, Option<u8>> {
        echo::either_option(value.as_ref().map(Option::as_deref).map_err(|err| *err))
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
        echo::parameters18(a, b, c, d, e, f, g, h, i, j, k, l, &m, &n, o, p, q, r)
    }

    fn nothing() {
        echo::nothing();
    }
}
