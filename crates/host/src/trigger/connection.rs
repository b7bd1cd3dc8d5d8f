//! One connection, from its first byte to its last.
//!
//! hyper speaks HTTP; what is left is to find out which version the client speaks, to watch that the connection gets
//! somewhere, to end it in an orderly way while the host drains, and to end it in a way that the client cannot mistake
//! for the end of its answer when an answer broke off.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http::uri::Scheme;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::{Activity, Patience, Waiting, Watched};
use super::exchange::{Shared, answer};
use super::peer::Peer;
use super::problem::Problem;
use super::respond::Respond;
use crate::shutdown::{Phase, Shutdown};
use crate::telemetry::{Metrics, RequestId};

/// What a client sends first that knows without asking that we speak HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long idle connections stay when the host begins to drain: a request may be on its way already.
const GRACE: Duration = Duration::from_secs(1);
/// How long we read and forget what a client still sends after its last answer. A socket that is closed with unread
/// bytes resets the connection, and the client might lose the answer.
const LINGER: Duration = Duration::from_secs(5);

/// A socket that can be cut so that its client notices.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the next close a reset.
    fn cut(&self);
}

impl Transport for TcpStream {
    fn cut(&self) {
        // Without it the client sees an ordinary end, which only HTTP/1.0 takes for one.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Transport for TlsStream<TcpStream> {
    fn cut(&self) {
        self.get_ref().0.cut();
    }
}

/// What all connections of one listener share.
#[derive(Debug)]
pub(super) struct Terms<R> {
    pub(super) shared: Arc<Shared<R>>,
    pub(super) shutdown: Shutdown,
    pub(super) patience: Patience,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
}

/// Counts a connection as long as it lives.
struct Counted(Metrics);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connection_closed();
    }
}

/// Serves one connection to its end.
pub(super) async fn serve<R: Respond>(
    terms: Arc<Terms<R>>,
    tls: Option<TlsAcceptor>,
    (socket, address): (TcpStream, SocketAddr),
    permit: OwnedSemaphorePermit,
) {
    terms.shared.metrics.connection_opened();
    let _counted = Counted(terms.shared.metrics.clone());
    let activity = Arc::new(Activity::new(permit));
    let scheme = if tls.is_some() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let peer = Peer::new(
        terms.shared.clone(),
        terms.shutdown.clone(),
        activity.clone(),
        address,
        scheme,
    );
    let connection = Connection {
        terms,
        activity,
        peer: Arc::new(peer),
    };
    // Most connections are plain HTTP/1: what others need is not to lie in the task of each.
    match tls {
        None => connection.detect(socket).await,
        Some(tls) => Box::pin(connection.secured(tls, socket)).await,
    }
}

/// Why a connection is not driven any further.
#[derive(Debug)]
enum Ending {
    /// hyper is done with it.
    Done(hyper::Result<()>),
    /// It got nowhere.
    Impatient(Waiting),
    /// The host does not wait any longer.
    Cut,
}

struct Connection<R: Respond> {
    terms: Arc<Terms<R>>,
    activity: Arc<Activity>,
    peer: Arc<Peer<R>>,
}

impl<R: Respond> Connection<R> {
    /// What must happen before the first request, in the time of a head.
    async fn in_time<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = future => Some(result),
            () = tokio::time::sleep_until(self.activity.opened() + self.terms.patience.head) => None,
            () = grace_over(&self.terms.shutdown) => None,
        }
    }

    /// Agrees on keys first, and with it on the protocol.
    async fn secured(&self, tls: TlsAcceptor, socket: TcpStream) {
        let Some(Ok(socket)) = self.in_time(tls.accept(socket)).await else {
            return;
        };
        if socket.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(socket, Bytes::new()).await;
        } else {
            self.detect(socket).await;
        }
    }

    /// Reads as much as it takes to tell HTTP/2 from HTTP/1.
    async fn detect<S: Transport>(&self, mut socket: S) {
        match self.in_time(read_preface(&mut socket)).await {
            Some(Ok((bytes, true))) => Box::pin(self.http2(socket, bytes)).await,
            Some(Ok((bytes, false))) => self.http1(socket, bytes).await,
            Some(Err(_)) | None => {}
        }
    }

    async fn http1<S: Transport>(&self, socket: S, read: Bytes) {
        let service = service_fn(|request: Request<Incoming>| {
            let peer = self.peer.clone();
            async move { Ok::<_, Infallible>(answer(peer, request).await) }
        });
        let socket = TokioIo::new(Watched::new(socket, read, self.activity.clone()));
        let mut connection = self.terms.http1.serve_connection(socket, service);
        let leave = grace_over(&self.terms.shutdown);
        let ending = self
            .drive(
                Pin::new(&mut connection),
                http1::Connection::graceful_shutdown,
                leave,
            )
            .await;
        self.part(
            ending,
            connection.into_parts().io.into_inner().into_socket(),
        )
        .await;
    }

    async fn http2<S: Transport>(&self, socket: S, read: Bytes) {
        self.activity.ignore_heads();
        let peer = self.peer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let peer = peer.clone();
            async move { Ok::<_, Infallible>(answer(peer, request).await) }
        });
        let socket = TokioIo::new(Watched::new(socket, read, self.activity.clone()));
        let connection = pin!(self.terms.http2.serve_connection(socket, service));
        // Graceful in HTTP/2 takes what is on its way already: there is nothing to wait for.
        let leave = self.terms.shutdown.begun();
        self.drive(connection, http2::Connection::graceful_shutdown, leave)
            .await;
    }

    /// Polls a connection until it is done, gets nowhere, or the host does not wait any longer.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Pin<&mut C>,
        leave: impl Fn(Pin<&mut C>),
        leaving: impl Future<Output = ()>,
    ) -> Ending {
        let mut leaving = pin!(leaving);
        let mut left = false;
        let mut over = pin!(self.terms.shutdown.over());
        let mut timer = pin!(tokio::time::sleep_until(
            self.activity.opened() + self.terms.patience.head
        ));
        poll_fn(|cx| {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ending::Done(result));
            }
            if !left && leaving.as_mut().poll(cx).is_ready() {
                left = true;
                leave(connection.as_mut());
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Ending::Done(result));
                }
            }
            if over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ending::Cut);
            }
            self.poll_patience(timer.as_mut(), cx)
                .map(Ending::Impatient)
        })
        .await
    }

    /// Ready when the connection got nowhere for too long.
    fn poll_patience(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<Waiting> {
        // The timer is only moved when that cannot wait until it fires.
        if let Some((limit, _)) = self.limit()
            && limit < timer.deadline()
        {
            timer.as_mut().reset(limit);
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match self.limit() {
                Some((limit, waiting)) if limit <= now => return Poll::Ready(waiting),
                Some((limit, _)) => timer.as_mut().reset(limit),
                None => timer.as_mut().reset(now + self.terms.patience.idle),
            }
        }
        Poll::Pending
    }

    fn limit(&self) -> Option<(Instant, Waiting)> {
        self.activity.limit(self.terms.patience)
    }

    /// Closes an HTTP/1 connection in the way that fits its end.
    async fn part<S: Transport>(&self, ending: Ending, mut socket: S) {
        match ending {
            Ending::Impatient(Waiting::Head) => {
                let answer = Problem::HeadTimeout.on_the_wire(RequestId::next());
                let said = async {
                    socket.write_all(answer.as_bytes()).await?;
                    socket.shutdown().await
                };
                if let Ok(Ok(())) = tokio::time::timeout(LINGER, said).await {
                    self.linger(socket).await;
                }
            }
            Ending::Impatient(Waiting::Reader) | Ending::Cut => socket.cut(),
            Ending::Done(Err(error)) if broke_off(&error) => socket.cut(),
            Ending::Done(Err(error)) if error.is_parse() => self.linger(socket).await,
            Ending::Done(_) if self.activity.is_unread() => self.linger(socket).await,
            Ending::Done(_) | Ending::Impatient(Waiting::Request) => {}
        }
    }

    /// Reads and forgets, until the client has closed or it takes too long.
    async fn linger<S: Transport>(&self, mut socket: S) {
        let mut sink = tokio::io::sink();
        tokio::select! {
            _ = tokio::io::copy(&mut socket, &mut sink) => {}
            () = tokio::time::sleep(LINGER) => {}
            () = self.terms.shutdown.over() => {}
        }
    }
}

/// Whether the connection ended because an answer did, before its end.
fn broke_off(error: &hyper::Error) -> bool {
    error.is_user() || error.is_body_write_aborted()
}

/// Waits until the host drains and nothing can be on its way any more to a connection that is idle.
async fn grace_over(shutdown: &Shutdown) {
    shutdown.begun().await;
    if let Phase::Draining { since, deadline } = shutdown.phase() {
        tokio::time::sleep_until(since + GRACE.min((deadline - since) / 2)).await;
    }
}

/// The first bytes of a client, and whether they are the preface of HTTP/2.
async fn read_preface(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<(Bytes, bool)> {
    let mut bytes = BytesMut::with_capacity(1024);
    loop {
        let read = socket.read_buf(&mut bytes).await?;
        let common = bytes.len().min(PREFACE.len());
        if read == 0 || bytes.get(..common) != PREFACE.get(..common) {
            return Ok((bytes.freeze(), false));
        }
        if common == PREFACE.len() {
            return Ok((bytes.freeze(), true));
        }
    }
}
