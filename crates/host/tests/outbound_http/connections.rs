//! Which connections are made, kept and shared.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmtime_wasi_http::Error as HttpError;
use wisp_wasi::Patience;

use super::attacks::assert_fails;
use super::site::{BOUNDS, Bounds, Component, SOON, Site, body, grant, text};

fn granted(sites: &[&Site], connections: usize) -> Component {
    let grants: Vec<_> = sites
        .iter()
        .map(|site| grant(&format!("http://127.0.0.1/32:{}", site.port())))
        .collect();
    Component::bounded(
        &grants,
        Bounds {
            connections,
            ..BOUNDS
        },
    )
}

fn uri(site: &Site) -> String {
    format!("http://{}/", site.address)
}

/// Asks until the answer comes on a connection that was there, which is soon: it is given back by another task.
async fn ask_again(component: &Component, site: &Site) {
    tokio::task::yield_now().await;
    assert_eq!(component.get(&uri(site)).await.unwrap(), "hello");
}

#[tokio::test]
async fn requests_of_one_component_share_a_connection() {
    let site = Site::hello().await;
    let component = granted(&[&site], 100);

    for _ in 0..20 {
        ask_again(&component, &site).await;
    }

    assert_eq!((site.requests(), site.accepted()), (20, 1));
}

#[tokio::test]
async fn components_share_no_connection() {
    let site = Site::hello().await;
    let (one, other) = (granted(&[&site], 100), granted(&[&site], 100));

    for _ in 0..5 {
        ask_again(&one, &site).await;
        ask_again(&other, &site).await;
    }

    assert_eq!((site.requests(), site.accepted()), (10, 2));
}

#[tokio::test]
async fn a_name_and_its_address_share_no_connection() {
    let site = Site::hello().await;
    let port = site.port();
    let component = Component::granted(&[
        grant(&format!("http://127.0.0.1/32:{port}")),
        grant(&format!("http://*:{port}")),
    ]);
    component.names.lead("a.example", &["127.0.0.1"]);
    component.names.lead("b.example", &["127.0.0.1"]);

    for host in ["127.0.0.1", "a.example", "b.example", "A.example."] {
        tokio::task::yield_now().await;
        component
            .get(&format!("http://{host}:{port}/"))
            .await
            .unwrap();
    }

    assert_eq!(site.accepted(), 3);
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each_and_no_more_than_the_limit() {
    let site = Site::hello().await;
    let component = Arc::new(granted(&[&site], 3));

    let uri = uri(&site);
    let asking = (0..30).map(|_| {
        let (component, uri) = (component.clone(), uri.clone());
        tokio::spawn(async move { component.get(&uri).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap().unwrap(), "hello");
    }

    assert_eq!(site.requests(), 30);
    assert!(site.accepted() <= 3, "{}", site.accepted());
}

#[tokio::test]
async fn a_request_past_the_limit_waits_for_a_connection_and_not_for_ever() {
    let site = Site::hello().await;
    let slow = Site::serve(|_| Box::pin(std::future::pending())).await;
    let component = Arc::new(granted(&[&site, &slow], 1));
    let busy = tokio::spawn({
        let (component, uri) = (component.clone(), uri(&slow));
        async move { component.get(&uri).await }
    });
    let waiting = async {
        while slow.requests() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap();

    let request = Request::get(uri(&site)).body(body("")).unwrap();
    let patience = Patience {
        connect: Some(Duration::from_millis(50)),
        ..Patience::default()
    };
    let refused = component.send(request, patience, 1).await;
    assert_fails!(refused, HttpError::ConnectionLimitReached);
    assert!(component.refused()[0].0.contains("limits.connections"));

    let patient = tokio::spawn({
        let (component, uri) = (component.clone(), uri(&site));
        async move { component.get(&uri).await }
    });
    tokio::task::yield_now().await;
    // What was asked for is not wanted any more, so its connection ends.
    busy.abort();
    assert_eq!(patient.await.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn an_unused_connection_makes_room_for_one_to_another_server() {
    let (one, other) = (Site::hello().await, Site::hello().await);
    let component = granted(&[&one, &other], 1);

    ask_again(&component, &one).await;
    ask_again(&component, &other).await;

    one.until_open(0).await;
    ask_again(&component, &one).await;
    assert_eq!((one.accepted(), other.accepted()), (2, 1));
}

#[tokio::test]
async fn a_response_that_is_dropped_ends_its_connection() {
    let site = Site::serve(|_| {
        let (sender, body) = http_body_util::channel::Channel::<bytes::Bytes, HttpError>::new(1);
        Box::pin(async move {
            // Never ends: its sender stays.
            std::mem::forget(sender);
            http::Response::new(body.boxed_unsync())
        })
    })
    .await;
    let component = granted(&[&site], 1);

    let answer = component.head(&uri(&site)).await.unwrap();
    drop(answer);

    site.until_open(0).await;
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
            stream.write_all(answer).await.unwrap();
            // Closes although it said that it would not.
        }
    });
    let component = Component::granted(&[grant(&format!("http://127.0.0.1/32:{port}"))]);
    let uri = format!("http://127.0.0.1:{port}/");

    let first = component.get(&uri).await;
    component.until_unconnected().await;
    let second = component.get(&uri).await;

    assert_eq!(
        (first.unwrap(), second.unwrap()),
        ("hello".into(), "hello".into())
    );
    serving.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_after_a_while() {
    let site = Site::serve(|_| text("hello")).await;
    let component = granted(&[&site], 100);

    ask_again(&component, &site).await;
    ask_again(&component, &site).await;
    assert_eq!(site.accepted(), 1);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(40)).await;
    tokio::time::resume();

    site.until_open(0).await;
}
