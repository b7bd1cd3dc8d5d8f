//! Components: described, loaded, linked to Python's functions, instantiated.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wisp_host::embed::{Component, Embedding, Grants, Imports, Limits, World};
use wisp_host::{Artifact, HostError, Strategy};

use super::call::{Finish, Produced, start};
use super::ground::Ground;
use super::imports::{Import, PyImports};
use super::instance::{Birth, Exported};
use super::module::{self, PyModule};
use super::plan::{Classes, Planner};
use crate::error::raise;

/// What a component imports and exports.
#[pyclass(frozen, name = "World", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyWorld(World);

#[pymethods]
impl PyWorld {
    /// Reads it from a component.
    #[new]
    fn new(py: Python<'_>, wasm: &[u8]) -> PyResult<Self> {
        let world = py.detach(|| World::read(wasm));
        world.map(Self).map_err(|error| raise(&error))
    }

    /// All of it, as JSON.
    fn json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(|error| raise(&HostError::from(error)))
    }
}

/// What Python calls a function's parameters, and the exception that its error is raised as.
#[derive(FromPyObject)]
struct Names<'py> {
    parameters: Bound<'py, PyTuple>,
    exception: Bound<'py, PyAny>,
}

/// An interface whose functions are Python's, in the order of WIT.
#[derive(FromPyObject)]
struct Given<'py> {
    interface: usize,
    functions: Vec<(Bound<'py, PyAny>, Names<'py>)>,
}

/// The classes and functions that Python has for a component.
#[derive(FromPyObject)]
struct Binding<'py> {
    classes: Vec<Bound<'py, PyAny>>,
    some: Bound<'py, PyAny>,
    ok: Bound<'py, PyAny>,
    err: Bound<'py, PyAny>,
    exports: Vec<Names<'py>>,
    imports: Vec<Given<'py>>,
    /// The classes that implement imported resources, by the place of the resource's type.
    hosted: HashMap<usize, Bound<'py, PyAny>>,
    /// The module with Python's side of streams.
    streams: Bound<'py, PyAny>,
}

/// What an instance may take and is given.
#[derive(FromPyObject)]
pub(crate) struct Options {
    memory: usize,
    timeout: Option<f64>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    output: bool,
}

impl Options {
    pub(crate) fn split(self) -> (Limits, Grants) {
        let timeout = self
            .timeout
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let limits = Limits {
            memory: self.memory,
            timeout,
        };
        let grants = Grants {
            environment: self.environment,
            arguments: self.arguments,
            output: self.output,
        };
        (limits, grants)
    }
}

/// Threads and engines for guests in this process; after a fork it may not be used.
#[pyclass(frozen, name = "Embedding", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyEmbedding(Arc<Ground>);

#[pymethods]
impl PyEmbedding {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let embedding = py.detach(Embedding::new).map_err(|error| raise(&error))?;
        Ok(Self(Ground::new(embedding)))
    }

    /// Loads a compiled component and links it to what `binding` has.
    fn load(
        &self,
        py: Python<'_>,
        world: &PyWorld,
        program: &str,
        binding: Binding<'_>,
    ) -> PyResult<PyComponent> {
        let program: Program =
            serde_json::from_str(program).map_err(|error| raise(&HostError::from(error)))?;
        let (functions, imports) = plans(&world.0, binding, &self.0)?;
        let given: Vec<usize> = imports.interfaces.keys().copied().collect();
        let imports: Arc<dyn Imports> = Arc::new(imports);
        let world = world.0.clone();
        let loaded = py.detach(|| {
            let Program {
                digest,
                artifact,
                compiler_strategy,
            } = program;
            let embedding = self.0.embedding();
            embedding.load(
                &digest,
                &artifact,
                compiler_strategy,
                world,
                (&given, &imports),
            )
        });
        Ok(PyComponent {
            component: loaded.map_err(|error| raise(&error))?,
            ground: self.0.clone(),
            functions: Arc::new(functions),
            slow: Arc::new(AtomicBool::new(true)),
        })
    }

    /// Compiles a core module and links it to what `answer` gives for each imported function.
    fn load_module(
        &self,
        py: Python<'_>,
        wasm: &[u8],
        answer: &Bound<'_, PyAny>,
    ) -> PyResult<PyModule> {
        self.0.check()?;
        let compiled = py.detach(|| self.0.embedding().compile_module(wasm));
        let compiled = compiled.map_err(|error| raise(&error))?;
        module::link(py, compiled, answer, self.0.clone())
    }
}

/// A compiled component in the cache.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    digest: String,
    artifact: Artifact,
    compiler_strategy: Strategy,
}

fn plans(
    world: &World,
    binding: Binding<'_>,
    ground: &Arc<Ground>,
) -> PyResult<(Vec<Exported>, PyImports)> {
    let classes = Classes {
        by_type: binding.classes,
        some: binding.some,
        ok: binding.ok,
        err: binding.err,
        hosted: binding.hosted,
        streams: binding.streams,
        ground: ground.clone(),
    };
    let mut planner = Planner::new(world, &classes);
    let mut functions = Vec::new();
    let exported = world.exports.iter().flat_map(|found| &found.functions);
    for (function, names) in exported.zip(&binding.exports) {
        functions.push(Exported {
            signature: Arc::new(planner.signature(
                function,
                &names.parameters,
                &names.exception,
            )?),
            slow: Arc::new(AtomicBool::new(false)),
        });
    }
    let mut interfaces = HashMap::new();
    for given in binding.imports {
        let Some(interface) = world.imports.get(given.interface) else {
            continue;
        };
        let mut answers = Vec::new();
        for (function, (callable, names)) in interface.functions.iter().zip(given.functions) {
            answers.push(Arc::new(Import {
                callable: callable.unbind(),
                signature: planner.signature(function, &names.parameters, &names.exception)?,
            }));
        }
        interfaces.insert(given.interface, answers);
    }
    let imports = PyImports {
        interfaces,
        threads: ground.check()?.clone(),
    };
    Ok((functions, imports))
}

/// A component, ready to be instantiated.
#[pyclass(frozen, name = "Component", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyComponent {
    component: Component,
    ground: Arc<Ground>,
    functions: Arc<Vec<Exported>>,
    /// Whether to make an instance took long the last time; nobody knows at first.
    slow: Arc<AtomicBool>,
}

#[pymethods]
impl PyComponent {
    /// Makes an instance: now when `blocking`, else as a coroutine.
    #[pyo3(signature = (options, *, blocking))]
    fn instantiate(&self, py: Python<'_>, options: Options, blocking: bool) -> PyResult<Py<PyAny>> {
        let (limits, grants) = options.split();
        let component = self.component.clone();
        let work = Box::pin(async move {
            let made = component.instantiate(limits, grants).await;
            made.map(Produced::Instance)
        });
        let finish = Finish::Instance(Box::new(Birth {
            ground: self.ground.clone(),
            functions: self.functions.clone(),
            blocking,
        }));
        let slow = Some(self.slow.clone());
        start(py, &self.ground, work, finish, slow, blocking)
    }
}
