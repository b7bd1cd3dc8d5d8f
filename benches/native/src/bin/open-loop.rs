//! Requests at a fixed rate, whatever the server does: each is due at a time of its own, and its latency counts from there.
//!
//! A load generator that waits for an answer before it sends the next request asks less of a server that is slow, and so hides what
//! its clients would see ("coordinated omission", Gil Tene). Here a request that is sent late, because the answers before it were
//! late, has waited since it was due.
//!
//! `open-loop PORTS RATE SECONDS CONNECTIONS` prints one JSON object: percentiles in milliseconds, and what went wrong. Several ports,
//! with commas between them, share the connections.

use std::time::Duration;

use bench_native::client::Client;
use bench_native::{Failure, seen::Seen};
use tokio::time::{Instant, sleep_until};

const USAGE: &str = "usage: open-loop PORT[,PORT] RATE SECONDS CONNECTIONS";
/// Before this the server warms up, and nothing is counted.
const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let ports = arguments.next().ok_or(USAGE)?;
    let ports = ports
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<u16>, _>>()?;
    let mut number = || {
        arguments
            .next()
            .ok_or(USAGE)?
            .parse::<u32>()
            .map_err(|_| USAGE)
    };
    let (rate, seconds, connections) = (number()?, number()?, number()?);
    let begin = Instant::now() + Duration::from_millis(100);
    let end = begin + WARM_UP + Duration::from_secs(seconds.into());
    let each = Duration::from_secs(1) / rate * connections;
    let tasks: Vec<_> = (0..connections)
        .zip(ports.iter().copied().cycle())
        .map(|(index, port)| {
            let first = begin + Duration::from_secs(1) / rate * index;
            tokio::spawn(connection(port, (first, each, end)))
        })
        .collect();
    let mut all = Seen::new()?;
    for task in tasks {
        all.add(&task.await??)?;
    }
    println!("{}", all.report(seconds.into()));
    Ok(())
}

async fn connection(
    port: u16,
    (mut due, each, end): (Instant, Duration, Instant),
) -> Result<Seen, Failure> {
    let warm = due + WARM_UP;
    let mut seen = Seen::new()?;
    let mut client = Client::new(port);
    client.connect().await?;
    while due < end {
        // Who had to wait for the clock is late by the clock's fault; who comes late, by the server's.
        let began = if Instant::now() < due {
            sleep_until(due).await;
            Instant::now()
        } else {
            due
        };
        let is_good = client.ask().await?;
        if due < warm {
            seen.warm(is_good);
        } else {
            seen.record(began.elapsed(), is_good)?;
        }
        due += each;
    }
    Ok(seen)
}
