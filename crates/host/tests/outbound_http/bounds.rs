//! How much, and for how long.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmtime_wasi_http::Error as HttpError;
use wisp_host::{OutboundBounds, OutboundHttp, Resolver, Resolving};
use wisp_wasi::{Egress, Patience};

use super::attacks::assert_fails;
use super::site::{Answer, BOUNDS, Bounds, Component, Refusals, Site, body, grant, read};

fn granted(site: &Site, bounds: Bounds) -> Component {
    Component::bounded(
        &[grant(&format!("http://127.0.0.1/32:{}", site.port()))],
        bounds,
    )
}

/// A body of these pieces, which never ends.
fn endless(pieces: usize, size: usize) -> BoxFuture<'static, Answer> {
    let pieces = stream::iter((0..pieces).map(move |_| Bytes::from(vec![b'x'; size])));
    let pieces = futures::StreamExt::chain(pieces, stream::pending());
    let frames = futures::StreamExt::map(pieces, |piece| Ok(Frame::data(piece)));
    Box::pin(async move { Response::new(StreamBody::new(frames).boxed_unsync()) })
}

/// A server that reads a request and writes this, then nothing, and stays.
async fn raw(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                if !answer.ends_with("\r\n\r\n") {
                    return;
                }
                while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    format!("http://{address}")
}

async fn ask_raw(answer: &'static str, patience: Patience) -> Result<String, HttpError> {
    let origin = raw(answer).await;
    let port = origin.rsplit(':').next().unwrap();
    let component = Component::granted(&[grant(&format!("http://127.0.0.1/32:{port}"))]);
    let request = Request::get(&origin).body(body("")).unwrap();
    read(component.send(request, patience, 1).await?).await
}

fn waits(milliseconds: u64) -> Patience {
    let soon = Some(Duration::from_millis(milliseconds));
    Patience {
        connect: soon,
        first_byte: soon,
        between_bytes: soon,
    }
}

#[tokio::test]
async fn a_response_of_the_limit_comes_and_one_byte_more_is_an_error() {
    let site = Site::serve(|request| {
        let length = request.uri().path()[1..].parse().unwrap();
        Box::pin(async move { Response::new(body(vec![b'x'; length])) })
    })
    .await;
    let component = granted(
        &site,
        Bounds {
            download: 100_000,
            ..BOUNDS
        },
    );
    let uri = |length| format!("http://{}/{length}", site.address);

    assert_eq!(component.get(&uri(100_000)).await.unwrap().len(), 100_000);
    assert_fails!(
        component.get(&uri(100_001)).await,
        HttpError::HttpResponseBodySize(Some(100_000))
    );
}

#[tokio::test]
async fn a_response_of_unknown_length_ends_with_an_error_at_the_limit() {
    let site = Site::serve(|_| endless(1_000_000, 1000)).await;
    let component = granted(
        &site,
        Bounds {
            download: 50_000,
            ..BOUNDS
        },
    );

    let mut answer = component
        .head(&format!("http://{}/", site.address))
        .await
        .unwrap();
    let mut came = 0;
    let error = loop {
        match answer.body_mut().frame().await {
            Some(Ok(frame)) => came += frame.into_data().unwrap().len(),
            Some(Err(error)) => break error,
            None => panic!("it ends well"),
        }
    };

    assert!(matches!(
        error,
        HttpError::HttpResponseBodySize(Some(50_000))
    ));
    assert!((40_000..=50_000).contains(&came), "{came}");
    assert!(answer.body_mut().frame().await.is_none());
    drop(answer);
    site.until_open(0).await;
}

#[tokio::test]
async fn a_head_that_does_not_come_is_waited_for_as_long_as_the_guest_says() {
    let result = ask_raw("\r\n\r\n", waits(50)).await;

    assert_fails!(result, HttpError::ConnectionReadTimeout);
}

#[tokio::test]
async fn a_body_that_stops_is_waited_for_as_long_as_the_guest_says() {
    let site = Site::serve(|_| endless(1, 10)).await;
    let component = granted(&site, BOUNDS);
    let request = Request::get(format!("http://{}/", site.address))
        .body(body(""))
        .unwrap();

    let patience = Patience {
        between_bytes: Some(Duration::from_millis(50)),
        ..Patience::default()
    };
    let answer = component.send(request, patience, 1).await.unwrap();

    assert_fails!(read(answer).await, HttpError::ConnectionReadTimeout);
}

#[tokio::test]
async fn a_guest_cannot_wait_for_longer_than_the_host() {
    let site = Site::serve(|_| Box::pin(std::future::pending())).await;
    let component = granted(&site, BOUNDS);
    let request = Request::get(format!("http://{}/", site.address))
        .body(body(""))
        .unwrap();

    let day = Some(Duration::from_hours(24));
    let patience = Patience {
        first_byte: day,
        ..Patience::default()
    };
    let asking = tokio::spawn(component.client.send(request, patience, 1));
    while site.requests() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let result = asking.await.unwrap();

    assert_fails!(result, HttpError::ConnectionReadTimeout);
    let waited = began.elapsed().as_secs();
    assert!((590..=601).contains(&waited), "{waited}");
}

/// Never answers.
#[derive(Debug)]
struct Silent;

impl Resolver for Silent {
    fn resolve(&self, _: &str) -> Resolving {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_name_that_nobody_answers_for_is_waited_for_as_long_as_a_connection() {
    let bounds = OutboundBounds {
        calls: 1,
        download: 1,
        connections: std::sync::Arc::new(tokio::sync::Semaphore::new(1)),
    };
    let refusals = std::sync::Arc::new(Refusals::default());
    let silent = std::sync::Arc::new(Silent);
    let client =
        OutboundHttp::new(&[grant("http://a.example:80")], bounds, refusals, silent).unwrap();

    let request = Request::get("http://a.example/").body(body("")).unwrap();
    let result = client.send(request, waits(50), 1).await;

    assert_fails!(result, HttpError::DnsTimeout);
    assert_eq!((client.requests(), client.failures()), (1, 1));
}

#[tokio::test]
async fn a_server_that_is_not_there_and_a_name_that_is_not_known_have_errors_of_their_own() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let component = Component::granted(&[
        grant(&format!("http://127.0.0.1/32:{port}")),
        grant("http://unknown.example:80"),
    ]);

    assert_fails!(
        component.get(&format!("http://127.0.0.1:{port}/")).await,
        HttpError::ConnectionRefused
    );
    assert_fails!(
        component.get("http://unknown.example/").await,
        HttpError::DnsError { .. }
    );
}

#[tokio::test]
async fn answers_that_are_broken_are_told_apart() {
    let patience = Patience::default();

    assert_fails!(
        ask_raw("SSH-2.0-OpenSSH\r\n\r\n", patience).await,
        HttpError::HttpProtocolError
    );
    assert_fails!(
        ask_raw("", patience).await,
        HttpError::HttpResponseIncomplete
    );
    assert_fails!(
        ask_raw(
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            patience
        )
        .await,
        HttpError::HttpResponseIncomplete | HttpError::ConnectionTerminated
    );
    let long = Box::leak(format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(1 << 20)).into_boxed_str());
    assert_fails!(
        ask_raw(long, patience).await,
        HttpError::HttpResponseHeaderSectionSize(_)
    );
}

#[tokio::test]
async fn one_call_begins_so_many_requests_and_no_more() {
    let site = Site::hello().await;
    let component = granted(&site, BOUNDS);
    let request = || {
        Request::get(format!("http://{}/", site.address))
            .body(body(""))
            .unwrap()
    };

    let last = component.send(request(), Patience::default(), 100).await;
    let next = component.send(request(), Patience::default(), 101).await;

    assert_eq!(read(last.unwrap()).await.unwrap(), "hello");
    assert_fails!(next, HttpError::HttpRequestDenied);
    assert_eq!(site.requests(), 1);
    assert!(component.refused()[0].0.contains("limits.outbound"));
}
