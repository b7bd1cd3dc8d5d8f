//! Who may run: a bounded number of requests in progress, a bounded number that wait, and for a bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::slots::Waiting;

/// The admission of one component in one worker.
#[derive(Debug)]
pub(crate) struct Admission {
    permits: Arc<Semaphore>,
    concurrency: u32,
    queue: u32,
    patience: Duration,
    waiting: AtomicU32,
}

/// The right to run one request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// Too many requests are waiting, or this one waited for too long.
#[derive(Debug)]
pub(crate) struct Refused;

impl Admission {
    pub(crate) fn new(concurrency: u32, queue: u32, patience: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(
            usize::try_from(concurrency).unwrap_or(Semaphore::MAX_PERMITS),
        ));
        Self {
            permits,
            concurrency,
            queue,
            patience,
            waiting: AtomicU32::new(0),
        }
    }

    /// Waits for a permit in the order of arrival, at most until `deadline`.
    pub(crate) async fn admit(&self, deadline: Instant) -> Result<Permit, Refused> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(Permit { _permit: permit });
        }
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if waiting >= self.queue {
            return Err(Refused);
        }
        let until = deadline.min(Instant::now() + self.patience);
        match tokio::time::timeout_at(until, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Permit { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(Refused),
        }
    }

    /// Requests in progress.
    pub(crate) fn active(&self) -> u32 {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        self.concurrency.saturating_sub(free)
    }

    /// Requests that wait.
    pub(crate) fn queued(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_past_the_queue_is_refused_at_once() {
        let admission = Admission::new(1, 0, Duration::from_secs(5));
        let first = admission.admit(soon()).await.unwrap();

        let start = Instant::now();
        assert!(admission.admit(soon()).await.is_err());

        assert_eq!(start, Instant::now());
        assert_eq!((admission.active(), admission.queued()), (1, 0));
        drop(first);
        assert!(admission.admit(soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_request_is_refused_when_its_patience_or_its_deadline_ends() {
        let admission = Admission::new(1, 10, Duration::from_secs(5));
        let _first = admission.admit(soon()).await.unwrap();

        let start = Instant::now();
        assert!(admission.admit(soon()).await.is_err());
        assert_eq!(start.elapsed(), Duration::from_secs(5));

        let start = Instant::now();
        assert!(
            admission
                .admit(start + Duration::from_secs(1))
                .await
                .is_err()
        );
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert_eq!(admission.queued(), 0);
    }

    #[tokio::test]
    async fn a_waiting_request_goes_on_when_another_ends() {
        let admission = Arc::new(Admission::new(1, 1, Duration::from_mins(1)));
        let first = admission.admit(soon()).await.unwrap();
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { admission.admit(soon()).await.is_ok() }
        });
        while admission.queued() == 0 {
            tokio::task::yield_now().await;
        }

        drop(first);

        assert!(waiting.await.unwrap());
    }
}
