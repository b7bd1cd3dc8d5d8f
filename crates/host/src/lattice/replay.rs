//! The body of a request that may have to be sent again: what has gone by is kept, as long as it is short.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// Bytes that are kept. They are not copied: they were read into memory in any case.
const LONGEST: usize = 64 << 10;

/// A body that can be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Replay(Arc<Mutex<Source>>);

#[derive(Debug)]
struct Source {
    body: WasiBody,
    /// What came from it so far.
    kept: VecDeque<Piece>,
    bytes: usize,
    /// Whether `kept` is all that came.
    whole: bool,
    ended: bool,
    length: SizeHint,
    /// Who reads it now: an attempt before that one gets nothing any more.
    attempt: usize,
}

#[derive(Clone, Debug)]
enum Piece {
    Data(Bytes),
    Trailers(http::HeaderMap),
}

impl Piece {
    fn of(frame: &Frame<Bytes>) -> Option<Self> {
        let data = frame.data_ref().cloned().map(Self::Data);
        data.or_else(|| frame.trailers_ref().cloned().map(Self::Trailers))
    }

    fn frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(bytes) => Frame::data(bytes),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

impl Replay {
    pub(super) fn new(body: WasiBody) -> Self {
        Self(Arc::new(Mutex::new(Source {
            length: body.size_hint(),
            ended: body.is_end_stream(),
            body,
            kept: VecDeque::new(),
            bytes: 0,
            whole: true,
            attempt: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it can be sent from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        self.lock().whole
    }

    /// The body from its beginning, for one attempt; those before get no more.
    pub(super) fn attempt(&self) -> WasiBody {
        let mut source = self.lock();
        source.attempt += 1;
        let number = source.attempt;
        drop(source);
        Attempt {
            source: self.clone(),
            number,
            next: 0,
        }
        .boxed_unsync()
    }
}

impl Source {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if !self.whole {
            return;
        }
        self.bytes += frame.data_ref().map_or(0, Bytes::len);
        match Piece::of(frame) {
            Some(piece) if self.bytes <= LONGEST => self.kept.push_back(piece),
            _ => {
                self.whole = false;
                self.kept = VecDeque::new();
            }
        }
    }
}

/// The body for one attempt.
#[derive(Debug)]
struct Attempt {
    source: Replay,
    number: usize,
    /// The piece to hand on next, of those that were kept.
    next: usize,
}

impl Body for Attempt {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let replay = self.source.clone();
        let mut source = replay.lock();
        if source.attempt != self.number {
            return Poll::Ready(Some(Err(HttpError::ConnectionTerminated)));
        }
        if let Some(piece) = source.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(piece.clone().frame())));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        let polled = std::task::ready!(Pin::new(&mut source.body).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                source.keep(frame);
                self.next += 1;
                source.ended = source.body.is_end_stream();
            }
            Some(Err(_)) => source.whole = false,
            None => source.ended = true,
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.lock();
        source.ended && source.kept.len() <= self.next
    }

    fn size_hint(&self) -> SizeHint {
        // Before the first frame, which is when it is asked for.
        self.source.lock().length
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn body(pieces: &[&'static [u8]]) -> WasiBody {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, HttpError>(Frame::data(Bytes::from_static(piece))))
            .collect();
        StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
    }

    async fn read(body: WasiBody) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn a_body_of_which_a_part_has_gone_is_sent_again_from_its_beginning() {
        let replay = Replay::new(body(&[b"one ", b"two ", b"three"]));
        let mut first = replay.attempt();
        first.frame().await.unwrap().unwrap();
        first.frame().await.unwrap().unwrap();

        assert!(replay.is_whole());
        assert_eq!(read(replay.attempt()).await, "one two three");
        assert_eq!(read(replay.attempt()).await, "one two three");
        assert!(first.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_long_body_cannot_be_sent_again_once_much_of_it_has_gone() {
        let long = Full::new(Bytes::from(vec![0; LONGEST + 1]));
        let replay = Replay::new(long.map_err(|never| match never {}).boxed_unsync());
        assert!(replay.is_whole());

        assert_eq!(read(replay.attempt()).await.len(), LONGEST + 1);

        assert!(!replay.is_whole());
    }

    #[tokio::test]
    async fn a_body_that_is_empty_says_so() {
        let replay = Replay::new(
            Full::new(Bytes::new())
                .map_err(|never| match never {})
                .boxed_unsync(),
        );

        assert!(replay.attempt().is_end_stream());
        assert_eq!(replay.attempt().size_hint().exact(), Some(0));
    }
}
