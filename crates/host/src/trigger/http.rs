//! The HTTP trigger: a server of routes on a listening socket.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::activity::Patience;
use super::arrivals::Arrivals;
use super::connection::{self, Terms};
use super::endpoint::Endpoint;
use super::exchange::Shared;
use super::forwarded::Proxies;
use super::respond::Respond;
use super::router::Router;
use super::tls;
use crate::error::HostError;
use crate::lattice::{Gateway, Handle};
use crate::settings::HttpSettings;
use crate::shutdown::Shutdown;
use crate::telemetry::{Log, Metrics};

/// Requests at once on one HTTP/2 connection; what RFC 9113 recommends as the least.
const STREAMS: u32 = 100;
/// How long an HTTP/2 connection may be silent before we ask whether anybody is there, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);
/// How much of a body hyper reads at once when it comes fast, and holds of an answer before it waits for the socket.
const BUFFER: usize = 256 << 10;
/// Pause after the first failed `accept`; it doubles until [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(10);
/// The longest pause after a failed `accept`.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Connections that are still taken from the socket's queue when the host begins to drain.
const LAST_CALL: usize = 1024;
/// What a connection may take to end after the deadline of a drain, when everything has been dropped.
const AFTERMATH: Duration = Duration::from_secs(1);

/// A server, ready to accept.
#[derive(Debug)]
pub struct Server<R: Respond> {
    shared: Arc<Shared<R>>,
    tls: Option<Arc<ServerConfig>>,
    patience: Patience,
    max_connections: u32,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl<R: Respond> Server<R> {
    /// Checks the settings, and reads certificate and key.
    pub fn new(
        settings: &HttpSettings,
        router: Router<Arc<R>>,
        log: Log,
        metrics: Metrics,
    ) -> Result<Self, HostError> {
        let proxies = Proxies::parse(&settings.trusted_proxies).map_err(|text| {
            let message = format!(
                "the trusted proxy `{text}` is neither an address nor a network like 10.0.0.0/8"
            );
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        let tls = settings.tls.as_ref().map(tls::config).transpose()?;
        let router = router
            .map(|manner, target| Endpoint::new(manner, target, &metrics, settings.header_bytes));
        Ok(Self {
            shared: Arc::new(Shared {
                router: Arc::new(router),
                gateway: None,
                proxies,
                log,
                metrics,
            }),
            tls,
            patience: Patience {
                head: Duration::from_millis(settings.header_timeout_ms),
                idle: Duration::from_millis(settings.keep_alive_ms),
            },
            max_connections: settings.max_connections.max(1),
            http1: http1(settings),
            http2: http2(settings),
        })
    }

    /// The same server; requests that a route of another host leads to go there.
    #[must_use]
    pub fn with_gateway(self, gateway: Arc<Gateway>) -> Self {
        let shared = Shared {
            router: self.shared.router.clone(),
            gateway: Some(gateway),
            proxies: self.shared.proxies.clone(),
            log: self.shared.log.clone(),
            metrics: self.shared.metrics.clone(),
        };
        Self {
            shared: Arc::new(shared),
            ..self
        }
    }

    /// What answers requests that other hosts have received.
    pub fn arrivals(&self) -> Arc<dyn Handle> {
        Arc::new(Arrivals::of(&self.shared))
    }

    /// Accepts connections until `shutdown` begins, and serves them until they have ended or `shutdown` is over.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) -> Result<(), HostError> {
        listener.set_nonblocking(true)?;
        let acceptor = Acceptor {
            listener: tokio::net::TcpListener::from_std(listener)?,
            permits: Arc::new(Semaphore::new(
                usize::try_from(self.max_connections).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            tls: self.tls.clone().map(TlsAcceptor::from),
            terms: Arc::new(Terms {
                shared: self.shared.clone(),
                shutdown: shutdown.clone(),
                patience: self.patience,
                http1: self.http1.clone(),
                http2: self.http2.clone(),
            }),
        };
        tokio::select! {
            () = acceptor.accept_all() => {}
            () = shutdown.begun() => acceptor.last_call(),
        }
        let Acceptor { permits, .. } = acceptor;
        shutdown.stopped_accepting();
        let dropped = async {
            shutdown.over().await;
            tokio::time::sleep(AFTERMATH).await;
        };
        tokio::select! {
            // Every connection has a permit: to have them all means that none is left.
            _ = permits.acquire_many(self.max_connections) => {}
            () = dropped => {}
        }
        Ok(())
    }
}

/// A listening socket and what its connections need.
struct Acceptor<R: Respond> {
    listener: tokio::net::TcpListener,
    permits: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
    terms: Arc<Terms<R>>,
}

impl<R: Respond> Acceptor<R> {
    /// Past the limit, connections wait in the queue of the socket.
    async fn accept_all(&self) {
        let mut pause = PAUSE;
        while let Ok(permit) = self.permits.clone().acquire_owned().await {
            match self.listener.accept().await {
                Ok(accepted) => {
                    pause = PAUSE;
                    self.start(accepted, permit);
                }
                Err(error) if concerns_one_connection(&error) => {}
                // Without a pause this would spin: what is missing (descriptors, memory) comes back when others end.
                Err(error) => {
                    let message = format!(
                        "no connection could be accepted, next attempt in {pause:?}: {error}"
                    );
                    self.terms.shared.log.worker("warning", &message);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Takes the connections that clients made before the host began to drain.
    fn last_call(&self) {
        for _ in 0..LAST_CALL {
            let Ok(permit) = self.permits.clone().try_acquire_owned() else {
                return;
            };
            let Ok(accepted) = accept_now(&self.listener) else {
                return;
            };
            self.start(accepted, permit);
        }
    }

    fn start(&self, (socket, address): (TcpStream, SocketAddr), permit: OwnedSemaphorePermit) {
        // Small answers must not wait for the acknowledgement of earlier ones. A socket that refuses is gone already.
        let _ = socket.set_nodelay(true);
        tokio::spawn(connection::serve(
            self.terms.clone(),
            self.tls.clone(),
            (socket, address),
            permit,
        ));
    }
}

/// Asks the socket itself: the runtime may not know yet what has arrived.
fn accept_now(listener: &tokio::net::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, address) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    let address = address.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    Ok((TcpStream::from_std(socket.into())?, address))
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, PermissionDenied,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | PermissionDenied
    )
}

fn http1(settings: &HttpSettings) -> http1::Builder {
    let header_bytes = usize::try_from(settings.header_bytes).unwrap_or(usize::MAX);
    let mut builder = http1::Builder::new();
    builder
        // Watched by the connection itself, see `activity`.
        .header_read_timeout(None)
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes.max(BUFFER));
    builder
}

fn http2(settings: &HttpSettings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(settings.header_bytes)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}
