//! How a host ends: it drains, then it closes.
//!
//! Draining means that nothing new is accepted, that every answer asks its client to come back on another connection,
//! and that idle connections are closed. What is still in progress at the deadline is cut. The latch only ever moves
//! forward, so that everybody who looks at it at any time reaches the same conclusion.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How far the end of a host has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// It serves.
    Running,
    /// It finishes what was accepted, until the deadline.
    Draining {
        /// When it began.
        since: Instant,
        /// When what is left is cut.
        deadline: Instant,
    },
    /// Everything is dropped at once.
    Closed,
}

/// A latch that many tasks wait for. Clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    phase: Arc<watch::Sender<Phase>>,
    accepting: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A latch that nobody has moved yet.
    pub fn new() -> Self {
        Self {
            phase: Arc::new(watch::Sender::new(Phase::Running)),
            accepting: Arc::new(watch::Sender::new(true)),
        }
    }

    /// Begins to drain. A second call can only bring the deadline nearer.
    pub fn drain(&self, timeout: Duration) {
        let now = Instant::now();
        let sooner = now + timeout;
        self.phase.send_if_modified(|phase| {
            let next = match *phase {
                Phase::Running => Phase::Draining {
                    since: now,
                    deadline: sooner,
                },
                Phase::Draining { since, deadline } => Phase::Draining {
                    since,
                    deadline: deadline.min(sooner),
                },
                Phase::Closed => Phase::Closed,
            };
            std::mem::replace(phase, next) != next
        });
    }

    /// Cuts everything that is still in progress.
    pub fn close(&self) {
        self.phase
            .send_if_modified(|phase| std::mem::replace(phase, Phase::Closed) != Phase::Closed);
    }

    /// Says that from now on no new connection is taken: what comes to the socket is for others.
    pub(crate) fn stopped_accepting(&self) {
        self.accepting.send_replace(false);
    }

    /// Waits until no new connection is taken any more, which is a moment after the drain was ordered.
    pub async fn no_longer_accepting(&self) {
        // The sender lives in `self`, so that this can only end by the value.
        let _ = self.accepting.subscribe().wait_for(|on| !on).await;
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether answers should ask their clients to leave.
    pub fn is_ending(&self) -> bool {
        self.phase() != Phase::Running
    }

    /// Waits until the host no longer simply runs.
    pub async fn begun(&self) {
        let mut phases = self.phase.subscribe();
        // The sender lives in `self`, so that this can only end by the phase.
        let _ = phases.wait_for(|phase| *phase != Phase::Running).await;
    }

    /// Waits until nothing may go on: the deadline has passed, or the host was closed.
    pub async fn over(&self) {
        let mut phases = self.phase.subscribe();
        loop {
            let phase = *phases.borrow_and_update();
            match phase {
                Phase::Running => {
                    let _ = phases.changed().await;
                }
                Phase::Draining { deadline, .. } => tokio::select! {
                    () = tokio::time::sleep_until(deadline) => return,
                    _ = phases.changed() => {}
                },
                Phase::Closed => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_is_over_at_its_deadline_and_a_second_order_can_only_shorten_it() {
        let shutdown = Shutdown::new();
        let start = Instant::now();

        shutdown.drain(Duration::from_secs(10));
        shutdown.drain(Duration::from_mins(1));
        shutdown.begun().await;
        shutdown.over().await;

        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_a_drain_at_once() {
        let shutdown = Shutdown::new();
        let start = Instant::now();
        shutdown.drain(Duration::from_secs(10));
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.over().await }
        });
        tokio::task::yield_now().await;

        shutdown.close();
        shutdown.drain(Duration::from_secs(10));
        waiting.await.unwrap();

        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(shutdown.phase(), Phase::Closed);
    }

    #[tokio::test]
    async fn nothing_is_ending_while_the_host_runs() {
        let shutdown = Shutdown::new();

        assert!(!shutdown.is_ending());
        assert_eq!(shutdown.phase(), Phase::Running);
    }
}
