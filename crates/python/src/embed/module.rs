//! Core modules: functions of numbers, a memory of bytes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyIndexError, PyOverflowError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use wisp_host::embed::{
    CompiledModule, Finished, Imports, MemoryError, Module, ModuleFunction, ModuleInstance, Number,
    NumberType, Streams,
};

use super::call::{Finish, Produced, start};
use super::component::Options;
use super::ground::Ground;
use super::imports::{Import, PyImports};
use super::plan::{Field, Plan, Returns, Signature};
use crate::error::{HostError, TypeMismatch};

/// Links a compiled module to functions of Python: `answer` gives the one for an import, by its module and name, or raises.
pub(crate) fn link(
    py: Python<'_>,
    compiled: CompiledModule,
    answer: &Bound<'_, PyAny>,
    ground: Arc<Ground>,
) -> PyResult<PyModule> {
    let (mut answers, mut given) = (Vec::new(), Vec::new());
    for (place, import) in compiled.imports().iter().enumerate() {
        let callable = answer.call1((&import.module, &import.name))?;
        if !callable.is_none() {
            given.push(place);
        }
        answers.push(Arc::new(Import {
            callable: callable.unbind(),
            signature: signature(py, import),
        }));
    }
    let imports: Arc<dyn Imports> = Arc::new(PyImports {
        interfaces: HashMap::from([(0, answers)]),
        threads: ground.check()?.clone(),
    });
    let module = py.detach(|| compiled.link(&given, &imports));
    Ok(PyModule {
        module: module.map_err(|error| crate::error::raise(&error))?,
        ground,
        slow: Arc::new(AtomicBool::new(true)),
    })
}

/// The plan of an imported function.
fn signature(py: Python<'_>, import: &ModuleFunction) -> Signature {
    let plan = |ty: &NumberType| {
        Arc::new(match ty {
            NumberType::I32 => Plan::Word,
            NumberType::I64 => Plan::LongWord,
            NumberType::F32 => Plan::F32,
            NumberType::F64 => Plan::F64,
        })
    };
    let field = |ty: &NumberType| Field {
        attribute: PyString::intern(py, "").unbind(),
        wit: String::new(),
        plan: plan(ty),
    };
    let returns = match import.results.as_slice() {
        [] => Returns::Nothing,
        [one] => Returns::Value(plan(one)),
        several => Returns::Value(Arc::new(Plan::Tuple(several.iter().map(plan).collect()))),
    };
    Signature {
        name: import.name.clone(),
        parameters: import.parameters.iter().map(field).collect(),
        returns,
        refused: None,
    }
}

/// A core module, ready to be instantiated.
#[pyclass(frozen, name = "Module", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyModule {
    module: Module,
    ground: Arc<Ground>,
    slow: Arc<AtomicBool>,
}

#[pymethods]
impl PyModule {
    /// The names of its exported functions, in the order of their places.
    #[getter]
    fn functions(&self) -> Vec<String> {
        let functions = self.module.functions().iter();
        functions.map(|function| function.name.clone()).collect()
    }

    /// The names of its memories.
    #[getter]
    fn memories(&self) -> Vec<String> {
        self.module.memories().to_vec()
    }

    /// Makes an instance: now when `blocking`, else as a coroutine.
    #[pyo3(signature = (options, input, *, blocking))]
    fn instantiate(
        &self,
        py: Python<'_>,
        options: Options,
        input: &[u8],
        blocking: bool,
    ) -> PyResult<Py<PyAny>> {
        let (limits, grants) = options.split();
        let (module, input) = (self.module.clone(), Bytes::copy_from_slice(input));
        let work = Box::pin(async move {
            let made = module.instantiate(limits, grants, input).await;
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

    /// Runs its program to the end: its exit code, and what it wrote when that is captured.
    #[pyo3(signature = (options, input, *, captured, blocking))]
    fn run(
        &self,
        py: Python<'_>,
        options: Options,
        input: &[u8],
        captured: bool,
        blocking: bool,
    ) -> PyResult<Py<PyAny>> {
        let (limits, grants) = options.split();
        let module = self.module.clone();
        let streams = Streams {
            input: Bytes::copy_from_slice(input),
            captured,
        };
        let work = Box::pin(async move {
            let finished = module.run(limits, grants, streams).await;
            finished.map(Produced::Finished)
        });
        start(py, &self.ground, work, Finish::Program, None, blocking)
    }
}

/// What Python gets of a program that has ended.
pub(crate) fn finished(py: Python<'_>, finished: &Finished) -> PyResult<Py<PyAny>> {
    let stdout = PyBytes::new(py, &finished.stdout);
    let stderr = PyBytes::new(py, &finished.stderr);
    (finished.code, stdout, stderr).into_py_any(py)
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

    /// The end of what the guest wrote to its standard error.
    #[getter]
    fn stderr(&self) -> String {
        self.instance.stderr()
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
        NumberType::I32 => word(object)
            .map(Number::I32)
            .map_err(|error| wrong("i32", &error)),
        NumberType::I64 => long_word(object)
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

/// Integers of a core module have no sign: whoever has a pointer above 2 GiB means the same bits.
pub(super) fn word(object: &Bound<'_, PyAny>) -> PyResult<i32> {
    object
        .extract::<i32>()
        .or_else(|_| object.extract::<u32>().map(u32::cast_signed))
}

pub(super) fn long_word(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    object
        .extract::<i64>()
        .or_else(|_| object.extract::<u64>().map(u64::cast_signed))
}
