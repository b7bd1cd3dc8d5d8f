//! TLS: whom a component trusts, how it proves who it is, and which HTTP is spoken then.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime_wasi_http::Error as HttpError;
use wisp_host::{LockedTarget, OutboundBounds, OutboundHttp, SystemResolver};

use super::attacks::assert_fails;
use super::site::{Component, Refusals, Site, Tls, grant, pem, text};

/// A grant of the server by its name, which may lead to loopback.
fn secure(site: &Site, name: &str) -> LockedTarget {
    LockedTarget {
        private: true,
        roots: Some(pem("roots.pem")),
        ..grant(&format!("https://{name}:{}", site.port()))
    }
}

fn granted(grants: &[LockedTarget]) -> Component {
    let component = Component::granted(grants);
    component.names.lead("secure.example", &["127.0.0.1"]);
    component.names.lead("other.example", &["127.0.0.1"]);
    component
}

fn uri(site: &Site) -> String {
    format!("https://secure.example:{}/", site.port())
}

async fn hello(tls: Tls) -> Site {
    Site::secure(tls, |request| {
        let host = request.headers().get("host");
        let host = host.map(|host| host.to_str().unwrap().to_owned());
        let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
        text(format!("{:?} {}", request.version(), host.unwrap()))
    })
    .await
}

#[tokio::test]
async fn a_server_is_trusted_whose_certificate_is_of_the_roots_of_the_grant() {
    let site = hello(Tls::Http1).await;

    let answer = granted(&[secure(&site, "secure.example")])
        .get(&uri(&site))
        .await;

    assert_eq!(
        answer.unwrap(),
        format!("HTTP/1.1 secure.example:{}", site.port())
    );
}

#[tokio::test]
async fn a_server_is_not_trusted_without_them() {
    let site = hello(Tls::Http1).await;
    let grant = LockedTarget {
        roots: None,
        ..secure(&site, "secure.example")
    };

    let answer = granted(&[grant]).get(&uri(&site)).await;

    assert_fails!(answer, HttpError::TlsCertificateError);
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn a_certificate_is_of_the_name_that_the_guest_said() {
    let site = hello(Tls::Http1).await;
    let component = granted(&[secure(&site, "*"), secure(&site, "127.0.0.0/8")]);

    let name = component
        .get(&format!("https://other.example:{}/", site.port()))
        .await;
    let address = component
        .get(&format!("https://127.0.0.1:{}/", site.port()))
        .await;
    let other = component
        .get(&format!("https://127.0.0.2:{}/", site.port()))
        .await;

    assert_fails!(name, HttpError::TlsCertificateError);
    assert!(address.is_ok());
    // Nothing listens at the other address; that it is not of the certificate would come later.
    assert_fails!(other, HttpError::ConnectionRefused);
}

#[tokio::test]
async fn the_grant_that_says_most_about_a_name_has_the_roots_for_it() {
    let site = hello(Tls::Http1).await;
    let any = LockedTarget {
        roots: None,
        ..secure(&site, "*")
    };

    let answer = granted(&[any, secure(&site, "*.example")])
        .get(&uri(&site))
        .await;

    assert!(answer.is_ok());
}

#[tokio::test]
async fn requests_at_once_share_a_connection_of_http2() {
    let site = hello(Tls::Http2).await;
    let component = Arc::new(granted(&[secure(&site, "secure.example")]));

    let first = component.get(&uri(&site)).await.unwrap();
    let asking = (0..20).map(|_| {
        let (component, uri) = (component.clone(), uri(&site));
        tokio::spawn(async move { component.get(&uri).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap().unwrap(), first);
    }

    assert_eq!(first, format!("HTTP/2.0 secure.example:{}", site.port()));
    assert_eq!((site.requests(), site.accepted()), (21, 1));
}

#[tokio::test]
async fn a_client_shows_the_certificate_of_its_grant() {
    let site = hello(Tls::WithClients).await;
    let grant = LockedTarget {
        certificate: Some(pem("client.pem")),
        key: Some(pem("client.key.pem")),
        ..secure(&site, "secure.example")
    };

    let answer = granted(&[grant]).get(&uri(&site)).await;

    assert!(answer.unwrap().starts_with("HTTP/2.0"));
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_that_one_is_wanted() {
    let site = hello(Tls::WithClients).await;

    let answer = granted(&[secure(&site, "secure.example")])
        .get(&uri(&site))
        .await;

    assert_fails!(
        answer,
        HttpError::TlsAlertReceived {
            alert_id: Some(116),
            ..
        }
    );
    assert_eq!(site.requests(), 0);
}

#[tokio::test]
async fn a_connection_with_the_certificate_of_one_component_is_not_used_by_another() {
    let site = hello(Tls::WithClients).await;
    let known = LockedTarget {
        certificate: Some(pem("client.pem")),
        key: Some(pem("client.key.pem")),
        ..secure(&site, "secure.example")
    };
    let (known, unknown) = (
        granted(&[known]),
        granted(&[secure(&site, "secure.example")]),
    );

    assert!(known.get(&uri(&site)).await.is_ok());
    let other = unknown.get(&uri(&site)).await;
    assert!(known.get(&uri(&site)).await.is_ok());

    assert_fails!(other, HttpError::TlsAlertReceived { .. });
    assert_eq!((site.requests(), site.accepted()), (2, 2));
}

#[tokio::test]
async fn plain_http_to_a_server_of_tls_and_the_other_way_round_is_an_error() {
    let (plain, secret) = (Site::hello().await, hello(Tls::Http1).await);
    let component = granted(&[
        secure(&plain, "127.0.0.0/8"),
        grant(&format!("http://127.0.0.1/32:{}", secret.port())),
    ]);

    let to_plain = component.get(&format!("https://{}/", plain.address)).await;
    let to_secret = component.get(&format!("http://{}/", secret.address)).await;

    assert_fails!(to_plain, HttpError::TlsProtocolError);
    assert_fails!(
        to_secret,
        HttpError::HttpProtocolError | HttpError::HttpResponseIncomplete
    );
}

#[test]
fn files_that_cannot_be_used_are_said_when_the_app_is_loaded() {
    let site = grant("https://secure.example:443");
    let broken = |certificate: &str, key: &str, roots: Option<&str>| {
        let target = LockedTarget {
            certificate: Some(pem(certificate)),
            key: Some(pem(key)),
            roots: roots.map(pem),
            ..site.clone()
        };
        let bounds = OutboundBounds {
            calls: 1,
            download: 1,
            connections: Arc::new(Semaphore::new(1)),
        };
        let refusals = Arc::new(Refusals::default());
        OutboundHttp::new(
            &[target],
            bounds,
            refusals,
            Arc::new(SystemResolver::default()),
        )
        .err()
        .unwrap_or_default()
    };

    let grant = "the grant https://secure.example:443: ";
    assert!(
        broken("none.pem", "client.key.pem", None).starts_with(&format!("{grant}certificate /"))
    );
    assert!(broken("client.pem", "client.pem", None).starts_with(&format!("{grant}key /")));
    assert!(broken("client.key.pem", "client.key.pem", None).ends_with("has no certificate"));
    assert!(
        broken("client.pem", "client.key.pem", Some("none.pem"))
            .starts_with(&format!("{grant}roots /"))
    );
    let other = broken("client.pem", "server.key.pem", None);
    assert!(
        other.starts_with(&format!("{grant}certificate and key: ")),
        "{other}"
    );
    assert_eq!(
        broken("client.pem", "client.key.pem", Some("roots.pem")),
        ""
    );
}
