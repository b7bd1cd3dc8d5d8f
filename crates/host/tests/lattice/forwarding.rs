//! Requests that reach a host that does not run their app.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::Notify;
use tokio::time::timeout;
use wisp_host::InvokeError;

use crate::site::{Answer, App, Site, post, runs};
use crate::support::{SOON, get, read, text};
use crate::transport::streamed;

/// Answers with the target and the headers as it sees them, one on each line.
async fn mirror(request: Request<wasmtime_wasi_http::WasiBody>) -> Answer {
    let mut lines = vec![format!("{} {}", request.method(), request.uri())];
    for (name, value) in request.headers() {
        lines.push(format!("{name}: {}", value.to_str().unwrap()));
    }
    Ok(Response::new(text(lines.join("\n"))))
}

fn shop() -> App {
    App::new("shop", "/...", mirror)
}

fn named(name: &'static str) -> App {
    App::new("shop", "/...", move |_| async move {
        Ok(Response::new(text(name)))
    })
}

/// A host that runs nothing, and knows who runs the shop.
fn entrance(hosts: &[&Site], names: &[&str]) -> Site {
    let site = Site::start("a", None);
    site.told(hosts, vec![runs("shop", "/...", 100, names)]);
    site
}

#[tokio::test]
async fn a_request_is_answered_by_a_host_that_runs_its_app_as_if_it_had_come_there() {
    let shop = Site::start("b", Some(shop()));
    let site = entrance(&[&shop], &["b"]);
    let request = Request::put("http://shop.example/items/7?all")
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("accept", "text/plain")
        .header("wisp-app", "another")
        .header("wisp-client", "6.6.6.6:6")
        .header("x-forwarded-for", "6.6.6.6")
        .body(text("a body"))
        .unwrap();

    let response = site.ask(request).await;

    assert_eq!(response.status(), StatusCode::OK);
    let names = response.headers().keys().map(http::HeaderName::as_str);
    let names: Vec<_> = names.collect();
    assert!(
        !names.iter().any(|name| name.starts_with("wisp-")),
        "{names:?}"
    );
    let seen = read(response).await;
    let mut lines: Vec<_> = seen.lines().collect();
    lines.sort_unstable();
    let id = lines.pop().unwrap();
    assert!(id.starts_with("x-request-id: "), "{id}");
    assert_eq!(
        lines,
        [
            "PUT http://shop.example/items/7?all",
            "accept: text/plain",
            "content-length: 6",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "wisp-client-address: 127.0.0.1",
            "wisp-path-info: /items/7",
            "wisp-route: /...",
        ]
    );
    // Both hosts know it under the same identity.
    let id = id.strip_prefix("x-request-id: ").unwrap();
    assert!(site.log().contains(id), "{}", site.log());
    assert!(shop.log().contains(id), "{}", shop.log());
}

#[tokio::test]
async fn what_runs_here_is_answered_here_and_the_most_specific_route_wins_wherever_it_runs() {
    let shop = Site::start("b", Some(shop()));
    let site = Site::start(
        "a",
        Some(App::new("site", "/...", |_| async {
            Ok(Response::new(text("the site")))
        })),
    );
    site.told(
        &[&shop],
        vec![
            runs("site", "/...", 100, &["here", "b"]),
            runs("shop", "/shop/...", 100, &["b"]),
        ],
    );

    assert_eq!(read(site.ask(get("/shops")).await).await, "the site");
    assert_eq!(shop.asked(), 0);
    assert!(
        read(site.ask(get("/shop/1")).await)
            .await
            .starts_with("GET ")
    );
    assert_eq!((site.asked(), shop.asked()), (1, 1));
}

#[tokio::test]
async fn bodies_stream_through_both_hosts_with_their_trailers() {
    let echo = App::new("shop", "/...", |request: Request<_>| async move {
        Ok(Response::new(request.into_body()))
    });
    let shop = Site::start("b", Some(echo));
    let site = entrance(&[&shop], &["b"]);
    let (sender, body) = streamed();
    let request = Request::post("http://shop.example/").body(body).unwrap();

    let mut answer = site.ask(request).await.into_body();

    for piece in ["one", "two"] {
        sender.send(Frame::data(Bytes::from(piece))).unwrap();
        let frame = timeout(SOON, answer.frame()).await.unwrap();
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), piece);
    }
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("checksum"),
        HeaderValue::from_static("1"),
    )]);
    sender.send(Frame::trailers(trailers)).unwrap();
    drop(sender);
    let frame = timeout(SOON, answer.frame()).await.unwrap();
    let trailers = frame.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["checksum"], "1");
}

#[tokio::test]
async fn a_host_that_does_not_run_the_app_any_more_sends_nothing_on() {
    let last = Site::start("c", Some(shop()));
    let stale = Site::start("b", None);
    let site = entrance(&[&stale], &["b"]);
    // A circle, and a host behind: what comes from a host goes to neither.
    stale.told(
        &[&site, &last],
        vec![runs("shop", "/...", 100, &["a", "c"])],
    );

    let response = site.ask(get("/")).await;

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(
        read(response)
            .await
            .contains("no host that runs the app can be reached")
    );
    assert_eq!(last.asked(), 0);
    assert!(!stale.log().contains("(elsewhere)"), "{}", stale.log());
}

#[tokio::test]
async fn a_host_that_has_given_the_route_to_another_app_does_not_answer_with_that_one() {
    let other = Site::start("b", Some(App::new("other", "/...", mirror)));
    let shop = Site::start("c", Some(named("the shop")));
    let site = entrance(&[&other, &shop], &["b", "c"]);

    for _ in 0..10 {
        let answer = site.ask(post("/", "an order")).await;
        assert_eq!(read(answer).await, "the shop");
    }
    assert_eq!(other.asked(), 0);
}

#[tokio::test]
async fn where_a_host_is_gone_another_one_answers_whatever_the_method_is() {
    let mut gone = Site::start("b", Some(named("gone")));
    let there = Site::start("c", Some(named("there")));
    let site = entrance(&[&gone, &there], &["b", "c"]);
    gone.kill().await;

    for _ in 0..20 {
        assert_eq!(read(site.ask(post("/", "an order")).await).await, "there");
    }
    assert!(
        site.log().contains("host b gets no requests for 1 s"),
        "{}",
        site.log()
    );
}

/// Hosts of which one dies while it answers, and how often the others are asked.
async fn lost(request: Request<wasmtime_wasi_http::WasiBody>) -> (StatusCode, usize) {
    let begun = Arc::new(Notify::new());
    let told = begun.clone();
    let mut dying = Site::start(
        "b",
        Some(App::new("shop", "/...", move |_| {
            told.notify_one();
            std::future::pending()
        })),
    );
    let there = Site::start("c", Some(named("there")));
    let site = Site::start("a", None);
    // The other one is a version of its own without a share: it is asked when the hosts of the first have failed.
    site.told(
        &[&dying, &there],
        vec![
            runs("shop", "/...", 100, &["b"]),
            runs("shop", "/...", 0, &["c"]),
        ],
    );
    let first = site.ask(request);
    let killing = async {
        begun.notified().await;
        dying.kill().await;
    };
    let (response, ()) = tokio::join!(first, killing);
    (response.status(), there.asked())
}

#[tokio::test]
async fn what_may_be_done_twice_is_tried_elsewhere_when_its_host_is_lost_on_the_way() {
    assert_eq!(lost(get("/")).await, (StatusCode::OK, 1));
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    assert_eq!(
        lost(post("/", "an order")).await,
        (StatusCode::BAD_GATEWAY, 0)
    );
}

#[tokio::test]
async fn a_host_that_has_too_much_to_do_sends_nobody_away_while_another_has_not() {
    let full = Site::start(
        "b",
        Some(App::new("shop", "/...", |_| async {
            Err(InvokeError::Overloaded)
        })),
    );
    let free = Site::start("c", Some(named("free")));
    let site = entrance(&[&full, &free], &["b", "c"]);
    for _ in 0..10 {
        assert_eq!(read(site.ask(post("/", "an order")).await).await, "free");
    }

    site.told(&[&full], vec![runs("shop", "/...", 100, &["b"])]);
    let response = site.ask(get("/")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        read(response)
            .await
            .contains("too many requests are in progress")
    );
}

#[tokio::test]
async fn no_answer_in_the_time_of_the_component_is_a_504_of_the_host_that_was_asked() {
    let shop = Site::start(
        "b",
        Some(App::new("shop", "/...", |_| std::future::pending())),
    );
    let site = entrance(&[&shop], &["b"]);

    let response = timeout(SOON, site.ask(get("/"))).await.unwrap();

    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn each_version_gets_its_share_of_the_requests() {
    let canary = Site::start("b", Some(named("new")));
    let site = Site::start("a", Some(named("old")));
    site.told(
        &[&canary],
        vec![
            runs("shop", "/...", 90, &["here"]),
            runs("shop", "/...", 10, &["b"]),
        ],
    );
    let mut client = site.client().await;

    let mut answers = Vec::new();
    for _ in 0..200 {
        client.ready().await.unwrap();
        answers.push(read(client.send_request(get("/")).await.unwrap()).await);
    }

    assert_eq!(answers.iter().filter(|answer| *answer == "new").count(), 20);
}

#[tokio::test]
async fn a_version_whose_hosts_are_gone_leaves_its_requests_to_the_other_one() {
    let mut canary = Site::start("b", Some(named("new")));
    let site = Site::start("a", Some(named("old")));
    site.told(
        &[&canary],
        vec![
            runs("shop", "/...", 0, &["here"]),
            runs("shop", "/...", 100, &["b"]),
        ],
    );
    assert_eq!(read(site.ask(post("/", "an order")).await).await, "new");
    canary.kill().await;

    for _ in 0..5 {
        assert_eq!(read(site.ask(post("/", "an order")).await).await, "old");
    }
}

#[tokio::test]
async fn the_limit_of_a_body_holds_wherever_the_request_arrives() {
    let shop = Site::start(
        "b",
        Some(App::new("shop", "/...", |request: Request<_>| async {
            let body: wasmtime_wasi_http::WasiBody = request.into_body();
            let read = body
                .collect()
                .await
                .map_err(|error| InvokeError::Guest(error.to_string()))?;
            Ok(Response::new(text(read.to_bytes())))
        })),
    );
    let site = entrance(&[&shop], &["b"]);

    let response = site.ask(post("/", vec![0; (1 << 20) + 1])).await;

    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_work_of_the_other_host() {
    struct Dropped(Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, dropped) = (begun.clone(), ended.clone());
    let shop = Site::start(
        "b",
        Some(App::new("shop", "/...", move |_| {
            let (told, guard) = (told.clone(), Dropped(dropped.clone()));
            async move {
                told.notify_one();
                std::future::pending::<()>().await;
                drop(guard);
                Ok(Response::new(text("")))
            }
        })),
    );
    let site = entrance(&[&shop], &["b"]);

    tokio::select! {
        _ = site.ask(get("/")) => panic!("it never answers"),
        () = begun.notified() => {}
    }

    timeout(SOON, ended.notified()).await.unwrap();
}
