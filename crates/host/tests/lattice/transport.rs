//! What connections between hosts carry, and whom they let in.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};
use wisp_host::lattice::{Fate, Identity, Kind};

use crate::stranger;
use crate::support::{Host, SOON, get, identity, peers, read, settings, text, without};

pub(crate) type Frames = mpsc::UnboundedSender<Frame<Bytes>>;

/// A body whose frames come from a channel.
pub(crate) fn streamed() -> (Frames, WasiBody) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let frames = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let frames = futures::StreamExt::map(frames, Ok::<_, HttpError>);
    (sender, StreamBody::new(frames).boxed_unsync())
}

fn trailers(name: &'static str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert(name, HeaderValue::from_static("1"));
    Frame::trailers(trailers)
}

#[tokio::test]
async fn bodies_stream_both_ways_while_they_come_and_end_with_trailers() {
    let host = Host::start(identity("b"), |_, request: Request<_>| async move {
        Response::new(request.into_body().map_err(HttpError::Hyper).boxed_unsync())
    });
    let (peers, _) = peers(identity("a"));
    let (sender, body) = streamed();
    let request = Request::post("https://shop.example/").body(body).unwrap();

    let to = host.known_as("b", 1);
    let answer = peers.send(&to, Kind::Request, request).await.unwrap();

    let mut answer = answer.into_body();
    for piece in ["one", "two"] {
        sender.send(Frame::data(Bytes::from(piece))).unwrap();
        let frame = timeout(SOON, answer.frame()).await.unwrap();
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), piece);
    }
    sender.send(trailers("checksum")).unwrap();
    drop(sender);
    let frame = timeout(SOON, answer.frame()).await.unwrap();
    assert_eq!(
        frame.unwrap().unwrap().into_trailers().unwrap()["checksum"],
        "1"
    );
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn a_host_knows_its_caller_by_its_certificate() {
    let host = Host::polite(identity("b"));
    let (peers, _) = peers(identity("a"));

    let answer = peers
        .send(&host.known_as("b", 1), Kind::Request, get("/"))
        .await;

    assert_eq!(read(answer.unwrap()).await, "a");
}

#[tokio::test]
async fn nobody_is_let_in_but_hosts_of_the_lattice() {
    let host = Host::polite(identity("b"));
    let whom = [Some("a"), Some("other"), Some("false"), None];

    let mut let_in = Vec::new();
    for file in whom {
        if stranger::asks(host.address, "b", file).await.is_ok() {
            let_in.push(file);
        }
    }

    assert_eq!(let_in, [Some("a")]);
    let callers = host.callers();
    assert_eq!(callers.len(), 1);
    assert_eq!(callers[0].host, "a");
}

#[tokio::test]
async fn a_host_is_not_spoken_to_when_it_has_not_the_name_of_the_one_that_is_meant() {
    let host = Host::polite(identity("b"));
    let (peers, _) = peers(identity("a"));

    let answer = peers
        .send(&host.known_as("c", 1), Kind::Request, get("/"))
        .await;

    let unanswered = answer.unwrap_err();
    assert_eq!(unanswered.fate, Fate::NotSent);
    assert!(unanswered.request.is_some());
    assert!(host.callers().is_empty());
}

#[test]
fn a_certificate_of_another_host_is_refused_when_it_is_read() {
    let error = Identity::read(&settings("a", "b", "ca")).unwrap_err();

    assert!(
        error
            .to_string()
            .ends_with("b.pem is not the certificate of a.test.wisp.internal"),
        "{error}"
    );
}

#[tokio::test]
async fn there_are_as_many_connections_as_the_other_host_has_workers() {
    let host = Host::polite(identity("b"));
    let (peers, _) = peers(identity("a"));

    for _ in 0..9 {
        let answer = peers
            .send(&host.known_as("b", 3), Kind::Request, get("/"))
            .await;
        read(answer.unwrap()).await;
    }

    let callers = host.callers();
    let ports: BTreeSet<_> = callers.iter().map(|caller| caller.address.port()).collect();
    assert_eq!((callers.len(), ports.len()), (9, 3));
}

#[tokio::test]
async fn what_no_handler_is_there_for_is_answered_so() {
    let host = Host::polite(identity("b"));
    let (peers, _) = peers(identity("a"));

    let answer = peers
        .send(&host.known_as("b", 1), Kind::Call, get("/"))
        .await;

    assert_eq!(answer.unwrap().status(), StatusCode::NOT_IMPLEMENTED);
    assert!(host.callers().is_empty());
}

#[tokio::test]
async fn new_connections_show_the_certificates_of_a_new_generation() {
    let host = Host::polite(identity("b"));
    let (peers, ours) = peers(identity("a"));
    let to = host.known_as("b", 1);
    let renewed = |name: &str| {
        let mut settings = settings(name, name, "ca");
        settings.generation = 2;
        Identity::read(&settings).unwrap()
    };
    peers.send(&to, Kind::Request, get("/")).await.unwrap();

    // The name of another host, so that it can be seen which certificate was shown.
    ours.replace(renewed("c"));
    let answer = peers.send(&to, Kind::Request, get("/")).await;
    assert_eq!(read(answer.unwrap()).await, "c");

    host.identities.replace(renewed("c"));
    let answer = peers.send(&to, Kind::Request, get("/")).await;
    assert_eq!(read(answer.unwrap()).await, "c", "a connection goes on");
    let to = host.known_as("c", 1);
    let anew = peers.send(&to, Kind::Request, get("/")).await;
    assert_eq!(read(anew.unwrap()).await, "c");
}

#[tokio::test]
async fn a_host_that_was_revoked_is_let_in_no_more_whatever_its_certificate_says() {
    let host = Host::polite(without("b", &["a"]));

    assert!(stranger::asks(host.address, "b", Some("a")).await.is_err());
    assert!(stranger::asks(host.address, "b", Some("c")).await.is_ok());

    let callers = host.callers();
    assert_eq!(callers.len(), 1);
    assert_eq!(callers[0].host, "c");
}

#[tokio::test]
async fn connections_of_a_host_end_when_it_is_revoked_with_what_is_in_progress_on_them() {
    let (host, begun, _) = slow();
    let (revoked, _) = peers(identity("a"));
    let (other, _) = peers(identity("c"));
    let to = host.known_as("b", 1);
    other.send(&to, Kind::Request, get("/")).await.unwrap();

    let (answer, ()) = tokio::join!(revoked.send(&to, Kind::Request, get("/slow")), async {
        begun.notified().await;
        host.identities.replace(without("b", &["a"]));
    });

    assert_eq!(answer.unwrap_err().fate, Fate::MayHaveRun);
    revoked
        .send(&to, Kind::Request, get("/"))
        .await
        .unwrap_err();
    let answer = other.send(&to, Kind::Request, get("/")).await;
    assert_eq!(read(answer.unwrap()).await, "done");
    let callers: Vec<_> = host.callers().into_iter().map(|one| one.host).collect();
    assert_eq!(callers, ["c", "a", "c"]);
}

#[tokio::test]
async fn nothing_more_is_sent_to_a_host_that_was_revoked_and_what_was_sent_is_awaited() {
    let (host, begun, go) = slow();
    let (peers, ours) = peers(identity("a"));
    let to = host.known_as("b", 1);

    let (answer, unanswered) = tokio::join!(peers.send(&to, Kind::Request, get("/slow")), async {
        begun.notified().await;
        ours.replace(without("a", &["b"]));
        let unanswered = peers.send(&to, Kind::Request, get("/a")).await.unwrap_err();
        go.notify_one();
        unanswered
    });

    assert_eq!(read(answer.unwrap()).await, "done");
    assert_eq!(unanswered.fate, Fate::NotSent);
    assert_eq!(unanswered.to_string(), "host b: b was revoked");
    assert_eq!(unanswered.request.unwrap().uri().path(), "/a");
    assert_eq!(host.callers().len(), 1);
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_sent_and_the_request_comes_back() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Host::polite(identity("b"));
    let mut to = host.known_as("b", 1);
    to.address = socket.local_addr().unwrap().to_string();
    drop(socket);
    let (peers, _) = peers(identity("a"));

    let unanswered = peers.send(&to, Kind::Request, get("/a")).await.unwrap_err();

    assert_eq!(unanswered.fate, Fate::NotSent);
    assert_eq!(unanswered.request.unwrap().uri().path(), "/a");
}

#[tokio::test]
async fn a_request_whose_host_goes_away_may_have_run() {
    let begun = Arc::new(Notify::new());
    let host = Host::start(identity("b"), {
        let begun = begun.clone();
        move |_, _| {
            begun.notify_one();
            std::future::pending()
        }
    });
    let (peers, _) = peers(identity("a"));
    let to = host.known_as("b", 1);

    let (answer, ()) = tokio::join!(peers.send(&to, Kind::Request, get("/")), async {
        begun.notified().await;
        host.shutdown.close();
    });

    assert_eq!(answer.unwrap_err().fate, Fate::MayHaveRun);
}

/// A host that answers at `/slow` when it is told to go on, and everywhere else at once. The first tells that it has begun there.
fn slow() -> (Host, Arc<Notify>, Arc<Notify>) {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let host = Host::start(identity("b"), {
        let (begun, go) = (begun.clone(), go.clone());
        move |_, request: Request<_>| {
            let (begun, go) = (begun.clone(), go.clone());
            async move {
                if request.uri().path() == "/slow" {
                    begun.notify_one();
                    go.notified().await;
                }
                Response::new(text("done"))
            }
        }
    });
    (host, begun, go)
}

#[tokio::test]
async fn a_host_that_drains_answers_what_it_has_and_the_next_request_finds_another_connection() {
    let (host, begun, go) = slow();
    let (peers, _) = peers(identity("a"));
    let to = host.known_as("b", 1);

    let (answer, ()) = tokio::join!(peers.send(&to, Kind::Request, get("/slow")), async {
        begun.notified().await;
        host.shutdown.drain(SOON);
        // One by one, until the connection is known to take nothing more: whatever happens, nothing is lost.
        loop {
            match peers.send(&to, Kind::Request, get("/")).await {
                Ok(answer) => assert_eq!(read(answer).await, "done"),
                Err(unanswered) => {
                    assert_eq!(unanswered.fate, Fate::NotSent, "{unanswered}");
                    break;
                }
            }
        }
        go.notify_one();
    });

    assert_eq!(read(answer.unwrap()).await, "done");
    timeout(SOON, host.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn many_requests_that_are_given_up_at_once_do_no_harm_to_the_others_of_their_connection() {
    let (host, begun, go) = slow();
    let (peers, _) = peers(identity("a"));
    let to = host.known_as("b", 1);

    let (answer, ()) = tokio::join!(peers.send(&to, Kind::Request, get("/slow")), async {
        begun.notified().await;
        for _ in 0..300 {
            tokio::select! {
                biased;
                answer = peers.send(&to, Kind::Request, get("/")) => drop(answer.unwrap()),
                () = tokio::task::yield_now() => {}
            }
        }
        go.notify_one();
    });

    assert_eq!(read(answer.unwrap()).await, "done");
}
