//! From checked addresses to a connection that speaks HTTP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error as HttpError;

use super::destination::Destination;
use super::failure;
use super::fault::Watched;
use super::sender::Sender;
use crate::capability::network::Place;

/// Bytes of the head of a response.
const HEAD_BYTES: usize = 128 << 10;
/// Bytes of a response, and of all responses of a connection, that HTTP/2 lets come before the guest reads.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Connects to one of these addresses, in their order; each may take its share of the time that is left.
pub(super) async fn reach(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, HttpError> {
    let mut failed = HttpError::DestinationUnavailable;
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = now + deadline.saturating_duration_since(now) / left;
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        match timeout_at(share, connecting).await {
            Ok(Ok(stream)) => {
                // A request is written in one piece; waiting for more would only delay it.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => failed = failure::connecting(&error),
            Err(_) => failed = HttpError::ConnectionTimeout,
        }
    }
    Err(failed)
}

/// Speaks TLS, when there is a configuration for it, and then the protocol of HTTP that was agreed on.
///
/// The name is the guest's, whatever the address was.
pub(super) async fn speak(
    stream: TcpStream,
    destination: &Destination,
    tls: Option<Arc<ClientConfig>>,
    permit: OwnedSemaphorePermit,
) -> Result<Sender, HttpError> {
    let Some(config) = tls else {
        return first(stream, permit).await;
    };
    let name = match &destination.place {
        Place::Name(name) => {
            ServerName::try_from(name.clone()).map_err(|_| HttpError::HttpRequestUriInvalid)?
        }
        Place::Address(address) => ServerName::from(*address),
    };
    let connecting = TlsConnector::from(config).connect(name, stream).await;
    let stream = connecting.map_err(|error| failure::shaking_hands(&error))?;
    let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if agreed {
        second(stream, permit).await
    } else {
        first(stream, permit).await
    }
}

async fn first<S>(stream: S, permit: OwnedSemaphorePermit) -> Result<Sender, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = handshake.map_err(|error| failure::exchanging(&error))?;
    tokio::spawn(async move {
        // Its errors are those of the requests on it.
        let _ = connection.await;
        drop(permit);
    });
    Ok(Sender::One(sender))
}

async fn second<S>(stream: S, permit: OwnedSemaphorePermit) -> Result<Sender, HttpError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (stream, fault) = Watched::new(stream);
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = handshake.map_err(|error| failure::exchanging(&error))?;
    tokio::spawn(async move {
        let _ = connection.await;
        drop(permit);
    });
    Ok(Sender::Many(sender, Arc::new(()), fault))
}
