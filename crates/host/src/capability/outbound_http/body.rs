//! The body of a response, while it comes: bounded in length, and in the time between its pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error as HttpError;

use super::failure;

/// What a server sends.
#[derive(Debug)]
pub(super) struct Received {
    incoming: Incoming,
    limit: u64,
    left: u64,
    patience: Duration,
    /// Running while the guest waits for the next piece.
    waiting: Option<Pin<Box<Sleep>>>,
    ended: bool,
    /// Held while it comes: what shares a connection with others.
    _stream: Option<Arc<()>>,
}

impl Received {
    pub(super) fn new(
        incoming: Incoming,
        limit: u64,
        patience: Duration,
        stream: Option<Arc<()>>,
    ) -> Self {
        Self {
            incoming,
            limit,
            left: limit,
            patience,
            waiting: None,
            ended: false,
            _stream: stream,
        }
    }

    /// Takes a piece into account.
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, HttpError> {
        let length = frame.data_ref().map_or(0, Buf::remaining);
        let left = self
            .left
            .checked_sub(u64::try_from(length).unwrap_or(u64::MAX));
        match left {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(HttpError::HttpResponseBodySize(Some(self.limit))),
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => self.take(frame),
            Poll::Ready(Some(Err(error))) => Err(failure::exchanging(&error)),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                let until = Instant::now() + self.patience;
                let waiting = self
                    .waiting
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
                ready!(waiting.as_mut().poll(cx));
                Err(HttpError::ConnectionReadTimeout)
            }
        };
        self.waiting = None;
        self.ended = next.is_err();
        Poll::Ready(Some(next))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
