//! Composing components: who answers whom.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod compose_support;

use compose_support::{
    ANSWER, COUNTER, LEFT, RIGHT, WIT, answer, both, boxes, component, component_of, composition,
    counter, front, part, relay, spy,
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
    let linked = composition(
        "user",
        [
            ("user", part(0, &[("test:parts/boxes", "boxes")])),
            ("boxes", part(1, &[])),
        ],
    );

    let composed = compose(&linked, &[user, boxes()]).unwrap();

    assert_eq!(answer(&composed).unwrap(), 41);
}

#[test]
fn interfaces_with_streams_and_futures_can_be_linked() {
    let reader = component(
        "reading",
        r#"(module
            (import "test:parts/flow" "pass" (func (param i32) (result i32)))
            (import "test:parts/flow" "wait" (func (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "test:parts/answer#get") (result i32) (i32.const 3)))"#,
    );
    let flow = component(
        "flowing",
        r#"(module
            (memory (export "memory") 1)
            (func (export "test:parts/flow#pass") (param i32) (result i32) (local.get 0))
            (func (export "test:parts/flow#wait") (param i32) (result i32) unreachable))"#,
    );
    let linked = composition(
        "reader",
        [
            ("reader", part(0, &[("test:parts/flow", "flow")])),
            ("flow", part(1, &[])),
        ],
    );

    let composed = compose(&linked, &[reader, flow]).unwrap();

    assert_eq!(inspect(&composed).unwrap().imports, Vec::<String>::new());
    assert_eq!(answer(&composed).unwrap(), 3);
}

#[test]
fn a_link_for_what_is_not_imported_is_an_error_that_lists_the_imports() {
    let linked = composition(
        "front",
        [("front", part(0, &[(LEFT, "spy")])), ("spy", part(1, &[]))],
    );

    let error = compose(&linked, &[front(), spy()]).unwrap_err();

    assert_eq!(error.link(), Some(("front", LEFT)));
    assert_eq!(
        error.to_string(),
        "component front does not import test:parts/left; it imports test:parts/answer"
    );
}

#[test]
fn a_link_to_a_component_without_the_interface_is_an_error_that_lists_the_exports() {
    let linked = composition(
        "front",
        [
            ("front", part(0, &[(ANSWER, "boxes")])),
            ("boxes", part(1, &[])),
        ],
    );

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
    let linked = composition(
        "asker",
        [
            ("asker", part(0, &[("test:parts/tool", "tool")])),
            ("tool", part(1, &[])),
        ],
    );

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
