//! Ways past the grants, tried.

use http::{Method, Request, StatusCode, Uri};
use wasmtime_wasi_http::Error as HttpError;
use wisp_host::LockedTarget;
use wisp_wasi::Patience;

use super::site::{Component, Site, body, grant, read, text};

macro_rules! assert_fails {
    ($result:expr, $error:pat) => {
        match $result {
            Err($error) => {}
            other => panic!("{other:?} instead of {}", stringify!($error)),
        }
    };
}
pub(crate) use assert_fails;

/// All names with all ports of the tests' servers.
fn any_name(port: u16) -> LockedTarget {
    grant(&format!("http://*:{port}"))
}

#[tokio::test]
async fn a_request_goes_to_what_was_granted() {
    let site = Site::serve(|request| {
        Box::pin(async move {
            let (head, sent) = request.into_parts();
            let sent = http_body_util::BodyExt::collect(sent)
                .await
                .unwrap()
                .to_bytes();
            let sent = String::from_utf8_lossy(&sent).into_owned();
            text(format!("{} {} {sent}", head.method, head.uri)).await
        })
    })
    .await;
    let component = Component::granted(&[grant(&format!("http://127.0.0.1/32:{}", site.port()))]);

    let uri = format!("http://{}/path?query=1", site.address);
    let request = Request::put(uri).body(body("sent")).unwrap();
    let answer = component.send(request, Patience::default(), 1).await;

    assert_eq!(
        read(answer.unwrap()).await.unwrap(),
        "PUT /path?query=1 sent"
    );
    assert!(component.refused().is_empty());
}

#[tokio::test]
async fn a_name_that_was_not_granted_is_not_even_looked_up_and_the_refusal_says_what_to_add() {
    let component = Component::granted(&[grant("https://api.example.com:443")]);

    let secret = "https://Other.example.com/path?token=1";
    assert_fails!(component.get(secret).await, HttpError::HttpRequestDenied);
    assert_fails!(
        component.get("http://api.example.com:8080/").await,
        HttpError::HttpRequestDenied
    );
    assert_fails!(
        component.get("https://10.0.0.1/").await,
        HttpError::HttpRequestDenied
    );

    assert_eq!(component.names.asked(), 0);
    let said = |target: &str, line: &str| (target.to_owned(), line.to_owned());
    assert_eq!(
        component.refused(),
        [
            said(
                "https://other.example.com:443",
                r#"http = ["https://other.example.com"]"#
            ),
            said(
                "http://api.example.com:8080",
                r#"http = ["http://api.example.com:8080"]"#
            ),
            said("https://10.0.0.1:443", r#"http = ["https://10.0.0.1"]"#),
        ]
    );
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_when_asked_again_is_not_asked_again() {
    let (first, at) = ("127.0.0.2:0", "127.0.0.0/8");
    let good = Site::start(first, None, |_| text("good")).await;
    let port = good.port();
    let evil = Site::start(&format!("127.0.0.3:{port}"), None, |_| text("evil")).await;
    let networks = grant(&format!("http://{at}:{port}"));
    let component = Component::granted(&[any_name(port), networks]);
    component
        .names
        .lead("rebinding.example", &["127.0.0.2", "127.0.0.3"]);

    let answer = component
        .get(&format!("http://rebinding.example:{port}/"))
        .await;

    assert_eq!(answer.unwrap(), "good");
    assert_eq!((component.names.asked(), evil.accepted()), (1, 0));
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nothing_connects() {
    let site = Site::hello().await;
    let port = site.port();
    let component = Component::granted(&[any_name(port)]);
    component.names.lead("inside.example", &["127.0.0.1"]);

    let answer = component
        .get(&format!("http://inside.example:{port}/path"))
        .await;

    assert_fails!(answer, HttpError::DestinationIpProhibited);
    assert_eq!(site.accepted(), 0);
    assert_eq!(
        component.refused(),
        [(
            format!("http://inside.example:{port} at 127.0.0.1"),
            format!(r#"http = ["http://127.0.0.1:{port}"]"#)
        )]
    );
}

#[tokio::test]
async fn one_address_inside_among_others_refuses_them_all() {
    let site = Site::hello().await;
    let port = site.port();
    let component = Component::granted(&[
        any_name(port),
        grant(&format!("http://127.0.0.1/32:{port}")),
    ]);
    component
        .names
        .lead("mixed.example", &["127.0.0.1 10.0.0.7 fd00::7"]);

    let answer = component
        .get(&format!("http://mixed.example:{port}/"))
        .await;

    assert_fails!(answer, HttpError::DestinationIpProhibited);
    assert_eq!(site.accepted(), 0);
    assert_eq!(
        component.refused()[0].1,
        format!(r#"http = ["http://10.0.0.7:{port}", "http://[fd00::7]:{port}"]"#)
    );
}

#[tokio::test]
async fn no_name_leads_to_an_address_that_does_not_belong_to_everybody() {
    let component = Component::granted(&[any_name(80)]);
    for address in [
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:1::1",
        "255.255.255.255",
        "224.0.0.1",
        "fe80::1",
        "fec0::1",
    ] {
        component.names.lead("inside.example", &[address]);
        let answer = component.get("http://inside.example/").await;
        assert_fails!(answer, HttpError::DestinationIpProhibited);
    }
}

#[tokio::test]
async fn an_address_inside_is_reached_when_it_is_granted_or_its_name_is_trusted() {
    let site = Site::hello().await;
    let port = site.port();
    let name = format!("http://inside.example:{port}");
    let trusted = LockedTarget {
        private: true,
        ..grant(&name)
    };
    for grants in [
        vec![trusted],
        vec![grant(&name), grant(&format!("http://127.0.0.0/8:{port}"))],
    ] {
        let component = Component::granted(&grants);
        component.names.lead("inside.example", &["127.0.0.1"]);
        assert_eq!(component.get(&name).await.unwrap(), "hello");
    }
    // The same network with another port, or another scheme, is another grant.
    for other in [
        format!("http://127.0.0.0/8:{}", port ^ 1),
        format!("https://127.0.0.0/8:{port}"),
    ] {
        let component = Component::granted(&[grant(&name), grant(&other)]);
        component.names.lead("inside.example", &["127.0.0.1"]);
        assert_fails!(
            component.get(&name).await,
            HttpError::DestinationIpProhibited
        );
    }
}

#[tokio::test]
async fn an_address_is_never_a_name_however_it_is_written() {
    let site = Site::hello().await;
    let port = site.port();
    let component = Component::granted(&[any_name(port)]);
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]"] {
        let answer = component.get(&format!("http://{host}:{port}/")).await;
        assert_fails!(answer, HttpError::HttpRequestDenied);
    }
    for host in [
        "0177.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "127.0.0.1.",
        "017700000001",
    ] {
        let answer = component.get(&format!("http://{host}:{port}/")).await;
        assert_fails!(answer, HttpError::HttpRequestUriInvalid);
    }
    assert_eq!((site.accepted(), component.names.asked()), (0, 0));
}

#[tokio::test]
async fn an_address_in_another_form_is_the_one_that_was_granted() {
    let site = Site::hello().await;
    let port = site.port();
    let component = Component::granted(&[grant(&format!("http://127.0.0.1/32:{port}"))]);

    let answer = component
        .get(&format!("http://[::ffff:127.0.0.1]:{port}/"))
        .await;

    assert_eq!(answer.unwrap(), "hello");
}

#[tokio::test]
async fn a_user_in_front_of_the_host_is_refused() {
    let site = Site::hello().await;
    let port = site.port();
    let component = Component::granted(&[any_name(port)]);
    component.names.lead("granted.example", &["127.0.0.1"]);
    for authority in [
        format!("granted.example@127.0.0.1:{port}"),
        format!("granted.example:80@127.0.0.1:{port}"),
        format!("127.0.0.1:{port}@granted.example:{port}"),
        format!("granted.example:{port}@"),
    ] {
        let uri = Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query("/");
        let Ok(uri) = uri.build() else { continue };
        let request = Request::get(uri).body(body("")).unwrap();
        let answer = component.send(request, Patience::default(), 1).await;
        assert_fails!(answer, HttpError::HttpRequestUriInvalid);
    }
    assert_eq!((site.accepted(), component.names.asked()), (0, 0));
}

#[tokio::test]
async fn the_host_header_is_the_one_that_was_checked() {
    let site = Site::serve(|request| {
        let hosts = request.headers().get_all("host").iter();
        let hosts: Vec<_> = hosts.map(|host| host.to_str().unwrap()).collect();
        text(hosts.join("|"))
    })
    .await;
    let port = site.port();
    let trusted = LockedTarget {
        private: true,
        ..any_name(port)
    };
    let component = Component::granted(&[trusted]);
    component.names.lead("granted.example", &["127.0.0.1"]);

    let request = Request::get(format!("http://Granted.EXAMPLE.:{port}/"))
        .header("host", "other.example")
        .body(body(""))
        .unwrap();
    let answer = component.send(request, Patience::default(), 1).await;

    let seen = read(answer.unwrap()).await.unwrap();
    assert_eq!(seen, format!("granted.example:{port}"));
}

#[tokio::test]
async fn a_redirect_is_a_response_and_following_it_is_another_request() {
    let metadata = "http://169.254.169.254/latest/meta-data/";
    let site = Site::serve(move |_| {
        Box::pin(async move {
            let mut answer = text("elsewhere").await;
            *answer.status_mut() = StatusCode::FOUND;
            let location = metadata.parse().unwrap();
            answer.headers_mut().insert("location", location);
            answer
        })
    })
    .await;
    let network = grant(&format!("http://127.0.0.1/32:{}", site.port()));
    let component = Component::granted(&[network, any_name(80)]);

    let answer = component
        .head(&format!("http://{}/", site.address))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(answer.headers()["location"], metadata);
    assert_fails!(component.get(metadata).await, HttpError::HttpRequestDenied);
    assert_eq!(site.requests(), 1);
}

#[tokio::test]
async fn a_tunnel_is_refused() {
    let site = Site::hello().await;
    let network = grant(&format!("http://127.0.0.1/32:{}", site.port()));
    let component = Component::granted(&[network]);

    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{}/", site.address))
        .body(body(""))
        .unwrap();
    let answer = component.send(request, Patience::default(), 1).await;

    assert_fails!(answer, HttpError::HttpRequestMethodInvalid);
    assert_eq!(site.accepted(), 0);
}
