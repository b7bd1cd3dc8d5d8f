//! Calls across links.

use wisp_host::Profile;

use super::App;
use crate::{ADD, gateway, library};

const COUNT: &str = "(i32.add (i32.const 200) (call $count))";
const FAIL: &str = "(call $fail)";
const SPIN: &str = "(call $spin)";

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
