//! Apps of so many components that not all of them are loaded from the start.

use std::collections::BTreeSet;
use std::time::Duration;

use wisp_host::Profile;

use super::app::{App, Part, refusal};
use super::guests::{caller, numbers, plain};

/// More than are loaded when a host starts.
const MANY: usize = 70;
/// Loaded components that stay, however rarely they are asked for.
const STAY: usize = 256;
/// How often, and for how many looks in a row, a host sees that one is unused before it gives it back.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: usize = 120;

fn name(number: usize) -> &'static str {
    Box::leak(format!("part-{number:03}").into_boxed_str())
}

fn many(count: usize) -> Vec<Part> {
    let wasm = plain(204);
    let part = |number| Part::new(name(number), wasm.clone()).routed();
    (0..count).map(part).collect()
}

fn names(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(|n| name(n).to_owned()).collect()
}

#[tokio::test]
async fn few_components_are_all_loaded_when_the_host_starts() {
    let app = App::serve(&many(3));

    assert_eq!(app.loaded(), names(0..3));

    app.end().await;
}

#[tokio::test]
async fn of_many_components_each_is_loaded_by_the_first_request_for_it() {
    for profile in [Profile::Sync, Profile::Async] {
        let parts = many(MANY).into_iter().map(|part| part.on(profile));
        let app = App::serve(&parts.collect::<Vec<_>>());
        assert_eq!(app.loaded(), names([]));

        assert_eq!(app.status_at("/part-007").await, 204);
        assert_eq!(app.status_at("/part-069").await, 204);
        assert_eq!(app.status_at("/part-007").await, 204);

        assert_eq!(app.loaded(), names([7, 69]));
        app.end().await;
    }
}

#[tokio::test]
async fn of_many_those_that_call_each_other_are_loaded_and_checked_at_the_start() {
    const INTERFACE: &str = "test:links/numbers";
    let gateway = || {
        let add = "(i32.add (i32.const 200) (call $add (i32.const 1) (i32.const 2)))";
        Part::new("gateway", caller(add)).linked(INTERFACE, "numbers")
    };
    let mut parts = vec![gateway(), Part::new("numbers", numbers())];
    parts.extend(many(MANY));
    let app = App::serve(&parts);

    let loaded: Vec<_> = app.loaded().into_iter().collect();
    assert_eq!(loaded, ["gateway", "numbers"]);
    assert_eq!(app.status().await, 203);
    app.end().await;

    parts[1] = Part::new("numbers", plain(204));
    let refused = refusal(&parts);
    assert!(refused.contains("gateway"), "{refused}");
}

#[tokio::test]
async fn a_component_of_many_that_cannot_be_loaded_fails_its_own_requests_and_no_other() {
    // It asks for an interface that nobody answers, and is not linked.
    let mut parts = many(MANY);
    parts.push(Part::new("stranger", caller("(i32.const 204)")).routed());
    let app = App::serve(&parts);

    assert_eq!(app.status_at("/stranger").await, 502);
    assert_eq!(app.status_at("/stranger").await, 502);
    assert_eq!(app.status_at("/part-000").await, 204);

    assert_eq!(app.loaded(), names([0]));
    app.end().await;
}

#[tokio::test]
async fn one_that_is_unused_for_a_minute_is_given_back_when_many_are_loaded() {
    let app = App::serve(&many(STAY + 3));
    for number in 0..STAY + 3 {
        assert_eq!(app.status_at(&format!("/{}", name(number))).await, 204);
    }
    assert_eq!(app.loaded().len(), STAY + 3);

    tokio::time::pause();
    for look in 0..=LOOKS {
        if look == LOOKS / 2 {
            for number in 3..STAY + 3 {
                assert_eq!(app.status_at(&format!("/{}", name(number))).await, 204);
            }
        }
        tokio::time::advance(LOOK).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();

    assert_eq!(app.loaded(), names(3..STAY + 3));
    assert_eq!(app.status_at("/part-001").await, 204);
    assert!(app.loaded().contains("part-001"));
    app.end().await;
}
