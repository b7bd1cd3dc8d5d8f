//! Composing components: what a part that is linked to may not do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod compose_support;

use std::collections::BTreeSet;

use compose_support::{
    ANSWER, answer, boxes, component, component_of, composition, front, pair, part, spy,
};
use wisp_host::{Part, compose, inspect};

#[test]
fn what_is_linked_to_is_denied_what_it_was_not_granted() {
    let linked = pair("front", ANSWER, "spy");

    let composed = compose(&linked, &[front(), spy()]).unwrap();

    let denial = u32::try_from("not granted to this component".len()).unwrap();
    assert_eq!(inspect(&composed).unwrap().imports, Vec::<String>::new());
    assert_eq!(answer(&composed).unwrap(), 1000 + denial);
}

#[test]
fn what_may_do_as_the_entry_does_keeps_its_imports() {
    let trusted = Part {
        trusted: true,
        ..part(1, &[])
    };
    let open = Part {
        open: BTreeSet::from(["test:parts/vault".to_owned()]),
        ..part(1, &[])
    };
    let imports = |spy_part| {
        let linked = composition(
            "front",
            [("front", part(0, &[(ANSWER, "spy")])), ("spy", spy_part)],
        );
        inspect(&compose(&linked, &[front(), spy()]).unwrap())
            .unwrap()
            .imports
    };

    assert_eq!(imports(trusted), ["test:parts/vault"]);
    assert_eq!(imports(open), ["test:parts/vault"]);
}

#[test]
fn a_denial_that_the_interface_cannot_express_is_a_trap_that_says_who_was_denied_what() {
    let blunt = component(
        "blunt",
        r#"(module
            (import "test:parts/keys" "count" (func $count (result i32)))
            (func (export "test:parts/answer#get") (result i32) (call $count)))"#,
    );
    let linked = pair("front", ANSWER, "blunt");

    let composed = compose(&linked, &[front(), blunt]).unwrap();

    let trap = format!("{:?}", answer(&composed).unwrap_err());
    assert!(
        trap.contains("test:parts/keys#count is not granted to blunt"),
        "{trap}"
    );
}

#[test]
fn handles_that_go_into_a_denial_are_dropped() {
    let lender = component(
        "lending",
        r#"(module
            (import "test:parts/boxes" "[constructor]box" (func $new (param i32) (result i32)))
            (import "test:parts/boxes" "dropped" (func $dropped (result i32)))
            (import "test:parts/pawn" "give" (func $give (param i32 i32 i32 i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "test:parts/answer#get") (result i32)
                (call $give (call $new (i32.const 1)) (i32.const 1) (call $new (i32.const 2)) (i32.const 64))
                (call $give (call $new (i32.const 3)) (i32.const 0) (i32.const 0) (i32.const 64))
                (i32.add (i32.mul (i32.load8_u (i32.const 65)) (i32.const 10)) (call $dropped))))"#,
    );
    // The boxes are no part of it, so that the stub of the denied interface has to take them from outside.
    let linked = composition(
        "front",
        [
            ("front", part(0, &[(ANSWER, "lender")])),
            (
                "lender",
                Part {
                    open: BTreeSet::from(["test:parts/boxes".to_owned()]),
                    ..part(1, &[])
                },
            ),
        ],
    );
    let inner = compose(&linked, &[front(), lender]).unwrap();
    let whole = pair("inner", "test:parts/boxes", "boxes");

    let composed = compose(&whole, &[inner, boxes()]).unwrap();

    assert_eq!(answer(&composed).unwrap(), 23);
}

/// What a service may import besides computing.
const GIVEN: &str = r"
package test:parts;
interface answer { get: func() -> u32; }
world configured { import wasi:config/store@0.2.0-rc.1; export answer; }
world logging { import wasi:logging/logging@0.1.0-draft; export answer; }
package wasi:config@0.2.0-rc.1 {
    interface store {
        variant error { upstream(string), io(string) }
        get: func(key: string) -> result<option<string>, error>;
    }
}
package wasi:logging@0.1.0-draft {
    interface logging {
        enum level { trace, info }
        log: func(level: level, context: string, message: string);
    }
}";

#[test]
fn what_is_linked_to_finds_no_configuration() {
    // The bytes where the answer will lie are set first, so that it is the denial that clears them.
    let reader = component_of(
        GIVEN,
        "configured",
        r#"(module
            (import "wasi:config/store@0.2.0-rc.1" "get" (func $get (param i32 i32 i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "test:parts/answer#get") (result i32)
                (i64.store (i32.const 64) (i64.const -1))
                (call $get (i32.const 0) (i32.const 3) (i32.const 64))
                (i32.add (i32.mul (i32.load8_u (i32.const 64)) (i32.const 1000)) (i32.load8_u (i32.const 68)))))"#,
    );

    let composed = compose(&pair("front", ANSWER, "reader"), &[front(), reader]).unwrap();

    assert_eq!(inspect(&composed).unwrap().imports, Vec::<String>::new());
    assert_eq!(answer(&composed).unwrap(), 0);
}

#[test]
fn what_is_linked_to_may_log() {
    let writer = component_of(
        GIVEN,
        "logging",
        r#"(module
            (import "wasi:logging/logging@0.1.0-draft" "log" (func $log (param i32 i32 i32 i32 i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "test:parts/answer#get") (result i32)
                (call $log (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
                (i32.const 1)))"#,
    );

    let composed = compose(&pair("front", ANSWER, "writer"), &[front(), writer]).unwrap();

    assert_eq!(
        inspect(&composed).unwrap().imports,
        ["wasi:logging/logging@0.1.0-draft"]
    );
}
