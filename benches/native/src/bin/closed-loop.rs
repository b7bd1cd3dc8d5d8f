//! As many requests as a server answers: each connection sends one when the answer before it is there.
//!
//! `closed-loop PORTS SECONDS CONNECTIONS [awake]` prints one JSON object: percentiles in milliseconds, and what went wrong. Several
//! ports, with commas between them, share the connections. With `awake` it never sleeps, so that no answer has to wake it.

use std::time::Duration;

use bench_native::client::Client;
use bench_native::{Failure, seen::Seen};
use tokio::time::Instant;

const USAGE: &str = "usage: closed-loop PORT[,PORT] SECONDS CONNECTIONS [awake]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (awake, arguments) = match arguments.as_slice() {
        [arguments @ .., word] if word == "awake" => (true, arguments),
        arguments => (false, arguments),
    };
    let [ports, seconds, connections] = arguments else {
        return Err(USAGE.into());
    };
    let ports = ports
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<u16>, _>>()?;
    let (seconds, connections): (u32, usize) = (seconds.parse()?, connections.parse()?);
    if awake {
        tokio::spawn(never_sleep());
    }
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds.into());
    let tasks: Vec<_> = ports
        .iter()
        .cycle()
        .take(connections)
        .map(|port| tokio::spawn(connection(*port, end)))
        .collect();
    let mut all = Seen::new()?;
    for task in tasks {
        all.add(&task.await??)?;
    }
    println!("{}", all.report(begin.elapsed().as_secs_f64()));
    Ok(())
}

/// There is always something to do, so the runtime only looks whether an answer has come.
async fn never_sleep() {
    loop {
        tokio::task::yield_now().await;
    }
}

async fn connection(port: u16, end: Instant) -> Result<Seen, Failure> {
    let mut seen = Seen::new()?;
    let mut client = Client::new(port);
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok(seen);
        }
        let is_good = client.ask().await?;
        seen.record(began.elapsed(), is_good)?;
    }
}
