//! What happens to requests below `.internal`, and to the own app, that no link answers.

use serde_json::json;
use wisp_host::{LockedGrants, LockedTarget, TargetKind};

use super::app::{App, Part};
use super::guests::{MEMORY, component};

const HTTP: &str = "wasi:http/types@0.2.12";
/// What the guest below answers when its request was denied: 400 and the number of `HTTP-request-denied`.
const DENIED: u16 = 415;

/// Sends a request to this host, and answers with 200 when it gets a response, else with 400 and the number of the error.
fn sender(host: &str) -> Vec<u8> {
    let length = host.len();
    let core = format!(
        r#"(module
            (import "{HTTP}" "[constructor]fields" (func $fields (result i32)))
            (import "{HTTP}" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
            (import "{HTTP}" "[method]outgoing-request.set-authority" (func $set-authority (param i32 i32 i32 i32) (result i32)))
            (import "{HTTP}" "[method]outgoing-request.set-path-with-query" (func $set-path (param i32 i32 i32 i32) (result i32)))
            (import "{HTTP}" "[method]outgoing-request.set-scheme" (func $set-scheme (param i32 i32 i32 i32 i32) (result i32)))
            (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $send (param i32 i32 i32 i32)))
            (import "{HTTP}" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
            (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
            (import "wasi:io/poll@0.2.12" "[resource-drop]pollable" (func $drop-pollable (param i32)))
            (import "{HTTP}" "[method]future-incoming-response.get" (func $get (param i32 i32)))
            (import "{HTTP}" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
            (import "{HTTP}" "[method]outgoing-response.set-status-code" (func $set-status (param i32 i32) (result i32)))
            (import "{HTTP}" "[static]response-outparam.set" (func $answer (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
            {MEMORY} (data (i32.const 64) "{host}") (data (i32.const 120) "/")
            (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $asked i32) (param $out i32)
                (local $sent i32) (local $future i32) (local $pollable i32) (local $response i32)
                (local.set $sent (call $request (call $fields)))
                (drop (call $set-scheme (local.get $sent) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
                (drop (call $set-path (local.get $sent) (i32.const 1) (i32.const 120) (i32.const 1)))
                (drop (call $set-authority (local.get $sent) (i32.const 1) (i32.const 64) (i32.const {length})))
                (call $send (local.get $sent) (i32.const 0) (i32.const 0) (i32.const 256))
                (local.set $future (i32.load (i32.const 264)))
                (local.set $pollable (call $subscribe (local.get $future)))
                (call $block (local.get $pollable))
                (call $drop-pollable (local.get $pollable))
                (call $get (local.get $future) (i32.const 512))
                (local.set $response (call $response (call $fields)))
                (if (i32.load8_u (i32.const 528)) (then (drop (call $set-status (local.get $response)
                    (i32.add (i32.const 400) (i32.load8_u (i32.const 536)))))))
                (call $answer (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0)
                    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))"#
    );
    let wit = "world guest {
        import wasi:http/types@0.2.12; import wasi:http/outgoing-handler@0.2.12;
        export wasi:http/incoming-handler@0.2.12;
    }";
    component(wit, &core)
}

/// A component that answers whoever asks, if that is possible at all: its own request may fail.
fn other(name: &'static str) -> Part {
    Part::new(name, sender("nobody.example"))
}

fn granted(host: &str) -> LockedGrants {
    let target = LockedTarget {
        text: format!("http://{host}"),
        scheme: "http".into(),
        kind: TargetKind::Name,
        host: host.into(),
        first_port: 80,
        last_port: 80,
        private: false,
        roots: None,
        certificate: None,
        key: None,
    };
    LockedGrants {
        http: vec![target],
        ..LockedGrants::default()
    }
}

/// A kind of denial of the gateway.
fn denial(target: &str, grant: &str, table: &str) -> serde_json::Value {
    json!({
        "app": "app", "component": "gateway", "import": "wasi:http/outgoing-handler", "target": target, "grant": grant,
        "table": table, "count": 1,
    })
}

#[tokio::test]
async fn a_component_that_is_not_linked_is_denied_and_the_lacking_link_is_named() {
    let gateway = || Part::new("gateway", sender("orders.internal"));
    let link = r#""http://orders.internal" = "orders""#;

    // With a link to somebody else, and with none at all.
    for gateway in [gateway().linked("http://echo.internal", "echo"), gateway()] {
        let app = App::serve(&[gateway, other("echo"), other("orders")]);

        assert_eq!(app.status().await, DENIED);

        let expected = denial("http://orders.internal:80", link, "link");
        assert_eq!(app.denied(), [expected]);
        app.end().await;
    }
}

#[tokio::test]
async fn a_component_is_named_as_guests_of_spin_name_it() {
    let gateway = Part::new("gateway", sender("orders.spin.internal"));
    let app = App::serve(&[
        gateway.linked("http://echo.internal", "echo"),
        other("echo"),
        other("orders"),
    ]);

    assert_eq!(app.status().await, DENIED);

    let link = r#""http://orders.spin.internal" = "orders""#;
    assert_eq!(
        app.denied(),
        [denial("http://orders.spin.internal:80", link, "link")]
    );
    app.end().await;
}

#[tokio::test]
async fn a_name_below_internal_that_is_nobodys_is_denied_like_any_other() {
    let gateway = Part::new("gateway", sender("elsewhere.internal"));
    let app = App::serve(&[
        gateway.linked("http://echo.internal", "echo"),
        other("echo"),
    ]);

    assert_eq!(app.status().await, DENIED);

    let grant = r#"http = ["http://elsewhere.internal"]"#;
    assert_eq!(
        app.denied(),
        [denial("http://elsewhere.internal:80", grant, "grants")]
    );
    app.end().await;
}

#[tokio::test]
async fn a_name_below_internal_that_is_granted_is_looked_up_although_there_are_links() {
    let gateway = Part::new("gateway", sender("elsewhere.internal"))
        .linked("http://echo.internal", "echo")
        .granted(granted("elsewhere.internal"));
    let app = App::serve(&[gateway, other("echo")]);

    let status = app.status().await;

    // Nobody has this name: an error of the resolver, or its timeout.
    assert!([400, 401].contains(&status), "{status}");
    assert_eq!(app.denied(), Vec::<serde_json::Value>::new());
    app.end().await;
}

#[tokio::test]
async fn the_own_app_is_denied_to_a_component_with_links_until_it_is_granted() {
    let gateway =
        || Part::new("gateway", sender("self.alt")).linked("http://echo.internal", "echo");
    let app = App::serve(&[gateway(), other("echo")]);

    assert_eq!(app.status().await, DENIED);

    let grant = r#"http = ["http://self.alt"]"#;
    assert_eq!(
        app.denied(),
        [denial("http://self.alt:80", grant, "grants")]
    );
    app.end().await;
}

#[tokio::test]
async fn a_linked_component_answers_as_before() {
    let gateway = Part::new("gateway", sender("echo.internal"));
    let app = App::serve(&[
        gateway.linked("http://echo.internal", "echo"),
        other("echo"),
    ]);

    assert_eq!(app.status().await, 200);

    // The echo's own request was denied, and nothing of the gateway's.
    let grant = r#"http = ["http://nobody.example"]"#;
    let mut echo = denial("http://nobody.example:80", grant, "grants");
    echo["component"] = "echo".into();
    assert_eq!(app.denied(), [echo]);
    app.end().await;
}
