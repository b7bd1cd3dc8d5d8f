//! `wisp-worker`: one process of the data plane.
//!
//! It inherits a control channel and a listening socket from the supervisor, loads the apps that it is told to, and
//! serves them on a single-threaded runtime. When the supervisor is gone it drains and ends.

mod control;
mod inherited;

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use control::{Order, Orders, Report, Reports};
use inherited::Inherited;
use wisp_host::{Host, HostError, Shutdown};

/// How long requests may go on when the supervisor is gone and nobody says how long.
const ORPHAN_DRAIN: Duration = Duration::from_secs(10);
/// Tasks that run between two looks at the sockets; tokio's 61 lets a busy guest delay its neighbours.
const EVENT_INTERVAL: u32 = 13;
/// Exit code of a worker that could not start and has said why on the control channel.
const CANNOT_START: u8 = 3;

type Failure = Box<dyn std::error::Error>;

/// Does what the command line says; the whole program, but for its allocator.
pub fn main() -> ExitCode {
    let began = Instant::now();
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(Arguments::Version) => say(
            std::io::stdout(),
            &format!("wisp-worker {}", env!("CARGO_PKG_VERSION")),
        ),
        Ok(Arguments::Work {
            control,
            listener,
            hosts,
        }) => match Inherited::take(control, listener, hosts)
            .map_err(Failure::from)
            .and_then(|inherited| work(inherited, began))
        {
            Ok(code) => return code,
            Err(error) => return complain(&error.to_string()),
        },
        Err(message) => return complain(&message),
    }
    ExitCode::SUCCESS
}

fn say(mut stream: impl std::io::Write, line: &str) {
    // There is nobody left to tell when this fails.
    let _ = writeln!(stream, "{line}");
}

fn complain(message: &str) -> ExitCode {
    say(std::io::stderr(), &format!("wisp-worker: {message}"));
    ExitCode::from(2)
}

enum Arguments {
    Version,
    Work {
        control: i32,
        listener: i32,
        hosts: Option<i32>,
    },
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        const USAGE: &str = "usage: wisp-worker --control FD --listener FD [--hosts FD] | --version (started by `wisp up`)";
        let arguments: Vec<_> = arguments.collect();
        let words: Vec<_> = arguments.iter().map(String::as_str).collect();
        let number = |text: &str| text.parse::<i32>().map_err(|_| USAGE.to_owned());
        match words.as_slice() {
            ["--version"] => Ok(Self::Version),
            ["--control", control, "--listener", listener, hosts @ ..] => Ok(Self::Work {
                control: number(control)?,
                listener: number(listener)?,
                hosts: match hosts {
                    [] => None,
                    ["--hosts", hosts] => Some(number(hosts)?),
                    _ => return Err(USAGE.to_owned()),
                },
            }),
            _ => Err(USAGE.to_owned()),
        }
    }
}

fn work(inherited: Inherited, began: Instant) -> Result<ExitCode, Failure> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()?;
    runtime.block_on(serve(inherited, began))
}

/// Each connection is a file: takes all that the system grants without asking for more.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // A refusal leaves the limit as it was, which is still a working worker.
    let _ = setrlimit(Resource::Nofile, limit);
}

async fn serve(inherited: Inherited, began: Instant) -> Result<ExitCode, Failure> {
    inherited.control.set_nonblocking(true)?;
    let (mut orders, mut reports) =
        control::split(tokio::net::UnixStream::from_std(inherited.control)?);
    let start = match orders.next().await {
        Ok(Some(Order::Start(start))) => *start,
        Ok(None) => return Ok(ExitCode::SUCCESS),
        Ok(Some(order)) => {
            return refuse(&mut reports, &format!("the first order was {order:?}")).await;
        }
        Err(error) => return refuse(&mut reports, &error.to_string()).await,
    };
    let host = match Host::load(start) {
        Ok(host) => host,
        Err(error) => {
            reports.send(&Report::from(&error)).await?;
            return Ok(ExitCode::from(CANNOT_START));
        }
    };
    let shutdown = Shutdown::new();
    let startup_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    reports
        .send(&Report::Ready {
            pid: std::process::id(),
            startup_us,
        })
        .await?;
    let served = {
        let mut serving = std::pin::pin!(listen(
            &host,
            inherited.listener,
            inherited.hosts,
            &shutdown
        ));
        let obeying = obey(&mut orders, &mut reports, &host, &shutdown);
        tokio::select! {
            served = &mut serving => served,
            () = obeying => serving.await,
        }
    };
    host.log().flush();
    let (report, code) = match &served {
        Ok(()) => (Report::Drained, ExitCode::SUCCESS),
        Err(error) => (Report::from(error), ExitCode::from(CANNOT_START)),
    };
    // What was counted until the last request ended. The supervisor may be gone, which is why we end.
    let _ = reports.send(&Report::Metrics(host.metrics())).await;
    let _ = reports.send(&report).await;
    Ok(code)
}

/// Serves clients, and other hosts where there are some.
async fn listen(
    host: &Host,
    clients: TcpListener,
    hosts: Option<TcpListener>,
    shutdown: &Shutdown,
) -> Result<(), HostError> {
    let serving = host.serve(clients, shutdown.clone());
    let Some(hosts) = hosts else {
        return serving.await;
    };
    tokio::try_join!(serving, host.serve_hosts(hosts, shutdown.clone()))?;
    Ok(())
}

async fn refuse(reports: &mut Reports, message: &str) -> Result<ExitCode, Failure> {
    let (component, digest) = (None, None);
    reports
        .send(&Report::Failed {
            kind: "protocol",
            message: message.to_owned(),
            component,
            digest,
        })
        .await?;
    Ok(ExitCode::from(CANNOT_START))
}

/// Carries out orders until the supervisor is gone or this process is told to end.
async fn obey(orders: &mut Orders, reports: &mut Reports, host: &Host, shutdown: &Shutdown) {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let terminated = async {
        match terminate {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    let mut terminated = std::pin::pin!(terminated);
    let mut deaf = std::pin::pin!(shutdown.no_longer_accepting());
    let (ended, mut runs) = tokio::sync::mpsc::unbounded_channel();
    let mut said = false;
    loop {
        let order = tokio::select! {
            order = orders.next() => order,
            Some((ran, in_progress)) = runs.recv() => {
                // A supervisor that does not read any more is gone, which the next read says.
                let _ = reports.send(&Report::Ran(ran)).await;
                drop(in_progress);
                continue;
            }
            _ = &mut terminated => return shutdown.drain(ORPHAN_DRAIN),
            () = &mut deaf, if !said => {
                said = true;
                // A supervisor that does not read any more is gone, which the next read says.
                let _ = reports.send(&Report::Draining).await;
                continue;
            }
        };
        match order {
            Ok(Some(Order::Drain { timeout_ms })) => {
                shutdown.drain(Duration::from_millis(timeout_ms));
            }
            Ok(Some(Order::Metrics {})) => {
                // A supervisor that does not read any more is gone, which the next read says.
                let _ = reports.send(&Report::Metrics(host.metrics())).await;
            }
            Ok(Some(Order::Run(run))) => {
                let (run, ended) = (host.run(run), ended.clone());
                // When the supervisor is gone, nobody is told, and the run goes on for as long as this process drains.
                tokio::spawn(async move { ended.send(run.await) });
            }
            Ok(Some(Order::Table(table))) => host.route(&table),
            Ok(Some(Order::Identity(identity))) => host.identify(&identity),
            Ok(Some(Order::Start(_))) => host
                .log()
                .worker("error", "a second start order was ignored"),
            Ok(None) => return shutdown.drain(ORPHAN_DRAIN),
            Err(error) => {
                host.log()
                    .worker("error", &format!("control channel: {error}"));
                return shutdown.drain(ORPHAN_DRAIN);
            }
        }
    }
}
