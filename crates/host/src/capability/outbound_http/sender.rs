//! One connection, as requests see it.

use std::sync::Arc;

use http::header::{HOST, HeaderValue};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use super::destination::Destination;
use super::failure;
use super::fault::Fault;

/// The sending side of a connection.
#[derive(Debug)]
pub(super) enum Sender {
    /// HTTP/1: one request at a time.
    One(http1::SendRequest<WasiBody>),
    /// HTTP/2: as many as the server takes. The token is held by each response that is on its way.
    Many(http2::SendRequest<WasiBody>, Arc<()>, Fault),
}

impl Sender {
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::One(sender) => sender.is_closed(),
            Self::Many(sender, ..) => sender.is_closed(),
        }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Many(_, token, _) => Arc::strong_count(token) == 1,
        }
    }

    /// Another handle to it, where there can be one.
    pub(super) fn share(&self) -> Option<Self> {
        match self {
            Self::One(_) => None,
            Self::Many(sender, token, fault) => {
                Some(Self::Many(sender.clone(), token.clone(), fault.clone()))
            }
        }
    }

    /// Sends a request, and waits for the head of its response.
    pub(super) async fn send(
        &mut self,
        request: Request<WasiBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<WasiBody>>> {
        match self {
            Self::One(sender) => sender.try_send_request(request).await,
            Self::Many(sender, ..) => sender.try_send_request(request).await,
        }
    }

    /// What to tell the guest of an error of this connection.
    pub(super) fn failure(&self, error: &hyper::Error) -> HttpError {
        match self {
            Self::Many(_, _, fault) if let Some(fault) = fault.get() => failure::securing(fault),
            _ => failure::exchanging(error),
        }
    }

    /// Gives a request the form that the connection's protocol wants, whatever form it had.
    ///
    /// The host is that of the destination: what the guest wrote as authority and as `Host` is not used.
    pub(super) fn shape(
        &self,
        request: &mut Request<WasiBody>,
        destination: &Destination,
    ) -> Result<(), HttpError> {
        let invalid = |_| HttpError::HttpRequestUriInvalid;
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        let authority = destination.authority();
        request.headers_mut().remove(HOST);
        let uri = Uri::builder().path_and_query(path);
        match self {
            Self::One(_) => {
                let host = HeaderValue::from_str(&authority)
                    .map_err(|_| HttpError::HttpRequestUriInvalid)?;
                request.headers_mut().insert(HOST, host);
                *request.uri_mut() = uri.build().map_err(invalid)?;
                *request.version_mut() = Version::HTTP_11;
            }
            Self::Many(..) => {
                let uri = uri.scheme(destination.scheme()).authority(authority);
                *request.uri_mut() = uri.build().map_err(invalid)?;
                *request.version_mut() = Version::HTTP_2;
            }
        }
        Ok(())
    }
}
