//! The listener for other hosts: accepts connections of hosts of this lattice, and gives each request to who handles its kind. What is in
//! progress for a host when it is revoked is dropped with its connections.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wasmtime_wasi_http::WasiBody;

use super::identity::{Identities, PROTOCOL};
use super::{KIND, Kind};
use crate::shutdown::Shutdown;
use crate::telemetry::{Log, Throttle};

/// Requests at once on one connection: all of another host's clients share a few.
const STREAMS: u32 = 1024;
/// Requests of one connection that may be given up at once.
const RESETS: usize = 16 * STREAMS as usize;
/// How long a connection may be silent before we ask whether anybody is there, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);
/// What agreeing on keys may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after a failed `accept`, which would fail again at once.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request, and of all requests of a connection, that may come before somebody reads them.
pub(super) const STREAM_WINDOW: u32 = 512 << 10;
pub(super) const CONNECTION_WINDOW: u32 = 8 << 20;
/// Bytes of the log that strangers may fill in a second.
const STRANGERS: u64 = 512;

/// Another host, as its certificate tells.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its name.
    pub host: String,
    /// Where its connection comes from.
    pub address: SocketAddr,
}

/// Handles requests of one kind.
pub trait Handle: Send + Sync + 'static {
    /// Answers one request; called once for each, many times at once. The future is dropped when the caller does not wait any longer.
    fn handle(
        self: Arc<Self>,
        caller: Arc<Caller>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Response<WasiBody>>;
}

/// What a listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes that the head of a request may have.
    pub header_bytes: u32,
    /// Connections open at once.
    pub connections: u32,
}

/// The listener for other hosts.
pub struct Listener {
    identities: Identities,
    handlers: HashMap<Kind, Arc<dyn Handle>>,
    bounds: Bounds,
    log: Log,
    strangers: Throttle,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds: Vec<_> = self.handlers.keys().collect();
        formatter
            .debug_struct("Listener")
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}

impl Listener {
    /// A listener that handles nothing yet.
    pub fn new(identities: Identities, bounds: Bounds, log: Log) -> Self {
        Self {
            identities,
            handlers: HashMap::new(),
            bounds,
            log,
            strangers: Throttle::new(STRANGERS, Instant::now()),
        }
    }

    /// Has requests of a kind handled.
    #[must_use]
    pub fn with(mut self, kind: Kind, handler: Arc<dyn Handle>) -> Self {
        self.handlers.insert(kind, handler);
        self
    }

    /// Accepts connections until `shutdown` begins, and serves them until they have ended or `shutdown` is over.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: Shutdown,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let most = self.bounds.connections.max(1);
        let permits = Arc::new(Semaphore::new(
            usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS),
        ));
        tokio::select! {
            () = self.accept_all(&listener, &permits, &shutdown) => {}
            () = shutdown.begun() => {}
        }
        drop(listener);
        tokio::select! {
            // Every connection has a permit: to have them all means that none is left.
            _ = permits.acquire_many(most) => {}
            () = shutdown.over() => {}
        }
        Ok(())
    }

    async fn accept_all(
        self: &Arc<Self>,
        listener: &tokio::net::TcpListener,
        permits: &Arc<Semaphore>,
        shutdown: &Shutdown,
    ) {
        while let Ok(permit) = permits.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((socket, address)) => {
                    let (this, shutdown) = (self.clone(), shutdown.clone());
                    tokio::spawn(this.connection(socket, address, shutdown, permit));
                }
                Err(error) => {
                    let message = format!("no connection of a host could be accepted: {error}");
                    self.log.worker("warning", &message);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        address: SocketAddr,
        shutdown: Shutdown,
        _permit: OwnedSemaphorePermit,
    ) {
        let entered = tokio::select! {
            entered = self.enter(socket) => entered,
            () = tokio::time::sleep(HANDSHAKE) => Err("it took too long to say who it is".to_owned()),
            () = shutdown.over() => return,
        };
        match entered {
            Ok((socket, host)) => {
                let caller = Arc::new(Caller { host, address });
                tokio::select! {
                    biased;
                    () = self.identities.revoked(&caller.host) => {}
                    () = self.speak(socket, caller.clone(), shutdown) => {}
                }
            }
            Err(reason) => self.refused(address.ip().to_canonical(), &reason),
        }
    }

    /// Finds out which host it is.
    async fn enter(&self, socket: TcpStream) -> Result<(TlsStream<TcpStream>, String), String> {
        // Small answers must not wait for the acknowledgement of earlier ones. A socket that refuses is gone already.
        let _ = socket.set_nodelay(true);
        let identity = self.identities.current();
        let socket = TlsAcceptor::from(identity.server())
            .accept(socket)
            .await
            .map_err(|error| error.to_string())?;
        let session = socket.get_ref().1;
        if session.alpn_protocol() != Some(PROTOCOL) {
            return Err("it does not speak HTTP/2".to_owned());
        }
        let host = session
            .peer_certificates()
            .and_then(|chain| identity.caller(chain))
            .ok_or("its certificate is of no host of this lattice")?;
        identity.admits(&host)?;
        Ok((socket, host))
    }

    fn refused(&self, address: IpAddr, reason: &str) {
        let message = format!("a connection of {address} was refused: {reason}");
        if self.strangers.admit(message.len(), Instant::now()).0 {
            self.log.worker("warning", &message);
        }
    }

    async fn speak(
        self: &Arc<Self>,
        socket: TlsStream<TcpStream>,
        caller: Arc<Caller>,
        shutdown: Shutdown,
    ) {
        let this = self.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (this, caller) = (this.clone(), caller.clone());
            async move { Ok::<_, Infallible>(this.answer(caller, request).await) }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            // Clients of the other host may all go away at once; a stranger's flood of that never gets here.
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS)
            .max_header_list_size(self.bounds.header_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = shutdown.begun() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection.as_mut() => {}
            () = shutdown.over() => {}
        }
    }

    async fn answer(
        &self,
        caller: Arc<Caller>,
        mut request: Request<Incoming>,
    ) -> Response<WasiBody> {
        let kind = request
            .headers_mut()
            .remove(KIND)
            .and_then(|value| Kind::read(&value));
        match kind.and_then(|kind| self.handlers.get(&kind)) {
            Some(handler) => handler.clone().handle(caller, request).await,
            None => unknown(),
        }
    }
}

/// The answer to what nobody here handles: the other host is of another version.
fn unknown() -> Response<WasiBody> {
    let text = Bytes::from_static(b"this host does not know what this request is");
    let body = Full::new(text)
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response
}
