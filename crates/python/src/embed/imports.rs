//! Functions of Python that answer a guest's imports.
//!
//! The guest asks on the thread that polls it, and waits. A thread of Python that polls takes the question itself, when it has the
//! interpreter again; a thread of the runtime hands it to the caller's event loop.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use tokio::sync::oneshot;
use wisp_host::embed::{Answer, Companion, ImportPlace, Imports, Thrown, TypeIndex, Value};

use super::lift::lift;
use super::lower::lower;
use super::plan::{Returns, Signature};
use crate::error::GuestError;

/// Who polls the guest.
#[derive(Clone)]
pub(crate) enum Caller {
    /// A thread of Python, which looks into its queue afterwards.
    Here,
    /// A thread of the runtime, for a call that was made on an event loop.
    Loop(Arc<Asked>),
}

/// The event loop on which a call was made, and the context in which it was, as `contextvars` has it.
pub(crate) struct Asked {
    event_loop: Py<PyAny>,
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
}

thread_local! {
    static CALLER: RefCell<Option<Caller>> = const { RefCell::new(None) };
    static QUEUE: RefCell<VecDeque<Question>> = const { RefCell::new(VecDeque::new()) };
}

/// Polls a guest on behalf of a caller.
pub(crate) fn calling<R>(caller: Caller, poll: impl FnOnce() -> R) -> R {
    let before = CALLER.replace(Some(caller));
    let result = poll();
    CALLER.set(before);
    result
}

/// Whether the guest that this thread polled waits for Python.
pub(crate) fn asked() -> bool {
    QUEUE.with_borrow(|queue| !queue.is_empty())
}

/// Answers what was asked on this thread; says whether a coroutine was started, whose answer comes later.
pub(crate) fn answer_all(py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> bool {
    let mut later = false;
    while let Some(question) = QUEUE.with_borrow_mut(VecDeque::pop_front) {
        later |= question.answer(py, event_loop);
    }
    later
}

/// A function of Python with its plan.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) callable: Py<PyAny>,
    pub(crate) signature: Signature,
}

/// The functions that answer a component's imports, by the place of their interface.
#[derive(Debug, Default)]
pub(crate) struct PyImports {
    pub(crate) interfaces: HashMap<usize, Vec<Arc<Import>>>,
}

type Outcome = Result<Option<Value>, Thrown>;

impl Imports for PyImports {
    fn call(&self, _: Companion, place: ImportPlace, arguments: Vec<Value>) -> Answer {
        let found = self.interfaces.get(&place.interface);
        let found = found.and_then(|functions| functions.get(place.function));
        let Some(import) = found.cloned() else {
            return Box::pin(std::future::ready(Err(failed("the function is not there"))));
        };
        let (reply, answer) = oneshot::channel();
        let question = Question {
            import,
            arguments,
            reply,
        };
        match CALLER.with_borrow(Clone::clone) {
            Some(Caller::Loop(asked)) => question.send(&asked),
            Some(Caller::Here) => QUEUE.with_borrow_mut(|queue| queue.push_back(question)),
            None => drop(question),
        }
        Box::pin(async move {
            let gone = |_| Err(failed("nobody answered: the event loop has ended"));
            answer.await.unwrap_or_else(gone)
        })
    }

    fn dropped(&self, _: Companion, _: TypeIndex, _: u32) {}
}

fn failed(message: &'static str) -> Thrown {
    Thrown(Arc::new(PyRuntimeError::new_err(message)))
}

/// A call of a function of Python that has not been answered.
struct Question {
    import: Arc<Import>,
    arguments: Vec<Value>,
    reply: oneshot::Sender<Outcome>,
}

/// What comes of asking.
enum Said {
    Now(Option<Value>),
    Later(Py<PyAny>),
}

impl Question {
    /// Lets the loop answer; a loop that is closed never does, which the guest is told.
    fn send(self, asked: &Asked) {
        Python::try_attach(|py| {
            let event_loop = asked.event_loop.bind(py);
            let callback = PyQuestion {
                event_loop: asked.event_loop.clone_ref(py),
                question: Mutex::new(Some(self)),
            };
            let options = pyo3::types::PyDict::new(py);
            let sent = options.set_item("context", &asked.context).and_then(|()| {
                event_loop.call_method("call_soon_threadsafe", (callback,), Some(&options))
            });
            drop(sent);
        });
    }

    /// Calls the function; says whether its answer comes later.
    fn answer(self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> bool {
        let Self {
            import,
            arguments,
            reply,
        } = self;
        match ask(py, &import, arguments, event_loop) {
            Ok(Said::Now(value)) => drop(reply.send(Ok(value))),
            Ok(Said::Later(task)) => {
                let callback = PyReply {
                    import,
                    reply: Mutex::new(Some(reply)),
                };
                let added = task.call_method1(py, "add_done_callback", (callback,));
                return added.is_ok();
            }
            Err(error) => drop(reply.send(refused(py, &import.signature, error))),
        }
        false
    }
}

fn ask(
    py: Python<'_>,
    import: &Import,
    arguments: Vec<Value>,
    event_loop: Option<&Bound<'_, PyAny>>,
) -> PyResult<Said> {
    static ENSURE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let mut objects = Vec::with_capacity(arguments.len());
    for (parameter, value) in import.signature.parameters.iter().zip(arguments) {
        objects.push(lift(py, &parameter.plan, value, None)?);
    }
    let result = import.callable.bind(py).call1(PyTuple::new(py, objects)?)?;
    if !result.hasattr(pyo3::intern!(py, "__await__"))? {
        return answer_of(&import.signature, &result).map(Said::Now);
    }
    let Some(event_loop) = event_loop else {
        drop(result.call_method0("close"));
        return Err(PyRuntimeError::new_err(format!(
            "`{}` is an `async def`, and wisp.sync has no event loop to run it on; make it a plain function, or use wisp.Host",
            import.signature.name
        )));
    };
    let ensure = ENSURE.import(py, "asyncio", "ensure_future")?;
    let options = pyo3::types::PyDict::new(py);
    options.set_item("loop", event_loop)?;
    let task = ensure.call((result,), Some(&options))?;
    Ok(Said::Later(task.unbind()))
}

/// What the function returned, as the guest wants it.
fn answer_of(signature: &Signature, object: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    let lowered = match &signature.returns {
        Returns::Nothing => return Ok(None),
        Returns::Value(plan) => lower(plan, object),
        Returns::Fallible { ok: None, .. } => Ok(Value::Result(Ok(None))),
        Returns::Fallible { ok: Some(plan), .. } => {
            lower(plan, object).map(|value| Value::Result(Ok(Some(Box::new(value)))))
        }
    };
    lowered
        .map(Some)
        .map_err(|unfit| unfit.raise(&format!("the result of {}", signature.name)))
}

/// What the function raised: the error of its result where it has one, else the end of the guest.
fn refused(py: Python<'_>, signature: &Signature, error: PyErr) -> Outcome {
    let Returns::Fallible { err, .. } = &signature.returns else {
        return Err(Thrown(Arc::new(error)));
    };
    if !error.is_instance_of::<GuestError>(py) {
        return Err(Thrown(Arc::new(error)));
    }
    let Some(plan) = err else {
        return Ok(Some(Value::Result(Err(None))));
    };
    let value = error.value(py).getattr("value");
    let lowered = value.and_then(|value| {
        lower(plan, &value)
            .map_err(|unfit| unfit.raise(&format!("the error of {}", signature.name)))
    });
    match lowered {
        Ok(value) => Ok(Some(Value::Result(Err(Some(Box::new(value)))))),
        Err(error) => Err(Thrown(Arc::new(error))),
    }
}

/// A question on its way to an event loop.
#[pyclass(frozen, module = "wisp._core")]
struct PyQuestion {
    event_loop: Py<PyAny>,
    question: Mutex<Option<Question>>,
}

#[pymethods]
impl PyQuestion {
    fn __call__(&self, py: Python<'_>) {
        let question = self
            .question
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(question) = question {
            question.answer(py, Some(self.event_loop.bind(py)));
        }
    }
}

/// Takes the answer of a coroutine.
#[pyclass(frozen, module = "wisp._core")]
struct PyReply {
    import: Arc<Import>,
    reply: Mutex<Option<oneshot::Sender<Outcome>>>,
}

#[pymethods]
impl PyReply {
    fn __call__(&self, py: Python<'_>, task: &Bound<'_, PyAny>) {
        let reply = self
            .reply
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(reply) = reply else {
            return;
        };
        let signature = &self.import.signature;
        let answer = task
            .call_method0("result")
            .and_then(|result| answer_of(signature, &result));
        drop(reply.send(match answer {
            Ok(value) => Ok(value),
            Err(error) => refused(py, signature, error),
        }));
    }
}
