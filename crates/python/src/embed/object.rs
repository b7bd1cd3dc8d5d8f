//! Objects of Python's that a guest has handles of: of the classes that implement its imported resources.
//!
//! An object lives as long as the guest's handle. When that is dropped, or the instance ends, the object is closed where it was
//! given: on its event loop, or on the thread that ends it.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PySet};
use wisp_host::embed::{Given, TypeIndex, Value};

use super::imports::Asked;

/// An object that a guest has a handle of, or had.
pub(crate) struct Object {
    object: Py<PyAny>,
    /// Where it was given; nowhere without asyncio.
    asked: Option<Asked>,
}

impl Object {
    /// The object as a guest is given it: for good, or for the time of one call.
    pub(crate) fn give(
        object: &Bound<'_, PyAny>,
        resource: TypeIndex,
        owned: bool,
    ) -> PyResult<Value> {
        let asked = running_loop(object.py())?.map(|event_loop| Asked::on(&event_loop));
        let object = Self {
            object: object.clone().unbind(),
            asked: asked.transpose()?,
        };
        Ok(Value::Given(Given {
            object: Arc::new(object),
            ty: resource,
            owned,
        }))
    }

    /// The object that was given.
    pub(crate) fn of<'py>(py: Python<'py>, given: &Given) -> Option<Bound<'py, PyAny>> {
        let object = given.object.downcast_ref::<Self>()?;
        Some(object.object.bind(py).clone())
    }

    /// Closes the object where it was given.
    pub(crate) fn release(py: Python<'_>, given: &Given) {
        let Some(this) = given.object.downcast_ref::<Self>() else {
            return;
        };
        let object = this.object.bind(py);
        let closed = match &this.asked {
            None => close(object, None),
            Some(asked) => this.release_on(py, asked),
        };
        if let Err(error) = closed {
            error.write_unraisable(py, Some(object));
        }
    }

    fn release_on(&self, py: Python<'_>, asked: &Asked) -> PyResult<()> {
        let event_loop = asked.event_loop.bind(py);
        if running_loop(py)?.is_some_and(|running| running.is(event_loop)) {
            return close(self.object.bind(py), Some(event_loop));
        }
        let closing = PyClosing {
            object: self.object.clone_ref(py),
            event_loop: asked.event_loop.clone_ref(py),
        };
        match asked.call_soon(py, Bound::new(py, closing)?.as_any()) {
            Ok(()) => Ok(()),
            // The loop has ended before the guest.
            Err(_) => close(self.object.bind(py), None),
        }
    }
}

/// Lets an object close itself, if it knows how.
fn close(object: &Bound<'_, PyAny>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let py = object.py();
    let done = if let Some(close) = object.getattr_opt(pyo3::intern!(py, "close"))? {
        close.call0()?
    } else if let Some(leave) = object.getattr_opt(pyo3::intern!(py, "__exit__"))? {
        leave.call1((py.None(), py.None(), py.None()))?
    } else {
        return Ok(());
    };
    if !done.hasattr(pyo3::intern!(py, "__await__"))? {
        return Ok(());
    }
    let Some(event_loop) = event_loop else {
        drop(done.call_method0("close"));
        return Err(PyRuntimeError::new_err(
            "its `close` is an `async def`, and there is no event loop to run it on",
        ));
    };
    let task = ensure_future(&done, event_loop)?;
    let tasks = tasks(py)?;
    tasks.add(&task)?;
    task.call_method1("add_done_callback", (tasks.getattr("discard")?,))?;
    Ok(())
}

/// Tasks that close objects: loops hold their tasks only weakly.
fn tasks(py: Python<'_>) -> PyResult<&Bound<'_, PySet>> {
    static TASKS: PyOnceLock<Py<PySet>> = PyOnceLock::new();
    let made = TASKS.get_or_try_init(py, || PySet::empty(py).map(Bound::unbind))?;
    Ok(made.bind(py))
}

/// A task of the loop for something that can be awaited.
pub(crate) fn ensure_future<'py>(
    awaitable: &Bound<'py, PyAny>,
    event_loop: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    static ENSURE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = awaitable.py();
    let ensure = ENSURE.import(py, "asyncio", "ensure_future")?;
    let options = PyDict::new(py);
    options.set_item("loop", event_loop)?;
    ensure.call((awaitable,), Some(&options))
}

/// The loop that runs on this thread, if one does.
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let found = CURRENT
        .import(py, "asyncio", "_get_running_loop")?
        .call0()?;
    Ok((!found.is_none()).then_some(found))
}

/// An object on its way to the loop where it is closed.
#[pyclass(frozen, module = "wisp._core")]
struct PyClosing {
    object: Py<PyAny>,
    event_loop: Py<PyAny>,
}

#[pymethods]
impl PyClosing {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        close(self.object.bind(py), Some(self.event_loop.bind(py)))
    }
}
