//! Requests at a fixed rate, whatever the server does: each is due at a time of its own, and its latency counts from there.
//!
//! A load generator that waits for an answer before it sends the next request asks less of a server that is slow, and so hides what
//! its clients would see ("coordinated omission", Gil Tene). Here a request that is sent late, because the answers before it were
//! late, has waited since it was due.
//!
//! `open-loop PORT RATE SECONDS CONNECTIONS` prints one JSON object: percentiles in milliseconds, and what went wrong.

use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

type Failure = Box<dyn std::error::Error>;
type Sender = SendRequest<Empty<Bytes>>;

const USAGE: &str = "usage: open-loop PORT RATE SECONDS CONNECTIONS";
/// Before this the server warms up, and nothing is counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// What one connection saw.
struct Seen {
    latencies: Histogram<u64>,
    failures: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().ok_or(USAGE)?.parse::<u32>().map_err(|_| USAGE);
    let (port, rate, seconds, connections) = (number()?, number()?, number()?, number()?);
    let begin = Instant::now() + Duration::from_millis(100);
    let end = begin + WARM_UP + Duration::from_secs(seconds.into());
    let each = Duration::from_secs(1) / rate * connections;
    let tasks: Vec<_> = (0..connections)
        .map(|index| {
            let first = begin + Duration::from_secs(1) / rate * index;
            tokio::spawn(connection(u16::try_from(port).unwrap_or(0), (first, each, end)))
        })
        .collect();
    let mut latencies = Histogram::<u64>::new(3)?;
    let mut failures = 0;
    for task in tasks {
        let seen = task.await?.map_err(|error| error.to_string())?;
        latencies.add(&seen.latencies)?;
        failures += seen.failures;
    }
    println!("{}", report(&latencies, failures, seconds));
    Ok(())
}

fn report(latencies: &Histogram<u64>, failures: u64, seconds: u32) -> serde_json::Value {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of minutes at most")]
    let at = |percentile: f64| latencies.value_at_percentile(percentile) as f64 / 1e3;
    serde_json::json!({
        "requests": latencies.len(), "failures": failures, "seconds": seconds,
        "p50_ms": at(50.0), "p90_ms": at(90.0), "p99_ms": at(99.0), "p999_ms": at(99.9), "most_ms": at(100.0),
    })
}

async fn connection(
    port: u16,
    (mut due, each, end): (Instant, Duration, Instant),
) -> Result<Seen, Box<dyn std::error::Error + Send + Sync>> {
    let warm = due + WARM_UP;
    let mut seen = Seen { latencies: Histogram::new(3)?, failures: 0 };
    let mut sender = connect(port).await?;
    while due < end {
        // Who had to wait for the clock is late by the clock's fault; who comes late, by the server's.
        let began = if Instant::now() < due {
            sleep_until(due).await;
            Instant::now()
        } else {
            due
        };
        let good = match ask(&mut sender, port).await {
            Ok(good) => good,
            Err(_) => {
                sender = connect(port).await?;
                false
            }
        };
        if due >= warm {
            let passed = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            seen.latencies.record(passed.max(1))?;
            seen.failures += u64::from(!good);
        }
        due += each;
    }
    Ok(seen)
}

async fn connect(port: u16) -> Result<Sender, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Whether a request was answered as it should be.
async fn ask(sender: &mut Sender, port: u16) -> hyper::Result<bool> {
    sender.ready().await?;
    let request = Request::get("/").header("host", format!("127.0.0.1:{port}"));
    let Ok(request) = request.body(Empty::new()) else {
        return Ok(false);
    };
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(status == hyper::StatusCode::OK && &body[..] == b"Hello, world!")
}
