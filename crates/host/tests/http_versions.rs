//! HTTP/2 and TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

mod http_support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_support::{Client, Site, echo, hello, mirror, settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use wisp_host::trigger::http::Server;
use wisp_host::trigger::router::Router;
use wisp_host::{HttpSettings, Log, LogFormat, LogSettings, Metrics, TlsSettings};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/http_support")
        .join(name)
}

fn tls() -> HttpSettings {
    let tls = TlsSettings {
        certificate: fixture("localhost.pem"),
        key: fixture("localhost.key.pem"),
    };
    HttpSettings {
        tls: Some(tls),
        ..settings()
    }
}

async fn handshake(site: &Site, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(fixture("localhost.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(site.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

type Sender = h2::client::SendRequest<Bytes>;

async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> (Sender, tokio::task::JoinHandle<()>) {
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let running = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender.ready().await.unwrap(), running)
}

async fn ask(sender: &Sender, path: &str, body: &'static str) -> Response<Bytes> {
    let request = Request::post(format!("http://example.com{path}"))
        .body(())
        .unwrap();
    let mut sender = sender.clone().ready().await.unwrap();
    let (response, mut stream) = sender.send_request(request, body.is_empty()).unwrap();
    if !body.is_empty() {
        stream.send_data(Bytes::from(body), true).unwrap();
    }
    let (parts, mut stream) = response.await.unwrap().into_parts();
    let mut read = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.unwrap();
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        read.extend_from_slice(&chunk);
    }
    Response::from_parts(parts, read.into())
}

#[tokio::test]
async fn clients_that_know_it_speak_http_2_at_once() {
    let site = Site::start(vec![("/echo", echo()), ("/mirror", mirror())]);
    let (sender, _running) = http2(TcpStream::connect(site.address).await.unwrap()).await;

    let replies = futures::future::join_all((0..50).map(|_| ask(&sender, "/echo", "hello"))).await;
    let mirror = ask(&sender, "/mirror", "").await;
    let missing = ask(&sender, "/nowhere", "body").await;

    assert!(
        replies
            .iter()
            .all(|reply| reply.status() == 200 && reply.body() == "hello")
    );
    assert!(
        mirror
            .body()
            .starts_with(b"POST http://example.com/mirror\n"),
        "{mirror:?}"
    );
    assert_eq!(missing.status(), 404);
    assert_eq!(site.lines("access")[0]["protocol"], "HTTP/2");
}

#[tokio::test]
async fn head_has_the_length_and_no_body_in_http_2() {
    let site = Site::start(vec![("GET /", hello())]);
    let (mut sender, _running) = http2(TcpStream::connect(site.address).await.unwrap()).await;

    for (path, status) in [("/", 200), ("/nowhere", 404)] {
        let request = Request::head(format!("http://a{path}")).body(()).unwrap();
        let reply = sender.send_request(request, true).unwrap().0.await.unwrap();
        assert_eq!(reply.status(), status);
        assert!(reply.body().is_end_stream(), "{path} has a body");
    }

    site.until(|site| site.lines("access").len() == 2).await;
    assert_eq!(site.lines("access")[0]["status"], 200);
}

#[tokio::test]
async fn a_stream_that_is_reset_takes_its_request_with_it() {
    let (told, mut gone) = tokio::sync::mpsc::unbounded_channel::<()>();
    let site = Site::start(vec![(
        "/",
        http_support::Service::new(move |_| {
            let told = told.clone();
            async move {
                let _told = told;
                std::future::pending::<()>().await;
                http_support::text("")
            }
        }),
    )]);
    let (mut sender, _running) = http2(TcpStream::connect(site.address).await.unwrap()).await;
    let request = Request::get("http://a/").body(()).unwrap();
    let (response, mut stream) = sender.send_request(request, true).unwrap();
    site.until(|site| site.metrics.snapshot()["active"] == 1)
        .await;

    stream.send_reset(h2::Reason::CANCEL);
    drop(response);

    site.until(|site| !site.lines("access").is_empty()).await;
    assert_eq!(site.lines("access")[0]["status"], 499);
    assert!(gone.try_recv().is_err());
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_in_http_2() {
    let site = Site::with(
        &HttpSettings {
            header_bytes: 8192,
            ..settings()
        },
        vec![("/", hello())],
    );
    let (mut sender, _running) = http2(TcpStream::connect(site.address).await.unwrap()).await;

    let request = Request::get("http://a/")
        .header("x-long", "x".repeat(9000))
        .body(())
        .unwrap();
    let refused = sender.send_request(request, true).unwrap().0.await;

    assert_eq!(refused.unwrap().status(), 431);
    assert_eq!(ask(&sender, "/", "").await.status(), 200);
}

#[tokio::test]
async fn a_drain_says_goodbye_and_lets_streams_end() {
    let open = Arc::new(tokio::sync::Notify::new());
    let gate = open.clone();
    let service = http_support::Service::new(move |_| {
        let gate = gate.clone();
        async move {
            gate.notified().await;
            http_support::text("done")
        }
    });
    let site = Site::start(vec![("/", service)]);
    let (sender, running) = http2(TcpStream::connect(site.address).await.unwrap()).await;
    let asking = tokio::spawn({
        let sender = sender.clone();
        async move { ask(&sender, "/", "").await }
    });
    site.until(|site| site.metrics.snapshot()["active"] == 1)
        .await;

    site.shutdown.drain(Duration::from_secs(10));
    // The client learns that it may not begin anything new, while its stream goes on.
    let refused = async {
        while sender.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(http_support::SOON, refused)
        .await
        .unwrap();
    open.notify_one();

    assert_eq!(asking.await.unwrap().body(), "done");
    running.await.unwrap();
    site.ended().await;
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed() {
    let settings = HttpSettings {
        header_timeout_ms: 50,
        keep_alive_ms: 200,
        ..settings()
    };
    let site = Site::with(&settings, vec![("/", hello())]);
    let (sender, running) = http2(TcpStream::connect(site.address).await.unwrap()).await;
    assert_eq!(ask(&sender, "/", "").await.status(), 200);

    tokio::time::timeout(http_support::SOON, running)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn tls_speaks_what_the_client_prefers() {
    let site = Site::with(&tls(), vec![("/...", mirror())]);

    let stream = handshake(&site, &[b"h2", b"http/1.1"]).await;
    let (sender, _running) = http2(stream).await;
    let reply = ask(&sender, "/a", "").await;
    assert!(
        reply.body().starts_with(b"POST https://example.com/a\n"),
        "{reply:?}"
    );

    for protocols in [&[b"http/1.1".as_slice()][..], &[]] {
        let mut client = Client::new(handshake(&site, protocols).await);
        client
            .send("GET /b HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        assert!(
            client
                .reply()
                .await
                .text()
                .starts_with("GET https://localhost/b\n")
        );
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    let site = Site::with(
        &HttpSettings {
            header_timeout_ms: 50,
            ..tls()
        },
        vec![("/", hello())],
    );
    let mut silent = site.connect().await;
    let mut plain = site.connect().await;
    plain.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;

    assert!(silent.is_closed().await);
    plain.rest().await;
    assert!(site.lines("access").is_empty());
}

#[test]
fn settings_that_cannot_be_used_are_refused_by_name() {
    let refuse = |settings: HttpSettings| {
        let log = LogSettings {
            format: LogFormat::Text,
            access: false,
            color: false,
        };
        let log = Log::writing_to(&log, 0, Box::new(std::io::sink()));
        let router = Router::<Arc<http_support::Service>>::new(Vec::new()).unwrap();
        let error = Server::new(&settings, router, log, Metrics::default())
            .err()
            .unwrap();
        (error.kind(), error.to_string())
    };
    let with = |certificate: &str, key: &str| {
        let tls = TlsSettings {
            certificate: fixture(certificate),
            key: fixture(key),
        };
        refuse(HttpSettings {
            tls: Some(tls),
            ..settings()
        })
    };

    let (kind, message) = with("missing.pem", "localhost.key.pem");
    assert!(
        kind == "tls" && message.contains("missing.pem"),
        "{message}"
    );
    let (kind, message) = with("localhost.pem", "localhost.pem");
    assert!(kind == "tls" && message.contains("key"), "{message}");
    let (kind, message) = with("localhost.key.pem", "localhost.key.pem");
    assert!(
        kind == "tls" && message.contains("no certificate"),
        "{message}"
    );
    let (kind, message) = refuse(HttpSettings {
        trusted_proxies: vec!["nowhere".into()],
        ..settings()
    });
    assert!(
        kind == "listener" && message.contains("nowhere"),
        "{message}"
    );
}
