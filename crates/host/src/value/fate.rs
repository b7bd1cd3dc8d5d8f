//! How a call and its streams end: in order, or not.
//!
//! A guest that drops its end of a stream ends it in order. An end also goes when its store goes, because of a trap, a
//! deadline, or a caller that went away; who reads would take that for the end of the data. So the streams of one call
//! have a [`Fate`], which is lost when either store goes before its [`Ends`] were dropped. Whoever reads then learns
//! that there is no more, and why.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime::{AsContextMut, Result};

/// What becomes of a call and its streams; both sides hold it.
#[derive(Debug, Default)]
pub struct Fate {
    lost: OnceLock<String>,
    changed: Notify,
}

impl Fate {
    /// The streams will not be completed; only the first reason counts.
    pub fn lose(&self, reason: impl Into<String>) {
        if self.lost.set(reason.into()).is_ok() {
            self.changed.notify_waiters();
        }
    }

    /// Why the streams were not completed, if they were not.
    pub fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Waits until the streams are lost; for ever when they are not.
    pub async fn until_lost(&self) -> &str {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(reason) = self.lost() {
                return reason;
            }
            changed.await;
        }
    }
}

/// The ends of streams that one store holds for one call.
#[derive(Debug)]
pub struct Ends {
    pub(super) fate: Arc<Fate>,
    open: AtomicUsize,
    changed: Notify,
}

/// One end; the guest drops it, or its store does.
#[derive(Debug)]
pub(super) struct End(Arc<Ends>);

impl Drop for End {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

impl Ends {
    /// None yet.
    pub fn new(fate: &Arc<Fate>) -> Arc<Self> {
        Arc::new(Self {
            fate: fate.clone(),
            open: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    pub(super) fn end(self: &Arc<Self>) -> End {
        self.open.fetch_add(1, Ordering::AcqRel);
        End(self.clone())
    }

    fn are_open(&self) -> bool {
        self.open.load(Ordering::Acquire) > 0
    }

    /// Waits until all were dropped.
    pub async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if !self.are_open() {
                return;
            }
            changed.await;
        }
    }

    /// Makes the store lose the streams when it goes before they have ended. To be called once, when all ends are made;
    /// who sees the store go can do without and call [`Fate::lose`].
    pub fn watch<S>(self: &Arc<Self>, mut store: S) -> Result<()>
    where
        S: AsContextMut<Data: 'static>,
    {
        if self.are_open() {
            store
                .as_context_mut()
                .spawn(Watch(Departure(self.clone())))?;
        }
        Ok(())
    }
}

/// A task of the store, because Wasmtime drops tasks before it drops streams.
struct Watch(Departure);

impl<T: 'static> AccessorTask<T> for Watch {
    async fn run(self, _: &Accessor<T>) -> Result<()> {
        self.0.0.closed().await;
        Ok(())
    }
}

struct Departure(Arc<Ends>);

impl Drop for Departure {
    fn drop(&mut self) {
        if self.0.are_open() {
            self.0
                .fate
                .lose("the other side of a stream ended before the stream did");
        }
    }
}
