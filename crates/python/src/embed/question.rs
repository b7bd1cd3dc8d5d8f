//! A guest's call of an imported function, and the function of Python that answers.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::sync::oneshot;
use wisp_host::embed::{Thrown, Value};

use super::imports::Import;
use super::lift::lift;
use super::lower::lower;
use super::object::ensure_future;
use super::plan::{Returns, Signature};
use crate::error::GuestError;

pub(crate) type Outcome = Result<Option<Value>, Thrown>;

/// A coroutine that answers.
pub(crate) struct Running {
    task: Py<PyAny>,
    event_loop: Py<PyAny>,
}

impl Running {
    /// Cancels it, on its loop; a loop that is closed runs it no more.
    pub(crate) fn cancel(&self, py: Python<'_>) {
        let cancelled = self.task.getattr(py, "cancel").and_then(|cancel| {
            self.event_loop
                .call_method1(py, "call_soon_threadsafe", (cancel,))
        });
        drop(cancelled);
    }
}

/// A call of a function of Python that has not been answered.
pub(crate) struct Question {
    pub(crate) import: Arc<Import>,
    pub(crate) arguments: Vec<Value>,
    pub(crate) reply: oneshot::Sender<Outcome>,
    /// The coroutine, once it runs.
    pub(crate) running: Arc<Mutex<Option<Running>>>,
}

/// What comes of asking.
enum Said {
    Now(Option<Value>),
    Later(Running),
}

impl Question {
    /// Calls the function; says whether its answer comes later.
    pub(crate) fn answer(self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> bool {
        let Self {
            import,
            arguments,
            reply,
            running,
        } = self;
        if reply.is_closed() {
            // The call was cancelled while the question was on its way.
            return false;
        }
        match ask(py, &import, arguments, event_loop) {
            Ok(Said::Now(value)) => drop(reply.send(Ok(value))),
            Ok(Said::Later(started)) => {
                let callback = PyReply {
                    import,
                    reply: Mutex::new(Some(reply)),
                    running: running.clone(),
                };
                return wait_for(py, started, callback, &running).is_ok();
            }
            Err(error) => drop(reply.send(refused(py, &import.signature, error))),
        }
        false
    }
}

fn wait_for(
    py: Python<'_>,
    started: Running,
    callback: PyReply,
    running: &Mutex<Option<Running>>,
) -> PyResult<()> {
    let task = started.task.clone_ref(py);
    *running.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
    if callback.abandoned() {
        // The call was cancelled while the coroutine was being started, and nobody else knows of it.
        let started = running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(started) = started {
            started.cancel(py);
        }
    }
    task.call_method1(py, "add_done_callback", (callback,))?;
    Ok(())
}

fn ask(
    py: Python<'_>,
    import: &Import,
    arguments: Vec<Value>,
    event_loop: Option<&Bound<'_, PyAny>>,
) -> PyResult<Said> {
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
    let task = ensure_future(&result, event_loop)?;
    Ok(Said::Later(Running {
        task: task.unbind(),
        event_loop: event_loop.clone().unbind(),
    }))
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

/// Takes the answer of a coroutine.
#[pyclass(frozen, module = "wisp._core")]
struct PyReply {
    import: Arc<Import>,
    reply: Mutex<Option<oneshot::Sender<Outcome>>>,
    running: Arc<Mutex<Option<Running>>>,
}

impl PyReply {
    /// Whether nobody waits for the answer any more.
    fn abandoned(&self) -> bool {
        let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner);
        reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

#[pymethods]
impl PyReply {
    fn __call__(&self, py: Python<'_>, task: &Bound<'_, PyAny>) {
        drop(
            self.running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
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
