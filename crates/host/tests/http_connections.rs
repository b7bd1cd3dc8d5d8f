//! What happens to connections: how long they may live, and how they end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod http_support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_support::{Service, Site, echo, hello, settings, streamed, text};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use wisp_host::HttpSettings;

/// Answers when told to, and tells when it began and when nobody waits for it any more.
#[derive(Clone, Default)]
struct Gate {
    begun: Arc<Notify>,
    open: Arc<Notify>,
    dropped: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Gate {
    fn service(&self) -> Service {
        let gate = self.clone();
        Service::new(move |request| {
            let gate = gate.clone();
            async move {
                let _dropped = OnDrop(gate.dropped.clone());
                let _request = request;
                gate.begun.notify_one();
                gate.open.notified().await;
                text("done")
            }
        })
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(http_support::SOON, future)
        .await
        .expect("it did not happen")
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_connection_that_sends_nothing_is_closed() {
    let site = Site::with(
        &HttpSettings {
            header_timeout_ms: 50,
            ..settings()
        },
        vec![("/", hello())],
    );

    assert!(site.connect().await.is_closed().await);
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_answered_with_408() {
    let site = Site::with(
        &HttpSettings {
            header_timeout_ms: 50,
            ..settings()
        },
        vec![("/", hello())],
    );
    let mut fresh = site.connect().await;
    let mut used = site.connect().await;
    used.send(GET).await;
    assert_eq!(used.reply().await.status, 200);

    for client in [&mut fresh, &mut used] {
        client.send("GET / HTTP/1.1\r\nhost").await;
        let reply = client.reply().await;
        assert_eq!(
            (reply.status, reply.header("connection")),
            (408, Some("close"))
        );
        assert_eq!(reply.problem()["title"], "Request Timeout");
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_and_not_before() {
    let settings = HttpSettings {
        header_timeout_ms: 50,
        keep_alive_ms: 400,
        ..settings()
    };
    let site = Site::with(&settings, vec![("/", hello())]);
    let mut client = site.connect().await;
    client.send(GET).await;
    client.reply().await;

    let start = std::time::Instant::now();
    assert!(client.is_closed().await);

    assert!(
        start.elapsed() >= Duration::from_millis(300),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_guest_may_take_longer_than_an_idle_connection() {
    let gate = Gate::default();
    let settings = HttpSettings {
        header_timeout_ms: 20,
        keep_alive_ms: 20,
        ..settings()
    };
    let site = Site::with(&settings, vec![("/", gate.service())]);
    let mut client = site.connect().await;
    client.send(GET).await;
    soon(gate.begun.notified()).await;

    // Other connections time out meanwhile: time has passed for this one as well.
    for _ in 0..5 {
        assert!(site.connect().await.is_closed().await);
    }
    gate.open.notify_one();

    assert_eq!(client.reply().await.text(), "done");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let endless = Service::new(|_| {
        let (sender, body) = streamed();
        tokio::spawn(async move {
            while sender.send(Ok(Bytes::from_static(&[0; 8192]))).is_ok() {
                tokio::task::yield_now().await;
            }
        });
        std::future::ready(Ok(Response::new(body)))
    });
    let site = Site::with(
        &HttpSettings {
            keep_alive_ms: 100,
            ..settings()
        },
        vec![("/", endless)],
    );
    let mut client = site.connect().await;

    client.send(GET).await;

    site.until(|site| !site.lines("access").is_empty()).await;
    assert_eq!(site.lines("access")[0]["status"], 499);
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_request_with_it() {
    for request in [
        GET,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    ] {
        let gate = Gate::default();
        let site = Site::start(vec![("/", gate.service())]);
        let mut client = site.connect().await;
        client.send(request).await;
        soon(gate.begun.notified()).await;

        drop(client);

        soon(gate.dropped.notified()).await;
        site.until(|site| !site.lines("access").is_empty()).await;
        assert_eq!(site.lines("access")[0]["status"], 499);
        assert_eq!(site.metrics.snapshot()["vanished"], 1);
    }
}

#[tokio::test]
async fn a_client_that_vanishes_in_the_middle_of_its_answer_ends_the_body() {
    let gone = Arc::new(Notify::new());
    let told = gone.clone();
    let site = Site::start(vec![(
        "/",
        Service::new(move |_| {
            let (sender, body) = streamed();
            let told = told.clone();
            tokio::spawn(async move {
                sender.send(Ok(Bytes::from("first"))).unwrap();
                sender.closed().await;
                told.notify_one();
            });
            std::future::ready(Ok(Response::new(body)))
        }),
    )]);
    let mut client = site.connect().await;
    client.send(GET).await;
    client.until("first").await;

    drop(client);

    soon(gone.notified()).await;
}

#[tokio::test]
async fn connections_past_the_limit_wait_until_another_ends() {
    let site = Site::with(
        &HttpSettings {
            max_connections: 2,
            ..settings()
        },
        vec![("/", hello())],
    );
    let mut first = site.connect().await;
    let mut second = site.connect().await;
    for client in [&mut first, &mut second] {
        client.send(GET).await;
        client.reply().await;
    }

    let mut third = site.connect().await;
    third.send(GET).await;
    let waiting = tokio::time::timeout(Duration::from_millis(100), third.stream.readable()).await;
    assert!(waiting.is_err(), "the third connection was served");
    assert_eq!(site.metrics.snapshot()["connections"], 2);
    drop(first);

    assert_eq!(third.reply().await.status, 200);
}

#[tokio::test]
async fn an_answer_to_an_unread_body_is_not_lost() {
    let site = Site::start(vec![("/", echo().limited(1))]);
    let (read, mut write) = TcpStream::connect(site.address).await.unwrap().into_split();

    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4000000\r\n\r\n";
        write.write_all(head.as_bytes()).await.unwrap();
        write.write_all(&vec![0; 4_000_000]).await.unwrap();
        write
    });
    // Reads only after everything was sent, as many clients do.
    let write = soon(sending).await.unwrap();
    let mut client = http_support::Client::new(tokio::io::join(read, write));

    assert_eq!(client.reply().await.status, 413);
}

#[tokio::test]
async fn a_drain_finishes_what_was_accepted_and_asks_to_leave() {
    let gate = Gate::default();
    let site = Site::start(vec![("/", gate.service()), ("/quick", hello())]);
    let mut busy = site.connect().await;
    let mut idle = site.connect().await;
    let mut late = site.connect().await;
    idle.send("GET /quick HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(idle.reply().await.header("connection"), None);
    late.send("GET /quick HTTP/1.1\r\nhost: a\r\n\r\n").await;
    late.reply().await;
    busy.send(GET).await;
    soon(gate.begun.notified()).await;

    site.shutdown.drain(Duration::from_secs(10));
    // A request that was under way when the drain began is answered, and asked to leave.
    late.send("GET /quick HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let reply = late.reply().await;
    assert_eq!(
        (reply.status, reply.header("connection")),
        (200, Some("close"))
    );
    assert!(late.is_closed().await);
    assert!(idle.is_closed().await);
    gate.open.notify_one();
    let reply = busy.reply().await;
    assert_eq!(
        (reply.text(), reply.header("connection")),
        ("done", Some("close"))
    );
    assert!(busy.is_closed().await);

    let site = site.ended().await;
    assert!(TcpStream::connect(site.address).await.is_err());
    assert_eq!(site.metrics.snapshot()["connections"], 0);
}

#[tokio::test]
async fn a_connection_made_before_the_drain_is_served_although_it_was_not_accepted_yet() {
    let site = Site::start(vec![("/", hello())]);

    // Nothing here yields to the server between the connection and the drain.
    let stream = std::net::TcpStream::connect(site.address).unwrap();
    std::io::Write::write_all(&mut &stream, GET.as_bytes()).unwrap();
    site.shutdown.drain(Duration::from_secs(10));

    stream.set_nonblocking(true).unwrap();
    let mut client = http_support::Client::new(TcpStream::from_std(stream).unwrap());
    assert_eq!(client.reply().await.status, 200);
    site.ended().await;
}

#[tokio::test]
async fn the_deadline_of_a_drain_cuts_what_is_left() {
    let gate = Gate::default();
    let site = Site::start(vec![("/", gate.service())]);
    let mut client = site.connect().await;
    client.send(GET).await;
    soon(gate.begun.notified()).await;

    site.shutdown.drain(Duration::from_millis(50));

    soon(gate.dropped.notified()).await;
    assert!(client.is_closed().await);
    site.ended().await;
}
