//! What is not like a bridged link where another host is called: what may be called, what is known when it fails, and what of a
//! call reaches the other host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, Full};
use proptest::collection::vec;
use proptest::prelude::*;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};
use wisp_host::Host;
use wisp_host::remote::{Carried, Carrier, Unanswered};

use super::app::{Manner, Part, Served, refusal};
use super::guests::component;
use super::{ADD, gateway, library};

const COUNT: &str = "(i32.add (i32.const 200) (call $count))";

#[tokio::test]
async fn a_remote_link_within_an_app_works_without_a_lattice() {
    let app = Served::serve(&[gateway(ADD).remotely(), library()]);

    assert_eq!(app.status().await, 203);

    app.end().await;
}

#[test]
fn a_remote_link_within_an_app_is_checked_when_it_is_loaded() {
    let other =
        "interface numbers { add: func(a: u32, b: s32) -> u32; } world guest { export numbers; }";
    let core = r#"(module (func (export "test:links/numbers#add") (param i32 i32) (result i32) (local.get 0)))"#;
    let other = Part::new("numbers", component(other, core));

    let reason = refusal(&[gateway(ADD).remotely(), other]);

    assert!(
        reason.contains(
            "function add: numbers exports test:links/numbers#add as func(a: u32, b: s32) -> u32"
        ),
        "{reason}"
    );
}

/// A host that runs the library, reached in a manner of the test's own.
struct Other(Served);

impl Other {
    fn new(library: Part) -> Self {
        Self(Served::new(&[library], Manner::Offering))
    }

    /// The status of a request to a host that reaches this one so.
    async fn status(&self, front: Part, way: impl Fn(&Arc<Host>) -> Way) -> u16 {
        let first = Served::new(&[front], Manner::Apart);
        first.host().carry_calls(Arc::new(way(self.0.host())));
        let status = first.status().await;
        first.end().await;
        status
    }

    async fn end(self) {
        self.0.end().await;
    }
}

/// What happens to a request on its way.
#[derive(Debug)]
enum Step {
    Arrives(Arc<Host>),
    /// No connection.
    Fails,
    /// The other host answers, and the connection breaks before that is here.
    Breaks(Arc<Host>),
    /// The answer is this.
    Says(Vec<u8>),
}

/// What happens to the first request, the second and so on; the names of the hosts are the numbers.
#[derive(Debug)]
struct Way {
    steps: Vec<Step>,
    asked: Arc<AtomicUsize>,
}

impl Way {
    fn new(steps: Vec<Step>) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        Self { steps, asked }
    }
}

fn said(bytes: Vec<u8>) -> http::Response<WasiBody> {
    let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {});
    http::Response::new(body.boxed_unsync())
}

impl Carrier for Way {
    fn next(&self, _: &str, tried: &[String]) -> Option<String> {
        let next = tried.len();
        (next < self.steps.len()).then(|| next.to_string())
    }

    fn is_elsewhere(&self, _: &str) -> bool {
        !self.steps.is_empty()
    }

    fn send(&self, _: &str, host: &str, request: http::Request<WasiBody>) -> Carried {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let missed = |may_have_run| Unanswered {
            may_have_run,
            reason: "no".into(),
        };
        match &self.steps[host.parse::<usize>().unwrap()] {
            Step::Arrives(host) => {
                let desk = host.desk();
                async move { Ok(desk.answer("first", request).await) }.boxed()
            }
            Step::Fails => async move { Err(missed(false)) }.boxed(),
            Step::Breaks(host) => {
                let desk = host.desk();
                async move {
                    desk.answer("first", request).await;
                    Err(missed(true))
                }
                .boxed()
            }
            Step::Says(bytes) => {
                let bytes = bytes.clone();
                async move { Ok(said(bytes)) }.boxed()
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_was_not_reached_is_followed_by_the_next() {
    let other = Other::new(library());

    let way = |host: &Arc<Host>| Way::new(vec![Step::Fails, Step::Arrives(host.clone())]);
    let status = other.status(gateway(ADD), way).await;

    assert_eq!(status, 203);
    other.end().await;
}

#[tokio::test]
async fn a_call_that_may_have_run_is_made_again_only_where_the_link_says_that_it_may() {
    let other = Other::new(library().reuse(10));

    let way = |host: &Arc<Host>| {
        Way::new(vec![
            Step::Breaks(host.clone()),
            Step::Arrives(host.clone()),
        ])
    };
    let plain = other.status(gateway(COUNT), way).await;
    let idempotent = other.status(gateway(COUNT).idempotent(), way).await;

    // It counted once for the first request, and twice for the second.
    assert_eq!([plain, idempotent], [502, 203]);
    other.end().await;
}

#[tokio::test]
async fn what_is_not_offered_to_an_app_is_refused_and_nobody_else_is_asked() {
    for offered in [
        vec![("test:links/numbers", "stranger")],
        vec![("test:links/it", "app")],
    ] {
        let other = Other::new(library().offering(&offered));
        let asked = Arc::new(AtomicUsize::new(0));

        let way = |host: &Arc<Host>| Way {
            steps: vec![Step::Arrives(host.clone()), Step::Arrives(host.clone())],
            asked: asked.clone(),
        };
        let status = other.status(gateway(ADD), way).await;

        assert_eq!(status, 502);
        assert_eq!(asked.load(Ordering::Relaxed), 1, "{offered:?}");
        other.end().await;
    }
}

#[tokio::test]
async fn an_interface_may_be_offered_to_every_app() {
    let other = Other::new(library().offering(&[("test:links/numbers", "*")]));

    let way = |host: &Arc<Host>| Way::new(vec![Step::Arrives(host.clone())]);
    let status = other.status(gateway(ADD), way).await;

    assert_eq!(status, 203);
    other.end().await;
}

#[tokio::test]
async fn a_call_without_a_lattice_or_without_a_host_that_runs_the_app_fails() {
    let alone = Served::new(&[gateway(ADD)], Manner::Apart);
    let lonely = Served::new(&[gateway(ADD)], Manner::Apart);
    lonely.host().carry_calls(Arc::new(Way::new(vec![])));

    assert_eq!([alone.status().await, lonely.status().await], [502, 502]);

    alone.end().await;
    lonely.end().await;
}

#[tokio::test]
async fn arguments_past_the_limit_of_the_callee_are_refused() {
    let shout = "(call $shout (i32.const 1024) (i32.const 50000) (i32.const 0) (i32.const 0) (i32.const 24))
        (i32.const 200)";
    let other = Other::new(library().body(100_000));
    let smaller = Other::new(library().body(49_000));

    let way = |host: &Arc<Host>| Way::new(vec![Step::Arrives(host.clone())]);
    let statuses = [
        other.status(gateway(shout), way).await,
        smaller.status(gateway(shout), way).await,
    ];

    assert_eq!(statuses, [200, 502]);
    other.end().await;
    smaller.end().await;
}

#[tokio::test]
async fn a_function_of_another_type_is_refused_before_anything_runs() {
    let wit =
        "interface numbers { add: func(a: u32, b: s32) -> u32; } world guest { export numbers; }";
    let core = r#"(module (func (export "test:links/numbers#add") (param i32 i32) (result i32) (local.get 0)))"#;
    let other = Other::new(Part::new("numbers", component(wit, core)));

    let way = |host: &Arc<Host>| Way::new(vec![Step::Arrives(host.clone())]);
    let status = other.status(gateway(ADD), way).await;

    assert_eq!(status, 502);
    other.end().await;
}

#[tokio::test]
async fn a_host_with_too_much_to_do_hands_calls_on() {
    let other = Other::new(library());

    let busy = Other::new(library().at_once(1, 0));
    let way = |host: &Arc<Host>| {
        Way::new(vec![
            Step::Arrives(busy.0.host().clone()),
            Step::Arrives(host.clone()),
        ])
    };
    let spin = "(call $spin)";
    let spinning = Served::new(&[gateway(spin)], Manner::Apart);
    let only = Way::new(vec![Step::Arrives(busy.0.host().clone())]);
    spinning.host().carry_calls(Arc::new(only));
    let mut client = spinning.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    busy.0.busy("numbers").await;

    assert_eq!(other.status(gateway(ADD), way).await, 203);

    drop(client);
    busy.0.idle("numbers").await;
    spinning.end().await;
    other.end().await;
    busy.end().await;
}

/// Failures are shown, and not kept in a file.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(count)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The answer of a host to these bytes, which say that they are a call.
async fn answer(host: &Arc<Host>, pieces: Vec<Vec<u8>>) -> (u16, Bytes) {
    let pieces = pieces
        .into_iter()
        .map(|piece| Ok::<_, HttpError>(http_body::Frame::data(piece.into())));
    let body = http_body_util::StreamBody::new(futures::stream::iter(pieces));
    let response = host.desk().answer("first", http::Request::new(body)).await;
    let status = response.status().as_u16();
    (
        status,
        response.into_body().collect().await.unwrap().to_bytes(),
    )
}

#[test]
fn whatever_another_host_sends_is_answered() {
    let runtime = runtime();
    let served = runtime.block_on(async { Served::new(&[library()], Manner::Offering) });
    let mut runner = proptest::test_runner::TestRunner::new(cases(512));
    let sent = vec(vec(any::<u8>(), 0..100), 0..5);

    runner
        .run(&sent, |pieces| {
            let (status, said) = runtime.block_on(answer(served.host(), pieces));

            prop_assert_eq!(status, 421);
            prop_assert!(said.windows(9).any(|part| part == b"malformed"));
            Ok(())
        })
        .unwrap();
    runtime.block_on(served.end());
}

#[test]
fn whatever_another_host_answers_is_a_result_or_a_trap() {
    let runtime = runtime();
    let mut runner = proptest::test_runner::TestRunner::new(cases(64));
    let returned = |values: Vec<u8>| {
        let outcome = br#"{"outcome": "returned"}"#;
        let mut bytes = vec![3, 0, 0, 0, u8::try_from(outcome.len()).unwrap()];
        bytes.extend(outcome);
        bytes.extend([2, 0, 0, 0, u8::try_from(values.len()).unwrap()]);
        bytes.extend(values);
        bytes
    };
    let said = prop_oneof![
        vec(any::<u8>(), 0..100),
        vec(any::<u8>(), 0..20).prop_map(returned),
    ];

    runner
        .run(&said, |bytes| {
            let status = runtime.block_on(async {
                let first = Served::new(&[gateway(ADD)], Manner::Apart);
                first
                    .host()
                    .carry_calls(Arc::new(Way::new(vec![Step::Says(bytes.clone())])));
                let status = first.status().await;
                first.end().await;
                status
            });

            let fits = bytes.len() == 5 + 23 + 5 + 4 && bytes.starts_with(&[3, 0, 0, 0, 23]);
            prop_assert!(fits || status == 502, "{status} for {bytes:?}");
            Ok(())
        })
        .unwrap();
}
