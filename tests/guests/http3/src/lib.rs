//! One component of `wasi:http` 0.3 with the behaviours that differ from 0.2 for a host: streams, trailers, concurrency, files; and stores.
//!
//! The last segment of the path chooses, whatever the route is; numbers come from the query: `/slow?ms=20`.

mod files;
mod keyvalue;
mod outside;

use std::sync::atomic::{AtomicU64, Ordering};

use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};
use wasip3::{wit_future, wit_stream};

wasip3::http::service::export!(Guest);

struct Guest;

const CHUNK: usize = 65536;

impl wasip3::exports::http::handler::Guest for Guest {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        Ok(match path.rsplit('/').next().unwrap_or_default() {
            "echo" => echo(request),
            "sse" => events(number(query, "events", 3), number(query, "pause", 50)),
            "trailers" => trailers(request),
            "trap" => panic!("trapped on request"),
            "break" => break_off(),
            "refuse" => {
                return Err(ErrorCode::InternalError(Some(
                    "refused by the guest".into(),
                )));
            }
            "spin" => spin(),
            "toil" => toil(),
            "slow" => {
                monotonic_clock::wait_for(number(query, "ms", 100) * 1_000_000).await;
                text("slept")
            }
            "counter" => counter(),
            "huge" => huge(number(query, "bytes", 10_000_000)),
            "unread" => text("unread"),
            "send" => text(&outside::send(&asked(request).await).await.to_string()),
            "sends" => {
                let mut answers = Vec::new();
                for each in asked(request).await.as_array().into_iter().flatten() {
                    answers.push(outside::send(each).await);
                }
                text(&serde_json::Value::from(answers).to_string())
            }
            "steps" => text(&files::run(&asked(request).await).await.to_string()),
            "keyvalue" => text(&keyvalue::run(query).to_string()),
            "socket" => text(&outside::socket(&asked(request).await).await.to_string()),
            _ => text("Hello, world!"),
        })
    }
}

/// The body of a request, as JSON.
async fn asked(request: Request) -> serde_json::Value {
    let (stream, _trailers) = body(request);
    serde_json::from_slice(&stream.collect().await).expect("JSON")
}

/// Answers, and computes without end before the body does.
fn toil() -> Response {
    answer(fields(&[("content-type", "text/plain")]), |mut output| async move {
        output.write_all(b"the first half".to_vec()).await;
        // The piece is on its way when its reader asks for the next one.
        monotonic_clock::wait_for(1_000_000).await;
        spin()
    })
}

fn number(query: &str, name: &str, default: u64) -> u64 {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_string(), value.as_bytes().to_vec()))
        .collect();
    Fields::from_list(&pairs).expect("good fields")
}

/// A response whose body `write` sends while the response is already on its way; it returns the trailers.
fn answer<F>(headers: Fields, write: impl FnOnce(StreamWriter<u8>) -> F) -> Response
where
    F: Future<Output = Option<Fields>> + 'static,
{
    let (sender, body) = wit_stream::new();
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(headers, Some(body), trailers_reader);
    let writing = write(sender);
    spawn_local(async move {
        let fields = writing.await;
        // The client may be gone by now; the host knows, and nobody else has to.
        let _ = trailers.write(Ok(fields)).await;
    });
    response
}

fn text(content: &str) -> Response {
    let length = content.len().to_string();
    let bytes = content.as_bytes().to_vec();
    answer(
        fields(&[("content-type", "text/plain"), ("content-length", &length)]),
        |mut body| async move {
            body.write_all(bytes).await;
            None
        },
    )
}

/// The body of a request; the other end is told at once that it was taken well.
fn body(request: Request) -> (StreamReader<u8>, impl Future<Output = Option<Fields>>) {
    let (_result, result_reader) = wit_future::new(|| Ok(()));
    let (stream, trailers) = Request::consume_body(request, result_reader);
    (stream, async move { trailers.await.ok().flatten() })
}

/// Streams the body back while it arrives.
fn echo(request: Request) -> Response {
    let (mut input, _trailers) = body(request);
    answer(
        fields(&[("content-type", "application/octet-stream")]),
        |mut output| async move {
            let mut buffer = Vec::with_capacity(CHUNK);
            loop {
                let (result, received) = input.read(buffer).await;
                let left = output.write_all(received).await;
                if !left.is_empty() || result == StreamResult::Dropped {
                    return None;
                }
                buffer = Vec::with_capacity(CHUNK);
            }
        },
    )
}

/// Server-sent events with a pause after each: `?events=3&pause=50`.
fn events(events: u64, pause: u64) -> Response {
    let headers = fields(&[
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache"),
    ]);
    answer(headers, move |mut body| async move {
        for number in 0..events {
            body.write_all(format!("id: {number}\ndata: event {number}\n\n").into_bytes())
                .await;
            monotonic_clock::wait_for(pause * 1_000_000).await;
        }
        None
    })
}

/// Answers with trailers: one of its own, and each of the request's with `seen-` before its name.
fn trailers(request: Request) -> Response {
    let (input, received) = body(request);
    let headers = fields(&[("content-type", "text/plain"), ("trailer", "x-length")]);
    answer(headers, |mut output| async move {
        let text = input.collect().await;
        let trailers = fields(&[("x-length", &text.len().to_string())]);
        for (name, value) in received
            .await
            .map(|fields| fields.copy_all())
            .unwrap_or_default()
        {
            trailers
                .append(&format!("seen-{name}"), &value)
                .expect("a good field");
        }
        output.write_all(text).await;
        Some(trailers)
    })
}

/// Traps in the middle of a body.
fn break_off() -> Response {
    answer(
        fields(&[("content-type", "text/plain")]),
        |mut body| async move {
            body.write_all(b"the first half".to_vec()).await;
            monotonic_clock::wait_for(1_000_000).await;
            panic!("trapped in the middle of a body");
        },
    )
}

fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

/// How many requests this instance has answered, this one included.
fn counter() -> Response {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    text(&(COUNT.fetch_add(1, Ordering::Relaxed) + 1).to_string())
}

/// `?bytes=10000000` of a repeated pattern, of unknown length to the client.
fn huge(bytes: u64) -> Response {
    answer(
        fields(&[("content-type", "application/octet-stream")]),
        move |mut body| async move {
            let pattern: Vec<u8> = (0..=255).cycle().take(CHUNK).collect();
            let mut left = usize::try_from(bytes).expect("a length that fits");
            while left > 0 {
                let length = left.min(CHUNK);
                if !body.write_all(pattern[..length].to_vec()).await.is_empty() {
                    break;
                }
                left -= length;
            }
            None
        },
    )
}
