//! The body of a response while its guest still runs.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// Told how a response body ended. Exactly one of the methods is called, once.
pub(crate) trait Ending: Send + Unpin + 'static {
    /// Every byte was handed on; what the guest still does is its own affair.
    fn complete(&mut self);
    /// The reader went away, or the body failed: the guest is not wanted any more.
    fn abandoned(&mut self);
}

/// Whether the guest's call failed, so that the end of its body is no end but a loss.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure(Arc<AtomicBool>);

impl Failure {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A response body that tells its guest's owner how it ended.
#[derive(Debug)]
pub(crate) struct GuestBody<E: Ending> {
    inner: WasiBody,
    failure: Failure,
    remaining: Option<u64>,
    ending: Option<E>,
}

impl<E: Ending> GuestBody<E> {
    /// Wraps the body of `response`; `wants_body` is false for HEAD, whose body nobody reads.
    pub(crate) fn wrap(
        response: http::Response<WasiBody>,
        failure: Failure,
        ending: E,
        wants_body: bool,
    ) -> http::Response<WasiBody> {
        let remaining = if wants_body {
            content_length(response.headers())
        } else {
            Some(0)
        };
        response.map(|inner| {
            Self {
                inner,
                failure,
                remaining,
                ending: Some(ending),
            }
            .boxed_unsync()
        })
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        if let (Some(remaining), Some(data)) = (self.remaining.as_mut(), frame.data_ref()) {
            *remaining = remaining.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
    }

    fn is_complete(&self) -> bool {
        self.remaining == Some(0) || self.inner.is_end_stream()
    }

    fn end(&mut self, complete: bool) {
        if let Some(mut ending) = self.ending.take() {
            if complete {
                ending.complete();
            } else {
                ending.abandoned();
            }
        }
    }
}

fn content_length(headers: &http::HeaderMap) -> Option<u64> {
    headers
        .get(http::header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

impl<E: Ending> Body for GuestBody<E> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.count(frame),
            Poll::Ready(Some(Err(_))) => self.end(false),
            // A guest that trapped or was stopped drops its end of the body, which looks like an ordinary end.
            Poll::Ready(None) if self.failure.is_set() => {
                self.end(false);
                return Poll::Ready(Some(Err(HttpError::HttpResponseIncomplete)));
            }
            Poll::Ready(None) => self.end(true),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<E: Ending> Drop for GuestBody<E> {
    fn drop(&mut self) {
        let complete = self.is_complete();
        self.end(complete);
    }
}
