//! Whether a connection gets anywhere.
//!
//! hyper can limit how long a head takes, but allocates a timer for each request to do so, and knows nothing of clients
//! that do not read. So the socket is wrapped: [`Watched`] notes when bytes arrive and when they cannot leave, the
//! exchanges note when they begin and end, and the task of the connection compares that with its limits and keeps one
//! timer for everything.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// How long a connection may go without getting anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a head to its last; for the first head, from the beginning of the connection.
    pub(super) head: Duration,
    /// From a response to the next request, and for a client that does not read its response.
    pub(super) idle: Duration,
}

/// What a connection waits for in vain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Waiting {
    /// The head of a request of which something has arrived.
    Head,
    /// The next request.
    Request,
    /// A client that reads.
    Reader,
}

/// No moment.
const NEVER: u64 = u64::MAX;

/// The state of one connection, kept by its socket and its exchanges. Moments are microseconds since it was opened.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Whether bytes between exchanges begin a head: in HTTP/2 they may be anything.
    heads: AtomicBool,
    active: AtomicU32,
    served: AtomicBool,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    stuck_since: AtomicU64,
    unread: AtomicBool,
    /// Given back when neither the connection nor any of its exchanges is left.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Activity {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self::of(Some(permit))
    }

    /// Of a connection that somebody else looks after.
    pub(super) fn elsewhere() -> Self {
        Self::of(None)
    }

    fn of(permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            opened: Instant::now(),
            heads: AtomicBool::new(true),
            active: AtomicU32::new(0),
            served: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(NEVER),
            stuck_since: AtomicU64::new(NEVER),
            unread: AtomicBool::new(false),
            _permit: permit,
        }
    }

    /// From now on this is HTTP/2.
    pub(super) fn ignore_heads(&self) {
        self.heads.store(false, Ordering::Relaxed);
        self.head_since.store(NEVER, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(NEVER - 1)
    }

    fn moment(&self, micros: u64) -> Instant {
        self.opened + Duration::from_micros(micros)
    }

    /// An exchange begins.
    pub(super) fn begin(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.served.store(true, Ordering::Relaxed);
        self.head_since.store(NEVER, Ordering::Relaxed);
    }

    /// An exchange has ended.
    pub(super) fn end(&self) {
        self.idle_since.store(self.now(), Ordering::Relaxed);
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request body was left unread, so that the client may still be sending it.
    pub(super) fn left_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// When the connection was opened.
    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    fn arrived(&self) {
        let expected =
            self.heads.load(Ordering::Relaxed) && self.active.load(Ordering::Relaxed) == 0;
        if expected && self.head_since.load(Ordering::Relaxed) == NEVER {
            self.head_since.store(self.now(), Ordering::Relaxed);
        }
    }

    fn flows(&self) {
        if self.stuck_since.load(Ordering::Relaxed) != NEVER {
            self.stuck_since.store(NEVER, Ordering::Relaxed);
        }
    }

    fn stuck(&self) {
        if self.stuck_since.load(Ordering::Relaxed) == NEVER {
            self.stuck_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// When patience ends, and with what; `None` while a guest is at work.
    pub(super) fn limit(&self, patience: Patience) -> Option<(Instant, Waiting)> {
        let stuck_since = self.stuck_since.load(Ordering::Relaxed);
        if stuck_since != NEVER {
            return Some((self.moment(stuck_since) + patience.idle, Waiting::Reader));
        }
        if self.active.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let head_since = self.head_since.load(Ordering::Relaxed);
        let waiting = if head_since == NEVER {
            Waiting::Request
        } else {
            Waiting::Head
        };
        let limit = match waiting {
            _ if !self.served.load(Ordering::Relaxed) => self.opened + patience.head,
            Waiting::Head => self.moment(head_since) + patience.head,
            _ => self.moment(self.idle_since.load(Ordering::Relaxed)) + patience.idle,
        };
        Some((limit, waiting))
    }
}

/// A socket whose connection's activity is noted.
#[derive(Debug)]
pub(super) struct Watched<S> {
    socket: S,
    /// Bytes that were read to find out which protocol the client speaks.
    prefix: Bytes,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(socket: S, prefix: Bytes, activity: Arc<Activity>) -> Self {
        Self {
            socket,
            prefix,
            activity,
        }
    }

    pub(super) fn into_socket(self) -> S {
        self.socket
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if this.prefix.is_empty() {
            std::task::ready!(Pin::new(&mut this.socket).poll_read(cx, buffer))?;
        } else {
            let head = this
                .prefix
                .split_to(this.prefix.len().min(buffer.remaining()));
            buffer.put_slice(head.chunk());
        }
        if buffer.filled().len() > before {
            this.activity.arrived();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Watched<S> {
    fn note<T>(&self, polled: &Poll<T>) {
        match polled {
            Poll::Ready(_) => self.activity.flows(),
            Poll::Pending => self.activity.stuck(),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.note(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(cx);
        if polled.is_pending() {
            self.note(&polled);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.note(&polled);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Semaphore;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
    };

    fn activity() -> Arc<Activity> {
        Arc::new(Activity::new(
            Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        ))
    }

    fn left(activity: &Activity) -> Option<(Duration, Waiting)> {
        activity
            .limit(PATIENCE)
            .map(|(limit, waiting)| (limit - Instant::now(), waiting))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_must_come_soon_and_later_ones_may_be_waited_for() {
        let activity = activity();
        assert_eq!(left(&activity), Some((PATIENCE.head, Waiting::Request)));

        activity.arrived();
        assert_eq!(left(&activity), Some((PATIENCE.head, Waiting::Head)));
        activity.begin();
        assert_eq!(left(&activity), None);
        tokio::time::advance(Duration::from_secs(3)).await;
        activity.end();
        assert_eq!(left(&activity), Some((PATIENCE.idle, Waiting::Request)));

        tokio::time::advance(Duration::from_secs(3)).await;
        activity.arrived();
        tokio::time::advance(Duration::from_secs(1)).await;
        activity.arrived();
        assert_eq!(
            left(&activity),
            Some((Duration::from_secs(9), Waiting::Head))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http_2_are_no_heads() {
        let activity = activity();
        activity.ignore_heads();
        activity.begin();
        activity.end();

        activity.arrived();

        assert_eq!(left(&activity), Some((PATIENCE.idle, Waiting::Request)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_noticed_although_a_guest_is_at_work() {
        let activity = activity();
        let (mut client, server) = tokio::io::duplex(8);
        let mut watched = Watched::new(server, Bytes::new(), activity.clone());
        activity.begin();

        let writing =
            tokio::time::timeout(Duration::from_secs(1), watched.write_all(&[0; 16])).await;

        assert!(writing.is_err());
        assert_eq!(
            left(&activity),
            Some((Duration::from_secs(74), Waiting::Reader))
        );
        client.read_exact(&mut [0; 8]).await.unwrap();
        watched.write_all(&[0; 8]).await.unwrap();
        assert_eq!(left(&activity), None);
    }

    #[tokio::test]
    async fn what_was_read_ahead_is_read_again() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut watched = Watched::new(server, Bytes::from_static(b"first "), activity());
        client.write_all(b"second").await.unwrap();
        drop(client);

        let mut text = String::new();
        watched.read_to_string(&mut text).await.unwrap();

        assert_eq!(text, "first second");
    }
}
