//! Core modules: functions of numbers, a memory of bytes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyIndexError, PyOverflowError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use wisp_host::embed::{MemoryError, Module, ModuleInstance, Number, NumberType};

use super::call::{Finish, Produced, start};
use super::component::Options;
use super::ground::Ground;
use crate::error::{HostError, TypeMismatch};

/// A core module, ready to be instantiated.
#[pyclass(frozen, name = "Module", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyModule {
    module: Module,
    ground: Arc<Ground>,
    slow: Arc<AtomicBool>,
}

impl PyModule {
    pub(crate) fn new(module: Module, ground: Arc<Ground>) -> Self {
        Self {
            module,
            ground,
            slow: Arc::new(AtomicBool::new(true)),
        }
    }
}

#[pymethods]
impl PyModule {
    /// The names of its exported functions, in the order of their places.
    #[getter]
    fn functions(&self) -> Vec<String> {
        let functions = self.module.functions().iter();
        functions.map(|function| function.name.clone()).collect()
    }

    /// The names of its exported memories.
    #[getter]
    fn memories(&self) -> Vec<String> {
        self.module.memories().to_vec()
    }

    /// Makes an instance: now when `blocking`, else as a coroutine.
    #[pyo3(signature = (options, *, blocking))]
    fn instantiate(&self, py: Python<'_>, options: Options, blocking: bool) -> PyResult<Py<PyAny>> {
        let (limits, grants) = options.split();
        let module = self.module.clone();
        let work = Box::pin(async move {
            let made = module.instantiate(limits, grants).await;
            made.map(Produced::Module)
        });
        let finish = Finish::Module {
            module: self.module.clone(),
            ground: self.ground.clone(),
            blocking,
        };
        let slow = Some(self.slow.clone());
        start(py, &self.ground, work, finish, slow, blocking)
    }
}

/// An instance of a core module.
#[pyclass(frozen, name = "ModuleInstance", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyModuleInstance {
    instance: ModuleInstance,
    module: Module,
    ground: Arc<Ground>,
    blocking: bool,
}

impl PyModuleInstance {
    pub(crate) fn new(
        instance: ModuleInstance,
        module: Module,
        ground: Arc<Ground>,
        blocking: bool,
    ) -> Self {
        Self {
            instance,
            module,
            ground,
            blocking,
        }
    }
}

#[pymethods]
impl PyModuleInstance {
    /// Calls a function by its place.
    fn call(
        &self,
        py: Python<'_>,
        place: usize,
        given: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        let function = self.module.functions().get(place);
        let function = function.ok_or_else(|| HostError::new_err("there is no such function"))?;
        if given.len() != function.parameters.len() {
            return Err(TypeMismatch::new_err(format!(
                "{}: {} arguments were given, it takes {}",
                function.name,
                given.len(),
                function.parameters.len()
            )));
        }
        let mut numbers = Vec::with_capacity(given.len());
        for (place, (ty, object)) in function.parameters.iter().zip(given).enumerate() {
            let number = lower(*ty, &object).map_err(|message| {
                TypeMismatch::new_err(format!("{}: argument {place}: {message}", function.name))
            })?;
            numbers.push(number);
        }
        let called = self.instance.call(place, numbers);
        let work = async move { called.await.map(Produced::Numbers) };
        let finish = Finish::Numbers(function.name.clone());
        start(py, &self.ground, work, finish, None, self.blocking)
    }

    /// Bytes of a memory.
    fn read<'py>(
        &self,
        py: Python<'py>,
        memory: &str,
        offset: usize,
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.instance.read(memory, offset, length);
        bytes
            .map(|bytes| PyBytes::new(py, &bytes))
            .map_err(|error| raise(&error))
    }

    /// Writes bytes into a memory.
    fn write(&self, memory: &str, offset: usize, data: &[u8]) -> PyResult<()> {
        let written = self.instance.write(memory, offset, data);
        written.map_err(|error| raise(&error))
    }

    /// Bytes of a memory.
    fn size(&self, memory: &str) -> PyResult<usize> {
        self.instance.size(memory).map_err(|error| raise(&error))
    }

    /// Ends the instance.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.instance.close("it was closed"));
    }

    /// Why it ended, if it did.
    #[getter]
    fn ended(&self) -> Option<String> {
        self.instance.ended().map(str::to_owned)
    }
}

fn raise(error: &MemoryError) -> PyErr {
    match error {
        MemoryError::Outside { .. } => PyIndexError::new_err(error.to_string()),
        _ => HostError::new_err(error.to_string()),
    }
}

/// What the function gave: nothing, one number, or a tuple of them.
pub(crate) fn numbers(py: Python<'_>, numbers: &[Number]) -> PyResult<Py<PyAny>> {
    let lift = |number: &Number| match *number {
        Number::I32(value) => value.into_py_any(py),
        Number::I64(value) => value.into_py_any(py),
        Number::F32(value) => value.into_py_any(py),
        Number::F64(value) => value.into_py_any(py),
    };
    match numbers {
        [] => Ok(py.None()),
        [number] => lift(number),
        several => {
            let objects: Vec<_> = several.iter().map(lift).collect::<PyResult<_>>()?;
            Ok(PyTuple::new(py, objects)?.into_any().unbind())
        }
    }
}

/// Integers of a core module have no sign: whoever has a pointer above 2 GiB means the same bits.
fn lower(ty: NumberType, object: &Bound<'_, PyAny>) -> Result<Number, String> {
    let py = object.py();
    let wrong = |what: &str, error: &PyErr| {
        if error.is_instance_of::<PyOverflowError>(py) {
            format!("{object} does not fit {what}")
        } else {
            format!("expected {what}, found {object}")
        }
    };
    match ty {
        NumberType::I32 => object
            .extract::<i32>()
            .or_else(|_| object.extract::<u32>().map(u32::cast_signed))
            .map(Number::I32)
            .map_err(|error| wrong("i32", &error)),
        NumberType::I64 => object
            .extract::<i64>()
            .or_else(|_| object.extract::<u64>().map(u64::cast_signed))
            .map(Number::I64)
            .map_err(|error| wrong("i64", &error)),
        NumberType::F32 => object
            .extract::<f32>()
            .map(Number::F32)
            .map_err(|error| wrong("f32", &error)),
        NumberType::F64 => object
            .extract::<f64>()
            .map(Number::F64)
            .map_err(|error| wrong("f64", &error)),
    }
}
