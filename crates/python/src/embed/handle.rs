//! Handles of resources that a guest gave to Python.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use wisp_host::embed::{ResourceAny, TypeIndex, Value};

use super::call::{Finish, Produced, Work, start};
use super::instance::{PyFunction, PyInstance};

/// A handle; a resource's Python object has it as `_handle`.
#[pyclass(frozen, name = "Handle", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyHandle {
    resource: TypeIndex,
    instance: Py<PyInstance>,
    /// Empty when it was given away or dropped.
    held: Mutex<Option<ResourceAny>>,
}

impl PyHandle {
    pub(crate) fn new(held: ResourceAny, resource: TypeIndex, instance: Py<PyInstance>) -> Self {
        Self {
            resource,
            instance,
            held: Mutex::new(Some(held)),
        }
    }

    /// The handle that an object stands for.
    pub(crate) fn of<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, Self>> {
        let handle = object
            .getattr_opt(pyo3::intern!(object.py(), "_handle"))
            .ok()??;
        handle.cast_into().ok()
    }

    /// The handle as an argument; one that is given away is held no more.
    pub(crate) fn pass(&self, resource: TypeIndex, owned: bool) -> Result<Value, &'static str> {
        if resource != self.resource {
            return Err("this is a handle of another resource");
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = if owned { held.take() } else { *held };
        handle
            .map(Value::Resource)
            .ok_or("it was dropped or given away")
    }

    fn take(&self) -> Option<ResourceAny> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[pymethods]
impl PyHandle {
    /// Frees the resource in the guest; once is enough, twice is harmless.
    fn release(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let instance = self.instance.get();
        let work: Work = match self.take() {
            Some(handle) => {
                let released = instance.core().release(handle);
                Box::pin(async move { released.await.map(|_| Produced::Nothing) })
            }
            None => Box::pin(std::future::ready(Ok(Produced::Nothing))),
        };
        let blocking = instance.blocking();
        start(py, instance.ground(), work, Finish::Nothing, None, blocking)
    }

    /// A function of its instance.
    fn function(&self, py: Python<'_>, place: usize) -> PyResult<PyFunction> {
        PyInstance::function(self.instance.bind(py), place)
    }

    /// Whether its functions wait, or are awaited.
    #[getter]
    fn blocking(&self) -> bool {
        self.instance.get().blocking()
    }

    /// Whether it still is one.
    #[getter]
    fn held(&self) -> bool {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

impl Drop for PyHandle {
    fn drop(&mut self) {
        // Whoever forgot it does not wait for the guest: the runtime tells it.
        if let Some(handle) = self.take() {
            let instance = self.instance.get();
            if let Some(threads) = instance.ground().handle() {
                threads.spawn(instance.core().release(handle));
            }
        }
    }
}
