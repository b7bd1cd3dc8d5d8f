//! Streams and futures between Python and a guest: Python's classes (`wisp.host.embed.streams`) read and write them through these.

use std::sync::Arc;
use std::task::{Context, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::sync::Mutex;
use wisp_host::embed::{Chunks, Fate, Feed, Given, Passage, Value, channel};

use super::call::{Finish, Produced, start};
use super::ground::Ground;
use super::lower::{Unfit, lower};
use super::object::running_loop;
use super::plan::Plan;

/// How streams of one type cross.
#[derive(Debug)]
pub(crate) struct Passing {
    /// What they carry in one go: a list for a stream, the value for a future.
    pub(crate) chunk: Arc<Plan>,
    pub(crate) wit: String,
    pub(crate) future: bool,
    /// `wisp.host.embed.streams`
    pub(crate) module: Py<PyAny>,
    pub(crate) ground: Arc<Ground>,
}

impl Passing {
    /// What Python gives, as a guest is given it: its items follow.
    pub(crate) fn give(self: &Arc<Self>, object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
        let py = object.py();
        let fate = Arc::new(Fate::default());
        let (feed, chunks) = channel(&fate);
        let feed = PyFeed {
            feed: Arc::new(Mutex::new(Some(feed))),
            fate,
            passing: self.clone(),
            blocking: running_loop(py)?.is_none(),
        };
        let word = if self.future { "feed_future" } else { "feed" };
        let module = self.module.bind(py);
        let taken = module.call_method1(word, (object, Bound::new(py, feed)?))?;
        if taken.is_truthy()? {
            Ok(Passage::give(chunks))
        } else {
            Err(super::lower::expected(&self.wit, object))
        }
    }

    /// What a guest gives, as Python sees it.
    pub(crate) fn take<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        given: &Given,
        blocking: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let chunks = Passage::take(given)
            .ok_or_else(|| PyRuntimeError::new_err("a stream was taken before"))?;
        let blocking = match blocking {
            Some(blocking) => blocking,
            None => running_loop(py)?.is_none(),
        };
        let chunks = PyChunks {
            chunks: Arc::new(Mutex::new(Some(chunks))),
            passing: self.clone(),
            blocking,
        };
        let word = if self.future { "future" } else { "stream" };
        let module = self.module.bind(py);
        module.call_method1(word, (Bound::new(py, chunks)?, blocking))
    }
}

/// Where the items of a stream come out.
#[pyclass(frozen, name = "Chunks", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyChunks {
    /// Empty when nobody wants more of them.
    chunks: Arc<Mutex<Option<Chunks>>>,
    passing: Arc<Passing>,
    blocking: bool,
}

#[pymethods]
impl PyChunks {
    /// The next items; None when there are no more.
    fn next(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let chunks = self.chunks.clone();
        let work = Box::pin(async move {
            let mut turn = chunks.lock().await;
            let next = match turn.as_mut() {
                Some(chunks) => chunks.next().await,
                None => None,
            };
            let next = next.map(|next| next.map_err(|error| error.to_string()));
            Ok(Produced::Chunk(next))
        });
        let finish = Finish::Chunk(self.passing.clone());
        start(py, &self.passing.ground, work, finish, None, self.blocking)
    }

    /// Says that nobody reads any more, which a guest that writes is told.
    fn close(&self) {
        // Whoever waits for an item goes on doing so.
        if let Ok(mut chunks) = self.chunks.try_lock() {
            drop(chunks.take());
        }
    }
}

/// Where the items of a stream go in.
#[pyclass(frozen, name = "Feed", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyFeed {
    feed: Arc<Mutex<Option<Feed>>>,
    fate: Arc<Fate>,
    passing: Arc<Passing>,
    blocking: bool,
}

impl PyFeed {
    fn lowered(&self, items: &Bound<'_, PyAny>) -> PyResult<Value> {
        lower(&self.passing.chunk, items).map_err(|unfit| unfit.raise(&self.passing.wit))
    }
}

#[pymethods]
impl PyFeed {
    /// Whether there is no event loop, so that `send` waits.
    #[getter]
    fn blocking(&self) -> bool {
        self.blocking
    }

    /// Whether it carries bytes.
    #[getter]
    fn bytes(&self) -> bool {
        matches!(*self.passing.chunk, Plan::Bytes)
    }

    /// Hands in the first items, which always are taken, and ends the stream.
    fn put(&self, items: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = self.lowered(items)?;
        if let Ok(mut slot) = self.feed.try_lock()
            && let Some(mut feed) = slot.take()
        {
            let mut context = Context::from_waker(Waker::noop());
            // The first list always has room.
            let _ = std::pin::pin!(feed.send(value)).as_mut().poll(&mut context);
        }
        Ok(())
    }

    /// Hands in items when those before were taken; False when nobody reads any more.
    fn send(&self, items: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let (value, feed) = (self.lowered(items)?, self.feed.clone());
        let work = Box::pin(async move {
            let mut turn = feed.lock().await;
            let read = match turn.as_mut() {
                Some(feed) => feed.send(value).await.is_ok(),
                None => false,
            };
            Ok(Produced::Read(read))
        });
        let ground = &self.passing.ground;
        start(items.py(), ground, work, Finish::Read, None, self.blocking)
    }

    /// Ends the stream, in order or because something went wrong.
    #[pyo3(signature = (fault=None))]
    fn close(&self, fault: Option<String>) {
        if let Some(fault) = fault {
            self.fate.lose(fault);
        }
        if let Ok(mut feed) = self.feed.try_lock() {
            drop(feed.take());
        }
    }
}
