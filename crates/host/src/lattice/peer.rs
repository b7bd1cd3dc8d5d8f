//! Connections to other hosts, kept for the next request.
//!
//! To each host there are as many connections as it has workers, made as they are needed: its kernel spreads them over its workers.
//! Requests take them in turns. A connection of an earlier identity, or one that has ended, is replaced when its turn comes; one that
//! nobody used for a while is closed, and so is one to a host that was revoked, once what is on its way has been answered. When a request
//! fails, [`Unanswered`] says what is known of its fate.

use std::collections::HashMap;
use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use super::identity::{Identities, PROTOCOL};
use super::listener::{CONNECTION_WINDOW, STREAM_WINDOW};
use super::{KIND, Kind};

/// What making a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a connection with requests on it may be silent before we ask whether anybody is there, and how long the answer may take.
const PING: Duration = Duration::from_secs(2);
const PONG: Duration = Duration::from_secs(3);
/// How long a connection is kept that nobody uses; at most twice as long.
const IDLE: Duration = Duration::from_mins(1);
/// Bytes that the head of an answer may have.
const HEAD_BYTES: u32 = 256 << 10;

/// Where another host is.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PeerAddress {
    /// Its name, which its certificate must have.
    pub host: String,
    /// `HOST:PORT` of its listener for hosts.
    pub address: String,
    /// How many workers it has.
    pub workers: usize,
}

/// What is known of a request that was not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Nothing of it was handled: it may be sent elsewhere, whatever it is.
    NotSent,
    /// It may have been handled, or be handled still.
    MayHaveRun,
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
#[error("host {host}: {reason}")]
pub struct Unanswered {
    /// The host that was asked.
    pub host: String,
    /// What is known.
    pub fate: Fate,
    /// What went wrong.
    pub reason: String,
    /// The request, where it could be taken back as it was.
    pub request: Option<Box<Request<WasiBody>>>,
}

/// All connections to other hosts.
#[derive(Debug)]
pub struct Peers {
    identities: Identities,
    pools: Mutex<HashMap<PeerAddress, Arc<Pool>>>,
}

#[derive(Debug)]
struct Pool {
    slots: Vec<Slot>,
    next: AtomicUsize,
}

/// The place of one connection. Who finds it empty makes the connection, and others wait for that.
type Slot = tokio::sync::Mutex<Place>;

#[derive(Debug, Default)]
struct Place {
    link: Option<Link>,
    /// The last attempt that failed, for those who waited for it.
    failed: Option<(Instant, String)>,
}

#[derive(Clone, Debug)]
struct Link {
    sender: SendRequest<WasiBody>,
    generation: u64,
    /// Held by each request that is on its way.
    token: Arc<()>,
    /// Since it was last looked at.
    used: Arc<AtomicBool>,
}

impl Peers {
    /// No connection yet.
    pub fn new(identities: Identities) -> Self {
        Self {
            identities,
            pools: Mutex::default(),
        }
    }

    /// Forgets the hosts that are not among these; what is on its way to them goes on.
    pub fn keep(&self, known: impl Fn(&PeerAddress) -> bool) {
        self.lock().retain(|address, _| known(address));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PeerAddress, Arc<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self, to: &PeerAddress) -> Arc<Pool> {
        let mut pools = self.lock();
        if let Some(pool) = pools.get(to) {
            return pool.clone();
        }
        let pool = Arc::new(Pool {
            slots: (0..to.workers.max(1)).map(|_| Slot::default()).collect(),
            next: AtomicUsize::new(0),
        });
        pools.insert(to.clone(), pool.clone());
        pool
    }

    /// Sends a request to a host, and waits for the head of its answer. How long that may take is up to the caller, who drops the future.
    pub async fn send(
        &self,
        to: &PeerAddress,
        kind: Kind,
        mut request: Request<WasiBody>,
    ) -> Result<Response<Received>, Unanswered> {
        request.headers_mut().insert(KIND, kind.value());
        let pool = self.pool(to);
        // A connection that was there may have ended: the first one that is made anew tells the truth.
        loop {
            let (link, fresh) = match self.link(&pool, to).await {
                Ok(found) => found,
                Err(reason) => return Err(not_sent(to, reason, Some(request))),
            };
            let Link {
                mut sender, token, ..
            } = link;
            match sender.try_send_request(request).await {
                Ok(response) => {
                    return Ok(response.map(|incoming| Received {
                        incoming,
                        held: token,
                    }));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !fresh => request = unsent,
                    Some(unsent) => {
                        return Err(not_sent(to, told(error.error()), Some(unsent)));
                    }
                    None => {
                        let error = error.error();
                        return Err(Unanswered {
                            host: to.host.clone(),
                            fate: fate(error),
                            reason: told(error),
                            request: None,
                        });
                    }
                },
            }
        }
    }

    /// The connection whose turn it is, and whether it was made for this.
    async fn link(&self, pool: &Arc<Pool>, to: &PeerAddress) -> Result<(Link, bool), String> {
        let turn = pool.next.fetch_add(1, Ordering::Relaxed) % pool.slots.len();
        let Some(slot) = pool.slots.get(turn) else {
            return Err("it has no connection".to_owned());
        };
        let asked = Instant::now();
        let mut place = slot.lock().await;
        let identity = self.identities.current();
        identity.admits(&to.host)?;
        if let Some(link) = &place.link
            && !link.sender.is_closed()
            && link.generation == identity.generation
        {
            link.used.store(true, Ordering::Relaxed);
            return Ok((link.clone(), false));
        }
        if let Some((when, reason)) = &place.failed
            && *when >= asked
        {
            return Err(reason.clone());
        }
        *place = Place::default();
        let connecting = tokio::time::timeout(CONNECT, connect(&self.identities, to));
        let connected = connecting
            .await
            .unwrap_or_else(|_| Err(format!("no connection within {} s", CONNECT.as_secs())));
        match connected {
            Ok(link) => Ok((place.link.insert(link).clone(), true)),
            Err(reason) => {
                place.failed = Some((Instant::now(), reason.clone()));
                Err(reason)
            }
        }
    }
}

fn not_sent(to: &PeerAddress, reason: String, request: Option<Request<WasiBody>>) -> Unanswered {
    Unanswered {
        host: to.host.clone(),
        fate: Fate::NotSent,
        reason,
        request: request.map(Box::new),
    }
}

async fn connect(identities: &Identities, to: &PeerAddress) -> Result<Link, String> {
    let identity = identities.current();
    let told = |error: std::io::Error| error.to_string();
    let name = identity
        .name_of(&to.host)
        .ok_or("this is no name of a host")?;
    let socket = TcpStream::connect(&to.address).await.map_err(told)?;
    // A request is written in one piece; waiting for more would only delay it.
    let _ = socket.set_nodelay(true);
    let connector = TlsConnector::from(identity.client());
    let socket = connector.connect(name, socket).await.map_err(told)?;
    if socket.get_ref().1.alpn_protocol() != Some(PROTOCOL) {
        return Err("it does not speak HTTP/2".to_owned());
    }
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_BYTES)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .keep_alive_while_idle(false)
        .handshake(TokioIo::new(socket))
        .await
        .map_err(|error| error.to_string())?;
    let link = Link {
        sender,
        generation: identity.generation,
        token: Arc::new(()),
        used: Arc::new(AtomicBool::new(true)),
    };
    let (token, used) = (Arc::downgrade(&link.token), link.used.clone());
    let (identities, host) = (identities.clone(), to.host.clone());
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        let mut revoked = pin!(identities.revoked(&host));
        loop {
            tokio::select! {
                // Its errors are those of the requests on it.
                _ = connection.as_mut() => return,
                () = revoked.as_mut() => return,
                () = tokio::time::sleep(IDLE) => {
                    // The place of the connection holds the token once.
                    let idle = token.strong_count() <= 1;
                    if !used.swap(false, Ordering::Relaxed) && idle {
                        return;
                    }
                }
            }
        }
    });
    Ok(link)
}

/// What is known of a request whose connection or stream has failed.
fn fate(error: &hyper::Error) -> Fate {
    let Some(error) = http2_error(error) else {
        return Fate::MayHaveRun;
    };
    // Both say that the other end has not begun with it: a stream that is refused, and one beyond the last that it still takes.
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM) && error.is_remote();
    let left = error.reason() == Some(h2::Reason::NO_ERROR) && error.is_go_away();
    if refused || (left && error.is_remote()) {
        Fate::NotSent
    } else {
        Fate::MayHaveRun
    }
}

fn http2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<h2::Error>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn told(error: &hyper::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The body of an answer of another host, and what is held while it comes.
#[derive(Debug)]
pub struct Received<H = Arc<()>> {
    incoming: Incoming,
    /// Dropped with it.
    held: H,
}

impl Received {
    /// The same, with something more that is held.
    pub(super) fn holding<H>(self, more: H) -> Received<(Arc<()>, H)> {
        Received {
            incoming: self.incoming,
            held: (self.held, more),
        }
    }
}

impl<H: Unpin> Body for Received<H> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        Pin::new(&mut self.incoming)
            .poll_frame(cx)
            .map_err(HttpError::Hyper)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
