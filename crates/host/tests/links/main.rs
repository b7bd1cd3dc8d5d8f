//! Components that call each other through bridged links, and on other hosts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "the same tests run over links of each kind"
)]

mod apart;
mod app;
#[path = "../async_support/mod.rs"]
mod async_support;
mod bridged;
mod guests;
mod guests3;
#[path = "../http_support/mod.rs"]
mod http_support;
mod internal;
mod many;
mod outside;
mod remote;

use wisp_host::Profile;

use app::{App, Part, refusal};
use guests::{asker, caller, component, component_of, numbers, plain};
use guests3::IT;

const INTERFACE: &str = "test:links/numbers";
const ADD: &str = "(i32.add (i32.const 200) (call $add (i32.const 1) (i32.const 2)))";

fn gateway(status: &str) -> Part {
    Part::new("gateway", caller(status)).linked(INTERFACE, "numbers")
}

fn library() -> Part {
    Part::new("numbers", numbers())
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

#[test]
fn streams_of_anything_else_are_refused_with_the_function() {
    let refused = |ty: &str, function: &str| {
        let wit = format!(
            "interface it {{ resource thing; record point {{ x: u32, y: u32 }} {function} }}"
        );
        let user = component_of(
            "http-0.3",
            &format!("{wit} world guest {{ import it; }}"),
            &format!(r#"(module (import "{IT}" "go" (func (param i32))))"#),
        );
        let owner = component_of(
            "http-0.3",
            &format!("{wit} world guest {{ export it; }}"),
            &format!(r#"(module (func (export "{IT}#go") (param i32)))"#),
        );
        assert_eq!(
            refusal(&[
                Part::new("gateway", user)
                    .on(Profile::Async)
                    .linked(IT, "library"),
                Part::new("library", owner).on(Profile::Async),
            ]),
            format!(
                "component `gateway` cannot be served: {IT}: function go: `{ty}` cannot cross a bridged link, only a \
                 fused one"
            )
        );
    };

    refused("stream<record { x, y }>", "go: func(items: stream<point>);");
    refused("stream<list<u8>>", "go: func(items: stream<list<u8>>);");
    refused("stream", "go: func(items: stream);");
    refused(
        "future<own handle of a resource>",
        "go: func(value: future<thing>);",
    );
    refused("stream<stream<u8>>", "go: func(items: stream<stream<u8>>);");
}
