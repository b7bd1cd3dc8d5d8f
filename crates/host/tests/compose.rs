//! Composing components: who answers whom.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod async_support;
mod compose_support;

use async_support::{AWAIT, WAITING, future_handles, lifted, stream_handles};
use compose_support::{
    ANSWER, COUNTER, LEFT, RIGHT, WIT, answer, both, boxes, component, component_of, composition,
    counter, front, later_answer, pair, part, relay, spy,
};
use wisp_host::{ComposeError, check_link, compose, inspect, interfaces};

#[test]
fn a_diamond_has_one_instance_of_what_both_sides_need() {
    let components = [
        both(),
        relay("left-side", LEFT),
        relay("right-side", RIGHT),
        counter(),
    ];
    let diamond = composition(
        "both",
        [
            ("both", part(0, &[(LEFT, "left"), (RIGHT, "right")])),
            ("left", part(1, &[(COUNTER, "counter")])),
            ("right", part(2, &[(COUNTER, "counter")])),
            ("counter", part(3, &[])),
        ],
    );

    let composed = compose(&diamond, &components).unwrap();

    assert_eq!(answer(&composed).unwrap(), 12);
    assert_eq!(inspect(&composed).unwrap().imports, Vec::<String>::new());
    assert_eq!(inspect(&composed).unwrap().exports, ["test:parts/answer"]);
}

#[test]
fn a_component_that_is_linked_under_two_names_is_two_instances_and_is_there_once() {
    let components = [
        both(),
        relay("left-side", LEFT),
        relay("right-side", RIGHT),
        counter(),
    ];
    let twice = composition(
        "both",
        [
            ("both", part(0, &[(LEFT, "left"), (RIGHT, "right")])),
            ("left", part(1, &[(COUNTER, "first")])),
            ("right", part(2, &[(COUNTER, "second")])),
            ("first", part(3, &[])),
            ("second", part(3, &[])),
        ],
    );

    let composed = compose(&twice, &components).unwrap();

    assert_eq!(answer(&composed).unwrap(), 11);
    let size: usize = components.iter().map(Vec::len).sum();
    assert!(
        composed.len() < size + counter().len() + 1500,
        "{}",
        composed.len()
    );
}

#[test]
fn the_resources_of_a_composition_are_those_of_all_instances() {
    let components = [
        both(),
        relay("left-side", LEFT),
        relay("right-side", RIGHT),
        counter(),
    ];
    let twice = composition(
        "both",
        [
            ("both", part(0, &[(LEFT, "left"), (RIGHT, "right")])),
            ("left", part(1, &[(COUNTER, "first")])),
            ("right", part(2, &[(COUNTER, "second")])),
            ("first", part(3, &[])),
            ("second", part(3, &[])),
        ],
    );
    let single = inspect(&counter()).unwrap().resources.core_instances;

    let composed = inspect(&compose(&twice, &components).unwrap()).unwrap();

    assert!(composed.resources.core_instances >= 5 * single);
}

#[test]
fn a_link_takes_a_newer_version_that_is_compatible() {
    let newer = component_of(
        &WIT.replace("@1.0.0", "@1.2.0"),
        "counting",
        r#"(module (func (export "test:counts/counter@1.2.0#next") (result i32) (i32.const 7)))"#,
    );
    let components = [
        both(),
        relay("left-side", LEFT),
        relay("right-side", RIGHT),
        newer,
    ];
    let diamond = composition(
        "both",
        [
            ("both", part(0, &[(LEFT, "left"), (RIGHT, "right")])),
            ("left", part(1, &[(COUNTER, "counter")])),
            ("right", part(2, &[(COUNTER, "counter")])),
            ("counter", part(3, &[])),
        ],
    );

    let composed = compose(&diamond, &components).unwrap();

    assert_eq!(answer(&composed).unwrap(), 77);
}

#[test]
fn resources_cross_links_and_are_dropped_where_they_were_made() {
    let user = component(
        "unboxing",
        r#"(module
            (import "test:parts/boxes" "[constructor]box" (func $new (param i32) (result i32)))
            (import "test:parts/boxes" "[method]box.open" (func $open (param i32) (result i32)))
            (import "test:parts/boxes" "[resource-drop]box" (func $drop (param i32)))
            (import "test:parts/boxes" "dropped" (func $dropped (result i32)))
            (func (export "test:parts/answer#get") (result i32) (local i32 i32)
                (local.set 0 (call $new (i32.const 40)))
                (local.set 1 (call $open (local.get 0)))
                (call $drop (local.get 0))
                (i32.add (local.get 1) (call $dropped))))"#,
    );
    let linked = pair("user", "test:parts/boxes", "boxes");

    let composed = compose(&linked, &[user, boxes()]).unwrap();

    assert_eq!(answer(&composed).unwrap(), 41);
}

/// Doubles bytes while they come, and names a number as soon as it is known.
fn flow() -> Vec<u8> {
    let module = "[export]test:parts/flow";
    let double = lifted(
        "test:parts/flow#double",
        "(param $bytes i32) (result i32)
         (local $new i64) (local $writer i32) (local $code i32)
         (local.set $new (call $new-stream))
         (local.set $writer (call $writer (local.get $new)))
         (call $return-double (call $reader (local.get $new)))
         (loop $more
            (local.set $code (call $await (local.get $bytes)
                (call $read (local.get $bytes) (i32.const 1024) (i32.const 1))))
            (if (i32.shr_u (local.get $code) (i32.const 4)) (then
                (i32.store8 (i32.const 1024) (i32.mul (i32.const 2) (i32.load8_u (i32.const 1024))))
                (drop (call $await (local.get $writer)
                    (call $write (local.get $writer) (i32.const 1024) (i32.const 1))))))
            (br_if $more (i32.eqz (i32.and (local.get $code) (i32.const 15)))))
         (call $drop-reader (local.get $bytes))
         (call $drop-writer (local.get $writer))",
    );
    let name = lifted(
        "test:parts/flow#name",
        "(param $number i32) (result i32)
         (local $new i64) (local $writer i32)
         (local.set $new (call $new-future-name))
         (local.set $writer (call $writer (local.get $new)))
         (call $return-name (call $reader (local.get $new)))
         (drop (call $await (local.get $number) (call $get (local.get $number) (i32.const 1024))))
         (i32.store (i32.const 1028) (i32.load (i32.const 1024)))
         (i32.store (i32.const 1024) (i32.const 2048))
         (drop (call $await (local.get $writer) (call $give-name (local.get $writer) (i32.const 1024))))
         (call $drop-getter (local.get $number))
         (call $drop-giver-name (local.get $writer))",
    );
    let core = format!(
        r#"(module
            (import "{module}" "[task-return]double" (func $return-double (param i32)))
            (import "{module}" "[task-return]name" (func $return-name (param i32)))
            {WAITING} {} {} {}
            (memory (export "memory") 1)
            (data (i32.const 2048) "seven is prime")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            {AWAIT} {double} {name})"#,
        stream_handles(module, "double"),
        future_handles(module, (0, "name"), ""),
        future_handles(module, (1, "name"), "-name"),
    );
    component("flowing", &core)
}

/// Sends 1, 2 and 3 through a stream, and 5 into a future; gives the sum of what comes back, and the length and the first
/// letter of the name.
fn reader() -> Vec<u8> {
    let module = "test:parts/flow";
    let get = lifted(
        "test:parts/later-answer#get",
        "(result i32)
         (local $sent i64) (local $writer i32) (local $back i32) (local $sum i32) (local $left i32)
         (local.set $sent (call $new-stream))
         (local.set $writer (call $writer (local.get $sent)))
         (local.set $back (call $double (call $reader (local.get $sent))))
         (local.set $left (i32.const 3))
         (loop $more
            (i32.store8 (i32.const 512) (local.get $left))
            (drop (call $await (local.get $writer) (call $write (local.get $writer) (i32.const 512) (i32.const 1))))
            (drop (call $await (local.get $back) (call $read (local.get $back) (i32.const 513) (i32.const 1))))
            (local.set $sum (i32.add (local.get $sum) (i32.load8_u (i32.const 513))))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (local.get $left)))
         (call $drop-writer (local.get $writer))
         (if (i32.ne (call $await (local.get $back) (call $read (local.get $back) (i32.const 513) (i32.const 1)))
                     (i32.const 1)) (then (unreachable)))
         (call $drop-reader (local.get $back))
         (local.set $sent (call $new-future))
         (local.set $writer (call $writer (local.get $sent)))
         (local.set $back (call $name (call $reader (local.get $sent))))
         (i32.store (i32.const 512) (i32.const 5))
         (drop (call $await (local.get $writer) (call $give (local.get $writer) (i32.const 512))))
         (drop (call $await (local.get $back) (call $get-name (local.get $back) (i32.const 512))))
         (call $return-get (i32.add (i32.mul (local.get $sum) (i32.const 10000))
            (i32.add (i32.mul (i32.load (i32.const 516)) (i32.const 1000))
                (i32.load8_u (i32.load (i32.const 512))))))",
    );
    let core = format!(
        r#"(module
            (import "{module}" "double" (func $double (param i32) (result i32)))
            (import "{module}" "name" (func $name (param i32) (result i32)))
            (import "[export]test:parts/later-answer" "[task-return]get" (func $return-get (param i32)))
            {WAITING} {} {} {}
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
            {AWAIT} {get})"#,
        stream_handles(module, "double"),
        future_handles(module, (0, "name"), ""),
        future_handles(module, (1, "name"), "-name"),
    );
    component("reading", &core)
}

#[tokio::test]
async fn streams_and_futures_carry_data_from_one_part_to_another() {
    let linked = pair("reader", "test:parts/flow", "flow");

    let composed = compose(&linked, &[reader(), flow()]).unwrap();

    assert_eq!(inspect(&composed).unwrap().imports, Vec::<String>::new());
    let expected = (2 + 4 + 6) * 10_000 + 5 * 1000 + u32::from(b's');
    assert_eq!(later_answer(&composed).await.unwrap(), expected);
}

#[test]
fn a_link_for_what_is_not_imported_is_an_error_that_lists_the_imports() {
    let linked = pair("front", LEFT, "spy");

    let error = compose(&linked, &[front(), spy()]).unwrap_err();

    assert_eq!(error.link(), Some(("front", LEFT)));
    assert_eq!(
        error.to_string(),
        "component front does not import test:parts/left; it imports test:parts/answer"
    );
}

#[test]
fn a_link_to_a_component_without_the_interface_is_an_error_that_lists_the_exports() {
    let linked = pair("front", ANSWER, "boxes");

    let error = compose(&linked, &[front(), boxes()]).unwrap_err();

    assert_eq!(error.link(), Some(("front", ANSWER)));
    assert_eq!(
        error.to_string(),
        "component boxes does not export test:parts/answer; it exports test:parts/boxes"
    );
}

#[test]
fn an_interface_that_differs_is_an_error_that_says_where() {
    let other = component_of(
        &WIT.replace("value: func() -> u32", "value: func(of: string) -> u32"),
        "left-side",
        r#"(module
            (import "test:counts/counter@1.0.0" "next" (func $next (result i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "test:parts/left#value") (param i32 i32) (result i32) (call $next)))"#,
    );

    let error = check_link(("both", &both()), LEFT, ("left", &other)).unwrap_err();

    assert!(matches!(error, ComposeError::Mismatch { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("test:parts/left is not the same in both and in left"),
        "{error}"
    );
    assert!(error.to_string().contains("value"), "{error}");
}

#[test]
fn a_circle_is_an_error_that_shows_the_path() {
    let linked = composition(
        "front",
        [
            ("front", part(0, &[(ANSWER, "first")])),
            ("first", part(0, &[(ANSWER, "second")])),
            ("second", part(0, &[(ANSWER, "first")])),
        ],
    );

    let error = compose(&linked, &[front()]).unwrap_err();

    assert_eq!(
        error.to_string(),
        "the links go in a circle: first -> second -> first"
    );
}

#[test]
fn bytes_that_are_no_component_are_an_error_with_the_name() {
    let linked = composition("front", [("front", part(0, &[]))]);

    let error = compose(&linked, &[b"\0asm\x01\0\0\0"]).unwrap_err();

    assert!(
        error
            .to_string()
            .starts_with("component front cannot be composed: "),
        "{error}"
    );
}

#[test]
fn an_interface_of_plain_types_needs_nobody_to_answer() {
    let asker = component(
        "asking",
        r#"(module
            (import "test:parts/tool" "work" (func $work (param i32) (result i32)))
            (func (export "test:parts/answer#get") (result i32) (call $work (i32.const 5))))"#,
    );
    let tool = component(
        "working",
        r#"(module (func (export "test:parts/tool#work") (param i32) (result i32) (local.get 0)))"#,
    );
    let needed = |wasm: &[u8]| -> Vec<(String, bool)> {
        let imports = interfaces("it", wasm).unwrap().imports;
        imports
            .into_iter()
            .map(|import| (import.name, import.needed))
            .collect()
    };
    let linked = pair("asker", "test:parts/tool", "tool");

    let composed = compose(&linked, &[&asker, &tool]).unwrap();

    assert_eq!(
        needed(&asker),
        [
            ("test:parts/sizes".to_owned(), false),
            ("test:parts/tool".to_owned(), true)
        ]
    );
    assert_eq!(needed(&composed), [("test:parts/sizes".to_owned(), false)]);
    assert_eq!(answer(&composed).unwrap(), 5);
}
