//! Instances and their functions.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::{PyDict, PyTuple};
use wisp_host::embed::{Born, Instance};

use super::call::{Finish, Produced, drive, start};
use super::ground::Ground;
use super::imports::Asked;
use super::lower::arguments;
use super::object::running_loop;
use super::plan::{Returns, Signature};
use crate::error::{GuestError, HostError, TypeMismatch};

/// An instance that is being made.
pub(crate) struct Birth {
    pub(crate) ground: Arc<Ground>,
    pub(crate) functions: Arc<Vec<Exported>>,
    pub(crate) blocking: bool,
}

impl Birth {
    pub(crate) fn finish(self, py: Python<'_>, born: Born) -> PyResult<Py<PyAny>> {
        let Born { instance, driver } = born;
        if let Some(driver) = driver {
            let event_loop = running_loop(py)?.filter(|_| !self.blocking);
            let asked = event_loop.map(|event_loop| Asked::on(&event_loop));
            drive(self.ground.check()?, driver, asked.transpose()?);
        }
        let instance = PyInstance {
            instance,
            ground: self.ground,
            functions: self.functions,
            blocking: self.blocking,
        };
        Ok(Bound::new(py, instance)?.into_any().unbind())
    }
}

/// A function that all instances of a component have.
#[derive(Debug)]
pub(crate) struct Exported {
    pub(crate) signature: Arc<Signature>,
    /// Whether it took long the last time.
    pub(crate) slow: Arc<AtomicBool>,
}

/// An instance of a component.
#[pyclass(frozen, name = "Instance", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyInstance {
    instance: Instance,
    ground: Arc<Ground>,
    functions: Arc<Vec<Exported>>,
    /// Whether its functions wait, or give coroutines.
    blocking: bool,
}

impl PyInstance {
    pub(crate) fn blocking(&self) -> bool {
        self.blocking
    }

    pub(crate) fn core(&self) -> &Instance {
        &self.instance
    }

    pub(crate) fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }
}

#[pymethods]
impl PyInstance {
    /// A function by its place among all exported ones.
    pub(crate) fn function(slf: &Bound<'_, Self>, place: usize) -> PyResult<PyFunction> {
        let exported = slf.get().functions.get(place);
        let exported = exported.ok_or_else(|| HostError::new_err("there is no such function"))?;
        Ok(PyFunction {
            place,
            signature: exported.signature.clone(),
            slow: exported.slow.clone(),
            instance: slf.clone().unbind(),
        })
    }

    /// Ends the instance; a call that is in progress ends with it. Closing twice is harmless.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.instance.close("it was closed"));
    }

    /// Why it ended, if it did.
    #[getter]
    fn ended(&self) -> Option<String> {
        self.instance.ended().map(str::to_owned)
    }

    /// The end of what the guest wrote to its standard error.
    #[getter]
    fn stderr(&self) -> String {
        self.instance.stderr()
    }
}

impl Drop for PyInstance {
    fn drop(&mut self) {
        // To unmap a guest's memory takes a while; the collector may be on the thread of an event loop.
        let instance = self.instance.clone();
        if let Some(threads) = self.ground.handle() {
            threads.spawn_blocking(move || instance.close("nobody held it any more"));
        }
    }
}

/// An exported function of an instance.
#[pyclass(frozen, name = "Function", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyFunction {
    place: usize,
    signature: Arc<Signature>,
    slow: Arc<AtomicBool>,
    instance: Py<PyInstance>,
}

#[pymethods]
impl PyFunction {
    /// The exception that it raises when its result is an error.
    #[getter]
    fn error(&self, py: Python<'_>) -> Py<PyAny> {
        match &self.signature.returns {
            Returns::Fallible { exception, .. } => exception.clone_ref(py),
            _ => GuestError::type_object(py).into_any().unbind(),
        }
    }

    #[pyo3(signature = (*given, **named))]
    fn __call__(
        &self,
        py: Python<'_>,
        given: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        if let Some(what) = &self.signature.refused {
            return Err(TypeMismatch::new_err(format!(
                "{}: a {what} cannot cross between a guest and Python",
                self.signature.name
            )));
        }
        let values = arguments(&self.signature, given, named)?;
        let instance = self.instance.get();
        let called = instance.instance.call(self.place, values);
        let work = async move { called.await.map(Produced::Value) };
        let finish = Finish::Call {
            signature: self.signature.clone(),
            instance: self.instance.clone_ref(py),
        };
        let slow = Some(self.slow.clone());
        start(py, &instance.ground, work, finish, slow, instance.blocking)
    }
}
