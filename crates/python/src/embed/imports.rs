//! What a guest wants of Python: an answer to an import, or an object closed of which it dropped the handle.
//!
//! The guest asks on the thread that polls it and on its own stack, where no Python may run: so it asks by putting a request into the
//! thread's queue. Whoever polls looks there afterwards. A thread of Python answers itself when it has the interpreter again; a
//! thread of the runtime hands the requests to the event loop on which the call was made.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use wisp_host::embed::{Answer, Given, ImportPlace, Imports, Thrown, Value};

use super::attach::attached;
use super::object::Object;
use super::plan::Signature;
use super::question::{Outcome, Question, Running};

/// The event loop on which a call was made, and the context in which it was, as `contextvars` has it.
pub(crate) struct Asked {
    pub(crate) event_loop: Py<PyAny>,
    context: Py<PyAny>,
}

impl Asked {
    /// The context is that of this moment.
    pub(crate) fn on(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        static COPY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let copy = COPY.import(event_loop.py(), "contextvars", "copy_context")?;
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            context: copy.call0()?.unbind(),
        })
    }

    /// Lets the loop call something; an error when it is closed.
    pub(crate) fn call_soon(&self, py: Python<'_>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let options = PyDict::new(py);
        options.set_item("context", &self.context)?;
        let event_loop = self.event_loop.bind(py);
        event_loop.call_method("call_soon_threadsafe", (callback,), Some(&options))?;
        Ok(())
    }
}

/// Something that a guest wants.
enum Request {
    Answer(Question),
    Close(Given),
}

impl Request {
    /// Does it here; says whether a coroutine was started, whose answer comes later.
    fn fulfil(self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> bool {
        match self {
            Self::Answer(question) => question.answer(py, event_loop),
            Self::Close(object) => {
                Object::release(py, &object);
                false
            }
        }
    }
}

thread_local! {
    static POLLING: Cell<bool> = const { Cell::new(false) };
    static QUEUE: RefCell<VecDeque<Request>> = const { RefCell::new(VecDeque::new()) };
}

/// Polls a guest, whose requests stand in the queue afterwards.
pub(crate) fn polling<R>(poll: impl FnOnce() -> R) -> R {
    let before = POLLING.replace(true);
    let result = poll();
    POLLING.set(before);
    result
}

/// Whether the guest that this thread polled wants something of Python.
pub(crate) fn asked() -> bool {
    QUEUE.with_borrow(|queue| !queue.is_empty())
}

/// Does what was asked on this thread; says whether a coroutine was started, whose answer comes later.
pub(crate) fn answer_all(py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> bool {
    // A function of Python may call guests on this thread, which have requests of their own.
    let requests = QUEUE.take();
    let mut later = false;
    for request in requests {
        later |= request.fulfil(py, event_loop);
    }
    later
}

/// Lets the loop do what was asked on this thread; a loop that is closed never does, which the guest is told.
pub(crate) fn send_all(asked: &Asked) {
    let requests = QUEUE.take();
    if requests.is_empty() {
        return;
    }
    attached(|py| {
        for request in requests {
            let request = PyRequest {
                event_loop: asked.event_loop.clone_ref(py),
                request: Mutex::new(Some(request)),
            };
            let sent = Bound::new(py, request);
            drop(sent.and_then(|request| asked.call_soon(py, request.as_any())));
        }
    });
}

/// A function of Python with its plan.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) callable: Py<PyAny>,
    pub(crate) signature: Signature,
}

/// The functions that answer a component's imports, by the place of their interface.
#[derive(Debug)]
pub(crate) struct PyImports {
    pub(crate) interfaces: HashMap<usize, Vec<Arc<Import>>>,
    /// Where what has to attach to the interpreter runs when the guest's own stack is no place for it.
    pub(crate) threads: Handle,
}

impl Imports for PyImports {
    fn call(&self, place: ImportPlace, arguments: Vec<Value>) -> Answer {
        let found = self.interfaces.get(&place.interface);
        let found = found.and_then(|functions| functions.get(place.function));
        let Some(import) = found.cloned() else {
            return Box::pin(std::future::ready(Err(failed("the function is not there"))));
        };
        let (reply, answer) = oneshot::channel::<Outcome>();
        let waiting = Waiting {
            running: Arc::default(),
            threads: self.threads.clone(),
        };
        let question = Question {
            import,
            arguments,
            reply,
            running: waiting.running.clone(),
        };
        QUEUE.with_borrow_mut(|queue| queue.push_back(Request::Answer(question)));
        Box::pin(async move {
            let _waiting = waiting;
            let gone = |_| Err(failed("nobody answered: the event loop has ended"));
            answer.await.unwrap_or_else(gone)
        })
    }

    fn dropped(&self, object: Given) {
        if POLLING.get() {
            QUEUE.with_borrow_mut(|queue| queue.push_back(Request::Close(object)));
        } else {
            attached(|py| Object::release(py, &object));
        }
    }
}

fn failed(message: &'static str) -> Thrown {
    Thrown(Arc::new(PyRuntimeError::new_err(message)))
}

/// A guest that waits for an answer. When it does so no more, the coroutine that would have answered is cancelled.
struct Waiting {
    running: Arc<Mutex<Option<Running>>>,
    threads: Handle,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(running) = running {
            self.threads.spawn(async move {
                attached(|py| running.cancel(py));
            });
        }
    }
}

/// A request on its way to an event loop.
#[pyclass(frozen, module = "wisp._core")]
struct PyRequest {
    event_loop: Py<PyAny>,
    request: Mutex<Option<Request>>,
}

#[pymethods]
impl PyRequest {
    fn __call__(&self, py: Python<'_>) {
        let request = self
            .request
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(request) = request {
            request.fulfil(py, Some(self.event_loop.bind(py)));
        }
    }
}
