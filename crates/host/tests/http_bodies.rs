//! How bodies travel: at once, in both directions, up to their limit, and never cut without notice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod http_support;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::BodyExt;
use http_support::{Service, Site, echo, streamed, text};
use tokio::sync::Notify;
use wasmtime_wasi_http::Error as HttpError;
use wisp_host::InvokeError;

/// Answers with what it was sent, when all of it has come.
fn collecting() -> Service {
    Service::new(|request| async move {
        match request.into_body().collect().await {
            Ok(body) => text(body.to_bytes()),
            Err(_) => Err(InvokeError::NoResponse),
        }
    })
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_refused_before_it_is_sent() {
    let site = Site::start(vec![("/", echo().limited(10))]);
    let mut client = site.connect().await;

    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n")
        .await;
    let reply = client.reply().await;

    assert_eq!(reply.status, 413);
    assert_eq!(reply.problem()["title"], "Payload Too Large");
}

#[tokio::test]
async fn a_body_that_grows_too_long_is_refused_when_nothing_was_answered_yet() {
    let site = Site::start(vec![("/", collecting().limited(10))]);
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

    let fits = site
        .ask(&format!("{chunked}5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"))
        .await;
    let exceeds = site
        .ask(&format!("{chunked}5\r\nhello\r\n6\r\nworld!\r\n"))
        .await;

    assert_eq!((fits.status, fits.text()), (200, "helloworld"));
    assert_eq!(exceeds.status, 413);
    assert_eq!(site.lines("access")[0]["bytes_in"], 10);
}

#[tokio::test]
async fn a_client_that_waits_for_a_go_ahead_gets_it_when_its_body_is_read() {
    let site = Site::start(vec![("/", collecting())]);
    let mut client = site.connect().await;

    client
        .send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        .await;
    assert_eq!(
        client.until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.send("hello").await;

    assert_eq!(client.reply().await.text(), "hello");
}

#[tokio::test]
async fn trailers_reach_a_client_that_takes_them() {
    let site = Site::start(vec![(
        "/",
        Service::new(|_| async {
            let trailers = [(
                http::HeaderName::from_static("x-sum"),
                HeaderValue::from_static("42"),
            )]
            .into_iter()
            .collect();
            let (sender, body) = streamed();
            sender.send(Ok(Bytes::from("data"))).unwrap();
            let body = body
                .with_trailers(std::future::ready(Some(Ok(trailers))))
                .boxed_unsync();
            Ok(Response::builder()
                .header("trailer", "x-sum")
                .body(body)
                .unwrap())
        }),
    )]);

    let reply = site
        .ask("GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n")
        .await;

    assert_eq!(
        (reply.text(), &reply.trailers),
        ("data", &vec!["x-sum: 42".to_owned()])
    );
}

#[tokio::test]
async fn an_event_is_delivered_before_the_next_one_exists() {
    let seen = Arc::new(Notify::new());
    let next = seen.clone();
    let site = Site::start(vec![(
        "/",
        Service::new(move |_| {
            let (sender, body) = streamed();
            let next = next.clone();
            tokio::spawn(async move {
                for event in ["data: 1\n\n", "data: 2\n\n"] {
                    let _ = sender.send(Ok(Bytes::from(event)));
                    next.notified().await;
                }
            });
            std::future::ready(Ok(Response::builder()
                .header("content-type", "text/event-stream")
                .body(body)
                .unwrap()))
        }),
    )]);
    let mut client = site.connect().await;

    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.until("data: 1\n\n").await;
    seen.notify_one();
    client.until("data: 2\n\n").await;
    seen.notify_one();
    client.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn ten_megabytes_go_both_ways_at_once() {
    let site = Site::start(vec![("/", echo())]);
    let stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let (read, mut write) = stream.into_split();
    let data: Vec<u8> = (0..10_u32 << 20)
        .map(|number| u8::try_from(number % 251).unwrap())
        .collect();
    let sent = data.clone();

    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            sent.len()
        );
        write.write_all(head.as_bytes()).await.unwrap();
        write.write_all(&sent).await.unwrap();
        write
    });
    let mut client = http_support::Client::new(tokio::io::join(read, tokio::io::sink()));
    let reply = client.reply().await;

    assert!(reply.body == data, "{} bytes came back", reply.body.len());
    drop(sending.await.unwrap());
    let line = &site.lines("access")[0];
    assert_eq!(
        (&line["bytes_in"], &line["bytes_out"]),
        (&data.len().into(), &data.len().into())
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_cannot_be_taken_for_a_whole_one() {
    for version in ["1.1", "1.0"] {
        let site = Site::start(vec![(
            "/",
            Service::new(|_| {
                let (sender, body) = streamed();
                sender.send(Ok(Bytes::from("half of it"))).unwrap();
                sender.send(Err(HttpError::HttpResponseIncomplete)).unwrap();
                std::future::ready(Ok(Response::new(body)))
            }),
        )]);
        let mut client = site.connect().await;

        client
            .send(format!("GET / HTTP/{version}\r\nhost: a\r\n\r\n"))
            .await;
        let mut rest = Vec::new();
        let ended = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await;

        let seen = String::from_utf8_lossy(&rest);
        assert!(
            ended.is_err() || (version == "1.1" && !seen.contains("\r\n0\r\n")),
            "{version}: {seen:?}"
        );
        site.until(|site| !site.lines("access").is_empty()).await;
        let line = &site.lines("access")[0];
        assert_eq!(
            (&line["status"], &line["aborted"]),
            (&200.into(), &true.into()),
            "{version}"
        );
    }
}
