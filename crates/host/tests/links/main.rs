//! Components of one app that call each other through bridged links.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod app;
#[path = "../async_support/mod.rs"]
mod async_support;
mod guests;
mod guests3;
#[path = "../http_support/mod.rs"]
mod http_support;
mod internal;
mod many;
mod outside;
mod streams;

use wisp_host::Profile;

use app::{App, Part, refusal};
use guests::{asker, caller, component, numbers, plain};

const INTERFACE: &str = "test:links/numbers";
const ADD: &str = "(i32.add (i32.const 200) (call $add (i32.const 1) (i32.const 2)))";
const COUNT: &str = "(i32.add (i32.const 200) (call $count))";
const FAIL: &str = "(call $fail)";
const SPIN: &str = "(call $spin)";

fn gateway(status: &str) -> Part {
    Part::new("gateway", caller(status)).linked(INTERFACE, "numbers")
}

fn library() -> Part {
    Part::new("numbers", numbers())
}

#[tokio::test]
async fn a_component_calls_another_on_engines_of_both_profiles() {
    for (from, to) in [
        (Profile::Sync, Profile::Sync),
        (Profile::Sync, Profile::Async),
        (Profile::Async, Profile::Sync),
        (Profile::Async, Profile::Async),
    ] {
        let app = App::serve(&[gateway(ADD).on(from), library().on(to)]);

        assert_eq!(app.status().await, 203, "from {from:?} to {to:?}");

        app.end().await;
    }
}

#[tokio::test]
async fn text_and_lists_of_records_cross() {
    let shout =
        "(call $shout (i32.const 32) (i32.const 5) (i32.const 128) (i32.const 1) (i32.const 24))
        (i32.add (i32.load (i32.const 28)) (i32.load8_u (i32.load (i32.const 24))))
        (i32.add (i32.const 100))";
    let app = App::serve(&[gateway(shout), library()]);

    // The length of the text, its first letter, and 100.
    assert_eq!(app.status().await, 100 + 5 + u16::from(b'h'));

    app.end().await;
}

#[tokio::test]
async fn an_instance_is_fresh_for_each_call_unless_the_manifest_asks_for_reuse() {
    let fresh = App::serve(&[gateway(COUNT), library()]);
    let reused = App::serve(&[gateway(COUNT), library().reuse(2)]);

    assert_eq!([fresh.status().await, fresh.status().await], [201, 201]);
    let three = [
        reused.status().await,
        reused.status().await,
        reused.status().await,
    ];
    assert_eq!(three, [201, 202, 201]);

    fresh.end().await;
    reused.end().await;
}

#[tokio::test]
async fn a_trap_of_the_callee_is_a_trap_of_the_caller_and_nothing_else() {
    let failing = App::serve(&[gateway(FAIL), library().reuse(10)]);
    let counting = App::serve(&[gateway(COUNT), library().reuse(10)]);

    assert_eq!(failing.status().await, 502);
    assert_eq!(failing.status().await, 502);
    assert_eq!(counting.status().await, 201);

    failing.end().await;
    counting.end().await;
}

#[tokio::test]
async fn the_callee_has_a_limit_of_its_own_and_the_caller_s_holds_too() {
    for profile in [Profile::Sync, Profile::Async] {
        let short = library().on(profile).timeout_ms(50);
        let limited = App::serve(&[gateway(SPIN).on(profile), short]);
        let impatient = App::serve(&[
            gateway(SPIN).on(profile).timeout_ms(50),
            library().on(profile),
        ]);

        assert_eq!(limited.status().await, 502, "{profile:?}");
        assert_eq!(impatient.status().await, 504, "{profile:?}");

        limited.end().await;
        impatient.end().await;
    }
}

#[tokio::test]
async fn a_linked_component_is_reached_by_name_and_no_other_is() {
    let linked = (64, 16);
    let stranger = (96, 18);
    for (name, profile, expected) in [
        (linked, Profile::Sync, 234),
        (linked, Profile::Async, 234),
        (stranger, Profile::Sync, 299),
    ] {
        let app = App::serve(&[
            Part::new("gateway", asker(name))
                .on(profile)
                .linked("http://numbers.internal", "numbers"),
            Part::new("numbers", plain(234)).on(profile),
            Part::new("strangers", plain(222)),
        ]);

        assert_eq!(app.status().await, expected);

        app.end().await;
    }
}

fn exporting(wit: &str, core: &str) -> Part {
    let wit = format!("{wit} world guest {{ export numbers; }}");
    Part::new("numbers", component(&wit, core))
}

fn refused(reason: &str) -> String {
    format!("component `gateway` cannot be served: {reason}")
}

#[test]
fn what_does_not_fit_is_refused_with_both_types() {
    let other = exporting(
        "interface numbers { add: func(a: u32, b: s32) -> u32; }",
        r#"(module (func (export "test:links/numbers#add") (param i32 i32) (result i32) (local.get 0)))"#,
    );

    assert_eq!(
        refusal(&[gateway(ADD), other]),
        refused(
            "test:links/numbers: function add: `gateway` imports func(a: u32, b: u32) -> u32, \
             and `numbers` exports func(a: u32, b: s32) -> u32"
        )
    );
}

#[test]
fn what_is_not_there_is_refused() {
    let other = exporting("interface numbers { }", "(module)");
    let missing = "test:links/numbers: function add: `numbers` does not export it";

    assert_eq!(refusal(&[gateway(ADD), other]), refused(missing));
    assert_eq!(
        refusal(&[library(), gateway(ADD)]),
        "routes: /... leads to a component that does not serve HTTP: `numbers`"
    );
    assert_eq!(
        refusal(&[
            Part::new("gateway", plain(200)).linked(INTERFACE, "numbers"),
            library()
        ]),
        refused("it does not import test:links/numbers, which is linked to `numbers`")
    );
    assert_eq!(
        refusal(&[gateway(ADD)]),
        "links: there is no component `numbers` to be linked to"
    );
}

#[test]
fn a_circle_is_refused_with_its_path() {
    let parts = [gateway(ADD), library().linked(INTERFACE, "gateway")];

    assert_eq!(
        refusal(&parts),
        "links: links run in a circle: gateway -> numbers -> gateway"
    );
}

#[test]
fn handles_are_refused_with_the_function() {
    let things = "interface numbers { resource thing; add: func(thing: borrow<thing>) -> u32; }";
    let user = r#"(module
        (import "test:links/numbers" "add" (func (param i32) (result i32)))
        (import "test:links/numbers" "[resource-drop]thing" (func (param i32))))"#;
    let owner = r#"(module (func (export "test:links/numbers#add") (param i32) (result i32) (local.get 0)))"#;
    let wit = format!("{things} world guest {{ import numbers; }}");
    let user = Part::new("gateway", component(&wit, user)).linked(INTERFACE, "numbers");

    assert_eq!(
        refusal(&[user, exporting(things, owner)]),
        refused(
            "test:links/numbers: function add: `borrowed handle of a resource` cannot cross a bridged link, only a \
             fused one"
        )
    );
}
