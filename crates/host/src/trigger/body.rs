//! The bodies of an exchange, counted on their way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use super::activity::Activity;
use super::exchange::Exchange;
use super::respond::Respond;

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// What became of a request body, for the exchange that it belongs to.
#[derive(Debug)]
pub(super) struct Upload {
    received: AtomicU64,
    exceeded: AtomicBool,
    limit: AtomicU64,
}

impl Upload {
    fn new(limit: u64) -> Self {
        Self {
            received: AtomicU64::new(0),
            exceeded: AtomicBool::new(false),
            limit: AtomicU64::new(limit),
        }
    }

    /// From now on it may have so many bytes.
    pub(super) fn limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes that the guest took.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether there were more than allowed.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Ordering::Relaxed)
    }
}

/// A request body that ends with an error past its limit.
#[derive(Debug)]
struct RequestBody {
    inner: Incoming,
    ended: bool,
    upload: Arc<Upload>,
    activity: Arc<Activity>,
}

/// The body of a request as its guest gets it, and how to ask what became of it; an empty body has nothing to tell.
pub(super) fn request_body(
    inner: Incoming,
    limit: u64,
    activity: &Arc<Activity>,
) -> (WasiBody, Option<Arc<Upload>>) {
    if inner.is_end_stream() {
        // A value without a size: boxing it allocates nothing.
        return (
            Empty::new().map_err(|never| match never {}).boxed_unsync(),
            None,
        );
    }
    let upload = Arc::new(Upload::new(limit));
    // The connection is in use as long as somebody may read this body.
    activity.begin();
    let body = RequestBody {
        inner,
        ended: false,
        upload: upload.clone(),
        activity: activity.clone(),
    };
    (body.boxed_unsync(), Some(upload))
}

impl RequestBody {
    fn admit(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, HttpError> {
        let Some(data) = frame.data_ref() else {
            return Ok(frame);
        };
        let received = self.upload.received() + length(data);
        let limit = self.upload.limit.load(Ordering::Relaxed);
        if received > limit {
            self.upload.exceeded.store(true, Ordering::Relaxed);
            return Err(HttpError::HttpRequestBodySize(Some(limit)));
        }
        self.upload.received.store(received, Ordering::Relaxed);
        Ok(frame)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if self.upload.is_exceeded() {
            return Poll::Ready(None);
        }
        let polled = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(match polled {
            Some(Ok(frame)) => Some(self.admit(frame)),
            Some(Err(error)) => {
                self.ended = true;
                Some(Err(HttpError::Hyper(error)))
            }
            None => {
                self.ended = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            self.activity.left_unread();
        }
        self.activity.end();
    }
}

/// Where the bytes of an answer come from.
#[derive(Debug)]
pub(super) enum Content {
    /// A guest, while it runs.
    Guest(WasiBody),
    /// The host itself.
    Own(Bytes),
}

/// The body of an answer, which ends its exchange.
#[derive(Debug)]
pub(super) struct AnswerBody<R: Respond> {
    content: Content,
    /// Bytes that the head promised: hyper does not ask for anything beyond.
    promised: Option<u64>,
    /// Bytes that the component may send.
    limit: u64,
    exchange: Exchange<R>,
}

impl<R: Respond> AnswerBody<R> {
    pub(super) fn new(content: Content, promised: Option<u64>, exchange: Exchange<R>) -> Self {
        let mut body = Self {
            limit: exchange.response_limit(),
            content,
            promised,
            exchange,
        };
        if promised == Some(0) {
            body.exchange.complete();
        }
        body
    }

    /// Counts a piece of a guest's answer; whether it still may be sent.
    fn admit(&mut self, frame: &Frame<Bytes>) -> bool {
        let length = frame.data_ref().map_or(0, length);
        let guest = matches!(self.content, Content::Guest(_));
        !guest || self.exchange.sent(0).saturating_add(length) <= self.limit
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            let sent = self.exchange.sent(length(data));
            if self.promised.is_some_and(|promised| sent >= promised) {
                self.exchange.complete();
            }
        }
    }
}

impl<R: Respond> Body for AnswerBody<R> {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let polled = match &mut self.content {
            Content::Guest(body) => std::task::ready!(Pin::new(body).poll_frame(cx)),
            Content::Own(bytes) if bytes.is_empty() => None,
            Content::Own(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
        };
        match &polled {
            Some(Ok(frame)) if !self.admit(frame) => {
                self.exchange.response_exceeded();
                self.exchange.abort();
                // Nobody wants the guest any more.
                self.content = Content::Own(Bytes::new());
                let error = HttpError::HttpResponseBodySize(Some(self.limit));
                return Poll::Ready(Some(Err(error)));
            }
            Some(Ok(frame)) => self.count(frame),
            Some(Err(_)) => self.exchange.abort(),
            None => self.exchange.complete(),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Guest(body) => body.is_end_stream(),
            Content::Own(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Guest(body) => body.size_hint(),
            Content::Own(bytes) => SizeHint::with_exact(length(bytes)),
        }
    }
}

impl<R: Respond> Drop for AnswerBody<R> {
    fn drop(&mut self) {
        // hyper does not ask a body that says it has ended.
        if self.is_end_stream() {
            self.exchange.complete();
        }
    }
}
