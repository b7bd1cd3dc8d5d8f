//! The life of an instance that serves several requests at once, as far as its end is concerned.
//!
//! A guest task cannot be cancelled by itself; only dropping the store stops it. So each request carries a [`Ticket`],
//! and each instance has a [`Life`] that looks at the tickets of its requests: the instance ends when all who wanted
//! something of it went away, or when the last deadline passed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::handler::{WorkerExpiration, WorkerStatus};

use wisp_wasi::Stopwatch;

use super::body::Failure;
use crate::errand::Errand;
use crate::telemetry::RequestId;

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const GONE: u8 = 2;

/// One request on its way through an instance.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) id: RequestId,
    pub(crate) deadline: Instant,
    pub(crate) errand: Errand,
    pub(crate) failure: Failure,
    state: AtomicU8,
    gone: Notify,
    life: OnceLock<Arc<Life>>,
}

impl Ticket {
    pub(crate) fn new((id, errand): (RequestId, Errand), deadline: Instant) -> Arc<Self> {
        Arc::new(Self {
            id,
            deadline,
            errand,
            failure: Failure::default(),
            state: AtomicU8::new(RUNNING),
            gone: Notify::new(),
            life: OnceLock::new(),
        })
    }

    /// The response was read to its end.
    pub(crate) fn done(&self) {
        self.leave(DONE);
    }

    /// Nobody waits for the response any more.
    pub(crate) fn give_up(&self) {
        self.leave(GONE);
        self.gone.notify_one();
    }

    fn leave(&self, state: u8) {
        let left = self
            .state
            .compare_exchange(RUNNING, state, Ordering::AcqRel, Ordering::Acquire);
        if left.is_ok()
            && let Some(life) = self.life.get()
        {
            life.waker.wake();
        }
    }

    /// Whether its instance was stopped for taking too much processor time.
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.life.get().is_some_and(|life| life.is_out_of_time())
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    /// Resolves when the request is not wanted any more or its deadline passed.
    pub(crate) async fn expired(self: Arc<Self>) {
        tokio::select! {
            () = self.gone.notified() => {}
            () = tokio::time::sleep_until(self.deadline) => {}
        }
    }
}

/// What decides when an instance ends.
///
/// A response may be a stream of another component, which passes through the store when no task of the guest is left. So
/// an instance of a component that is linked to others is not idle until its responses were read to their ends.
#[derive(Debug, Default)]
pub(crate) struct Life {
    linked: bool,
    watch: Arc<Stopwatch>,
    tickets: Mutex<Vec<Arc<Ticket>>>,
    unwanted: AtomicBool,
    idle: AtomicBool,
    waker: AtomicWaker,
}

enum Verdict {
    Over,
    Until(Instant),
}

impl Life {
    /// `linked` says whether the component is linked to others.
    pub(crate) fn new(linked: bool, watch: Arc<Stopwatch>) -> Self {
        Self {
            linked,
            watch,
            ..Self::default()
        }
    }

    /// Whether the component is linked to others.
    pub(crate) fn is_linked(&self) -> bool {
        self.linked
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Ticket>>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the instance was stopped for taking too much processor time.
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.watch.is_out()
    }

    /// A request begins in this instance, which may take so much processor time.
    pub(crate) fn begin(self: &Arc<Self>, ticket: &Arc<Ticket>, limit: Duration) {
        // A ticket begins once: nothing is lost when it already has a life.
        let _ = ticket.life.set(self.clone());
        let mut tickets = self.lock();
        tickets.retain(|ticket| ticket.state() != DONE);
        self.watch.begin(limit, tickets.is_empty());
        tickets.push(ticket.clone());
        self.idle.store(false, Ordering::Release);
    }

    /// Requests whose response is not yet read to its end.
    pub(crate) fn running(&self) -> usize {
        let tickets = self.lock();
        tickets
            .iter()
            .filter(|ticket| ticket.state() == RUNNING)
            .count()
    }

    /// Whether no request is in progress.
    pub(crate) fn is_idle(&self) -> bool {
        self.idle.load(Ordering::Acquire)
    }

    /// Asks an idle instance to end.
    pub(crate) fn retire(&self) {
        self.unwanted.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Requests whose response is still wanted and now will not come.
    pub(crate) fn lose(&self) -> Vec<Arc<Ticket>> {
        let mut lost = std::mem::take(&mut *self.lock());
        lost.retain(|ticket| ticket.state() == RUNNING);
        for ticket in &lost {
            ticket.failure.set();
        }
        lost
    }

    fn verdict(&self) -> Verdict {
        let tickets = self.lock();
        let running = tickets.iter().filter(|ticket| ticket.state() == RUNNING);
        if let Some(deadline) = running.map(|ticket| ticket.deadline).max() {
            return Verdict::Until(deadline);
        }
        match tickets.iter().map(|ticket| ticket.deadline).max() {
            // All responses were read; what the guest does after them may take until the last deadline.
            Some(deadline) if tickets.iter().all(|ticket| ticket.state() == DONE) => {
                Verdict::Until(deadline)
            }
            _ => Verdict::Over,
        }
    }
}

/// Ends an instance by its [`Life`]; polled outside of the guest's event loop, so that a busy guest cannot prevent it.
#[derive(Debug)]
pub(crate) struct Expiration {
    life: Arc<Life>,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Expiration {
    pub(crate) fn new(life: Arc<Life>, idle: Duration) -> Self {
        Self {
            life,
            idle,
            timer: Box::pin(tokio::time::sleep(idle)),
        }
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: std::time::Instant,
    ) -> Poll<()> {
        let this = self.get_mut();
        this.life.watch.pause();
        this.life.waker.register(cx.waker());
        let passing = this.life.linked && this.life.running() > 0;
        let idle = matches!(status, WorkerStatus::Idle) && !passing;
        this.life.idle.store(idle, Ordering::Release);
        let until = match status {
            WorkerStatus::Idle if passing => match this.life.verdict() {
                Verdict::Over => return Poll::Ready(()),
                Verdict::Until(deadline) => deadline,
            },
            WorkerStatus::Idle if this.life.unwanted.load(Ordering::Acquire) => {
                return Poll::Ready(());
            }
            WorkerStatus::Idle => Instant::from_std(start) + this.idle,
            WorkerStatus::Requests | WorkerStatus::PostReturn => match this.life.verdict() {
                Verdict::Over => return Poll::Ready(()),
                Verdict::Until(deadline) => deadline,
            },
        };
        if this.timer.deadline() != until {
            this.timer.as_mut().reset(until);
        }
        this.timer.as_mut().poll(cx)
    }
}
