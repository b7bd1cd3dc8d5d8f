//! The connections of one component in this worker: those that wait for a request, and how many there may be.
//!
//! A connection holds a permit from its beginning to its end. When there is none left, the connection that was unused for longest is
//! closed, and who waits takes whatever comes first: a connection to the same server that was given back, or a permit. A connection of
//! HTTP/1 is in the pool while nobody uses it, one of HTTP/2 from its beginning to its end.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use super::destination::Destination;
use super::sender::Sender;

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);
/// How often connections that were unused for that long are looked for, while there are any.
const ROUND: Duration = Duration::from_secs(5);

/// Which requests may share a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Key {
    pub(super) destination: Destination,
    /// Which of the component's identities; plain connections have none.
    pub(super) identity: usize,
}

#[derive(Debug)]
struct Kept {
    key: Key,
    sender: Sender,
    since: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    /// In the order in which they were last used.
    kept: Vec<Kept>,
    /// Whether somebody looks for unused ones.
    watched: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct ConnectionPool {
    inner: Mutex<Inner>,
    permits: Arc<Semaphore>,
    /// Told when a connection was given back.
    given_back: Notify,
}

/// What a request gets to go on with.
pub(super) enum Turn {
    /// A connection that was used before.
    Kept(Sender),
    /// The right to make one.
    Permit(OwnedSemaphorePermit),
}

impl ConnectionPool {
    pub(super) fn new(permits: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            permits,
            given_back: Notify::new(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to use, or the permit for one, before the deadline.
    pub(super) async fn turn(&self, key: &Key, deadline: Instant) -> Result<Turn, HttpError> {
        loop {
            let mut given_back = std::pin::pin!(self.given_back.notified());
            given_back.as_mut().enable();
            if let Some(sender) = self.take(key) {
                return Ok(Turn::Kept(sender));
            }
            if let Ok(permit) = self.permits.clone().try_acquire_owned() {
                return Ok(Turn::Permit(permit));
            }
            self.close_one();
            let permit = async {
                tokio::select! {
                    permit = self.permits.clone().acquire_owned() => permit.ok(),
                    () = given_back => None,
                }
            };
            match timeout_at(deadline, permit).await {
                Ok(Some(permit)) => return Ok(Turn::Permit(permit)),
                Ok(None) => {}
                Err(_) => return Err(HttpError::ConnectionLimitReached),
            }
        }
    }

    /// The one that was used last: the others may end.
    fn take(&self, key: &Key) -> Option<Sender> {
        let mut inner = self.lock();
        inner.kept.retain(|kept| !kept.sender.is_closed());
        let place = inner.kept.iter().rposition(|kept| kept.key == *key)?;
        let kept = inner.kept.get_mut(place)?;
        if let Some(shared) = kept.sender.share() {
            kept.since = Instant::now();
            return Some(shared);
        }
        Some(inner.kept.remove(place).sender)
    }

    /// Closes the one that was unused for longest; its permit comes back with its end.
    fn close_one(&self) {
        let mut inner = self.lock();
        let place = inner.kept.iter().position(|kept| kept.sender.is_idle());
        let closed = place.map(|place| inner.kept.remove(place));
        drop(inner);
        drop(closed);
    }

    /// Keeps a connection for others.
    pub(super) fn keep(self: &Arc<Self>, key: Key, sender: Sender) {
        let since = Instant::now();
        let mut inner = self.lock();
        inner.kept.push(Kept { key, sender, since });
        let unwatched = !std::mem::replace(&mut inner.watched, true);
        drop(inner);
        if unwatched {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
        self.given_back.notify_waiters();
    }

    /// Gives a connection of HTTP/1 back as soon as its request and its response are through.
    pub(super) fn give_back(
        self: &Arc<Self>,
        key: Key,
        mut sender: hyper::client::conn::http1::SendRequest<WasiBody>,
    ) {
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            if sender.ready().await.is_ok()
                && let Some(pool) = pool.upgrade()
            {
                pool.keep(key, Sender::One(sender));
            }
        });
    }

    /// Drops what was unused for too long; says whether anything is left.
    fn retire(&self) -> bool {
        let mut inner = self.lock();
        let (old, kept) = std::mem::take(&mut inner.kept)
            .into_iter()
            .partition(|kept| kept.sender.is_idle() && kept.since.elapsed() >= IDLE);
        inner.kept = kept;
        inner.watched = !inner.kept.is_empty();
        let watched = inner.watched;
        drop(inner);
        drop::<Vec<Kept>>(old);
        watched
    }
}

async fn watch(pool: Weak<ConnectionPool>) {
    loop {
        tokio::time::sleep(ROUND).await;
        if !pool.upgrade().is_some_and(|pool| pool.retire()) {
            return;
        }
    }
}
