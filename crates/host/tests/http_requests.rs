//! What happens to one request: what its guest sees, what its client gets, what the log says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod http_support;

use http::{Response, StatusCode};
use http_support::{Service, Site, body, echo, failing, hello, mirror, settings};
use wisp_host::{HttpSettings, InvokeError};

#[tokio::test]
async fn a_guest_sees_who_asks_and_nothing_that_a_client_may_not_say() {
    let site = Site::start(vec![("/plain", mirror())]);

    let reply = site
        .ask(
            "GET /plain?q=1 HTTP/1.1\r\nhost: Example.com:80\r\naccept: */*\r\nx-forwarded-for: 6.6.6.6\r\n\
             forwarded: for=6.6.6.6\r\nwisp-client-address: 6.6.6.6\r\nwisp_client_address: 6.6.6.6\r\n\
             wisp-route: /x\r\nx-request-id: mine\r\nconnection: x-secret\r\nx-secret: 1\r\nupgrade: websocket\r\n\r\n",
        )
        .await;

    let id = site.lines("access")[0]["request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut lines: Vec<_> = reply.text().lines().collect();
    assert_eq!(lines.remove(0), "GET http://Example.com:80/plain?q=1");
    lines.sort_unstable();
    let id = format!("x-request-id: {id}");
    assert_eq!(
        lines,
        [
            "accept: */*",
            "host: Example.com:80",
            "wisp-client-address: 127.0.0.1",
            &id
        ]
    );
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_client() {
    let settings = HttpSettings {
        trusted_proxies: vec!["127.0.0.0/8".into(), "10.0.0.0/8".into()],
        ..settings()
    };
    let site = Site::with(&settings, vec![("/...", mirror())]);
    let id = "0123456789abcdef0123456789abcdef";

    let reply = site
        .ask(&format!(
            "GET /a HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 6.6.6.6, 8.8.8.8, 10.1.1.1\r\nx-forwarded-proto: https\r\n\
             wisp-client-address: 6.6.6.6\r\nx-request-id: {id}\r\n\r\n",
        ))
        .await;

    let seen = reply.text();
    assert!(seen.starts_with("GET https://a/a\n"), "{seen}");
    assert!(
        seen.contains("wisp-client-address: 8.8.8.8") && !seen.contains("wisp-client-address: 6"),
        "{seen}"
    );
    assert!(
        seen.contains("x-forwarded-proto: https") && seen.contains(id),
        "{seen}"
    );
    let line = &site.lines("access")[0];
    assert_eq!(
        (line["client"].as_str(), line["request_id"].as_str()),
        (Some("8.8.8.8"), Some(id))
    );
}

#[tokio::test]
async fn a_guest_is_told_what_its_route_made_of_the_path() {
    let site = Site::start(vec![("/users/:Id/...", mirror()), ("/exact", mirror())]);

    let seen = site
        .ask("GET /users/a%20b/x/y HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let seen = seen.text();
    assert!(seen.contains("wisp-route: /users/:Id/..."), "{seen}");
    assert!(seen.contains("wisp-param-id: a%20b"), "{seen}");
    assert!(seen.contains("wisp-path-info: /x/y"), "{seen}");

    let seen = site.ask("GET /exact HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!seen.text().contains("wisp-route"), "{}", seen.text());
}

#[tokio::test]
async fn what_has_no_route_gets_a_problem_with_the_identity_that_the_log_has() {
    let site = Site::start(vec![("GET,PUT /a", hello())]);

    let missing = site.ask("GET /b HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let wrong = site
        .ask("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi")
        .await;

    let problem = missing.problem();
    assert_eq!(
        (missing.status, &problem["title"]),
        (404, &"Not Found".into())
    );
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(
        (wrong.status, wrong.header("allow")),
        (405, Some("GET, HEAD, PUT"))
    );
    let lines = site.lines("access");
    assert_eq!(problem["request_id"], lines[0]["request_id"]);
    assert_eq!(
        (&lines[0]["status"], &lines[0]["component"]),
        (&404.into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn head_is_answered_without_a_body_and_other_tunnels_are_refused() {
    let site = Site::start(vec![("GET /a", hello())]);
    let mut client = site.connect().await;

    client.send("HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let head = client.head().await;
    client.send("TRACE /a HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let trace = client.reply().await;
    let connect = site
        .ask("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n")
        .await;

    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("5"))
    );
    assert_eq!((trace.status, connect.status), (501, 501));
    assert_eq!(site.lines("access")[0]["status"], 200);
}

#[tokio::test]
async fn failures_of_a_component_say_nothing_of_the_inside() {
    let secret = || InvokeError::Trap {
        message: "at /home/me/secret.rs".into(),
    };
    let site = Site::start(vec![
        ("/trap", failing(secret)),
        ("/busy", failing(|| InvokeError::Overloaded)),
        ("/slow", failing(|| InvokeError::Timeout)),
        ("/mute", failing(|| InvokeError::NoResponse)),
        (
            "/early",
            Service::new(|_| async {
                let mut response = Response::new(body(""));
                *response.status_mut() = StatusCode::EARLY_HINTS;
                Ok(response)
            }),
        ),
    ]);

    for (path, status, after) in [
        ("trap", 502, None),
        ("busy", 503, Some("1")),
        ("slow", 504, None),
        ("mute", 502, None),
        ("early", 502, None),
    ] {
        let reply = site
            .ask(&format!("GET /{path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (status, after),
            "{path}"
        );
        assert!(!reply.problem().to_string().contains("secret"));
    }
    let counted = site.metrics.snapshot();
    assert_eq!(
        (
            &counted["failures"],
            &counted["overloads"],
            &counted["timeouts"]
        ),
        (&3.into(), &1.into(), &1.into())
    );
}

#[tokio::test]
async fn requests_without_exactly_one_good_host_are_refused() {
    let site = Site::start(vec![("/...", mirror())]);

    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: me@a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n\r\n",
        "GET http://me@a/ HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let reply = site.ask(request).await;
        assert_eq!(reply.status, 400, "{request}");
        assert!(reply.problem()["detail"].as_str().unwrap().contains("host"));
    }
    let absolute = site
        .ask("GET http://real/x HTTP/1.1\r\nhost: other\r\n\r\n")
        .await;
    assert!(
        absolute
            .text()
            .starts_with("GET http://real/x\nhost: real\n"),
        "{}",
        absolute.text()
    );
    let old = site.ask("GET /x HTTP/1.0\r\n\r\n").await;
    assert!(
        old.text().starts_with("GET http://localhost/x\n"),
        "{}",
        old.text()
    );
}

#[tokio::test]
async fn lengths_that_contradict_each_other_smuggle_nothing() {
    let site = Site::start(vec![("/...", echo())]);
    let hidden = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";

    for headers in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: +5",
        "content-length: 5, 5",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked",
        "content-length : 5",
    ] {
        let mut client = site.connect().await;
        client
            .send(format!(
                "POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\nhello{hidden}"
            ))
            .await;
        assert_eq!(client.reply().await.status, 400, "{headers}");
        assert!(client.is_closed().await, "{headers}");
    }
    let mut client = site.connect().await;
    let both =
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\ntransfer-encoding: chunked\r\n\r\n";
    client
        .send(format!("{both}5\r\nhello\r\n0\r\n\r\n{hidden}"))
        .await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (200, "hello"));
    assert!(client.is_closed().await);
    let seen: Vec<_> = site
        .lines("access")
        .iter()
        .map(|line| line["path"].clone())
        .collect();
    assert_eq!(seen, ["/"]);
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let site = Site::with(
        &HttpSettings {
            header_bytes: 8192,
            ..settings()
        },
        vec![("/", hello())],
    );
    let long = format!("x-long: {}\r\n", "x".repeat(9000));
    let endless = format!("x-long: {}", "x".repeat(200_000));
    let many = (0..200)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect::<Vec<_>>()
        .concat();

    for headers in [format!("{long}\r\n"), format!("{many}\r\n"), endless] {
        let reply = site
            .ask(&format!("GET / HTTP/1.1\r\nhost: a\r\n{headers}"))
            .await;
        assert_eq!(reply.status, 431);
    }
    assert_eq!(
        site.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.status,
        200
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let site = Site::start(vec![("/...", mirror())]);
    let mut client = site.connect().await;

    let requests: Vec<_> = (0..50)
        .map(|number| format!("GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n"))
        .collect();
    client.send(requests.concat()).await;

    for number in 0..50 {
        let reply = client.reply().await;
        assert!(
            reply
                .text()
                .starts_with(&format!("GET http://a/{number}\n")),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn the_log_and_the_counters_have_every_request() {
    let site = Site::start(vec![("/a/:b", hello().named("greeter"))]);

    site.ask("GET /a/x?secret=1 HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;

    site.until(|site| !site.lines("access").is_empty()).await;
    let line = &site.lines("access")[0];
    for (key, value) in [
        ("app", "app"),
        ("component", "greeter"),
        ("method", "GET"),
        ("path", "/a/x"),
        ("route", "/a/:b"),
        ("client", "127.0.0.1"),
        ("protocol", "HTTP/1.1"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    let snapshot = site.metrics.snapshot();
    let counted = &snapshot["components"][0];
    assert_eq!(
        (&counted["component"], &counted["requests"]),
        (&"greeter".into(), &1.into())
    );
    assert_eq!(
        (
            &counted["active"],
            &counted["bytes_out"],
            &counted["responses"]["2xx"]
        ),
        (&0.into(), &5.into(), &1.into())
    );
}
