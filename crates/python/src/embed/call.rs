//! Calls as Python sees them: a coroutine for asyncio, or a plain call that waits.
//!
//! Handing a call to another thread and back takes longer than most calls. So the thread that asks runs the guest itself, with the
//! interpreter released, for as long as it goes without waiting and for at most one tick of the engine; only what is not done then goes
//! to the runtime's threads, and the loop is told when it is. A function that once was slow starts there until it has been quick again.
//!
//! A guest that calls a Python function is paused; the function runs where Python runs anyway: on the thread that polls the guest when
//! that is a Python thread, else on the caller's event loop. Never on the guest's own stack.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use wisp_host::embed::{Born, CallError, Driver, Finished, Module, ModuleInstance, Number, Value};

use super::attach::attached;
use super::failure::raise_call;
use super::ground::Ground;
use super::imports::{self, Asked};
use super::instance::{Birth, PyInstance};
use super::lift::{lift, returned};
use super::module::{PyModuleInstance, finished, numbers};
use super::plan::Signature;
use super::stream::Passing;
use crate::error::InstanceClosed;

/// A call that takes longer than this does not run on the thread of an event loop the next time.
const QUICK: Duration = Duration::from_micros(200);
/// How often a waiting thread looks whether Ctrl-C was pressed.
const PATIENCE: Duration = Duration::from_millis(50);

/// What comes out of work in the core.
#[derive(Debug)]
pub(crate) enum Produced {
    Nothing,
    Value(Option<Value>),
    Instance(Born),
    Numbers(Vec<Number>),
    Module(ModuleInstance),
    Finished(Finished),
    /// What came out of a stream; nothing at its end, an error where it ended too early.
    Chunk(Option<Result<Value, String>>),
    /// Whether somebody still reads a stream.
    Read(bool),
}

/// Something that runs in the core.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Produced, CallError>> + Send>>;

/// What Python is given of it.
pub(crate) enum Finish {
    Nothing,
    Call {
        signature: Arc<Signature>,
        instance: Py<PyInstance>,
    },
    Instance(Box<Birth>),
    /// The results of a module's function of this name.
    Numbers(String),
    Module {
        module: Module,
        ground: Arc<Ground>,
        blocking: bool,
    },
    /// The end of a module's program.
    Program,
    Chunk(Arc<Passing>),
    Read,
}

impl Finish {
    fn finish(self, py: Python<'_>, outcome: Result<Produced, CallError>) -> PyResult<Py<PyAny>> {
        match (self, outcome) {
            (Self::Call { signature, .. }, Err(error)) => {
                Err(raise_call(py, Some(&signature.name), &error))
            }
            (Self::Numbers(name), Err(error)) => Err(raise_call(py, Some(&name), &error)),
            (_, Err(error)) => Err(raise_call(py, None, &error)),
            (Self::Numbers(_), Ok(Produced::Numbers(found))) => numbers(py, &found),
            (Self::Program, Ok(Produced::Finished(ended))) => finished(py, &ended),
            (Self::Chunk(passing), Ok(Produced::Chunk(Some(chunk)))) => {
                let chunk = chunk.map_err(InstanceClosed::new_err)?;
                lift(py, &passing.chunk, chunk, None).map(Bound::unbind)
            }
            (Self::Read, Ok(Produced::Read(read))) => read.into_py_any(py),
            (
                Self::Module {
                    module,
                    ground,
                    blocking,
                },
                Ok(Produced::Module(instance)),
            ) => {
                let instance = PyModuleInstance::new(instance, module, ground, blocking);
                Ok(Bound::new(py, instance)?.into_any().unbind())
            }
            (
                Self::Call {
                    signature,
                    instance,
                },
                Ok(Produced::Value(value)),
            ) => returned(py, &signature, value, Some(&instance)).map(Bound::unbind),
            (Self::Instance(birth), Ok(Produced::Instance(born))) => birth.finish(py, born),
            _ => Ok(py.None()),
        }
    }
}

/// Starts work: waits for it when `blocking`, else gives a coroutine. `slow` remembers for the next time.
pub(crate) fn start(
    py: Python<'_>,
    ground: &Arc<Ground>,
    work: impl Future<Output = Result<Produced, CallError>> + Send + 'static,
    finish: Finish,
    slow: Option<Arc<AtomicBool>>,
    blocking: bool,
) -> PyResult<Py<PyAny>> {
    let threads = ground.check()?;
    if blocking {
        let outcome = wait(py, threads, pin!(work))?;
        return finish.finish(py, outcome);
    }
    let work: Work = Box::pin(work);
    let call = PyCall {
        ground: ground.clone(),
        state: Mutex::new(State::Fresh(Fresh { work, finish, slow })),
    };
    Ok(Bound::new(py, call)?.into_any().unbind())
}

/// Wakes a thread that waits for a guest.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

enum Step {
    Done(Result<Produced, CallError>),
    /// A Python function is wanted, or Ctrl-C may have been pressed.
    Python,
}

thread_local! {
    /// Wakes this thread; made once, because most calls need none.
    static UNPARK: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
}

/// Runs work to its end on this thread.
fn wait(
    py: Python<'_>,
    threads: &Handle,
    mut work: Pin<&mut (dyn Future<Output = Result<Produced, CallError>> + Send)>,
) -> PyResult<Result<Produced, CallError>> {
    let waker = UNPARK.with(Clone::clone);
    loop {
        let step = py.detach(|| {
            let _entered = threads.enter();
            let mut context = Context::from_waker(&waker);
            loop {
                let polled = imports::polling(|| work.as_mut().poll(&mut context));
                if let Poll::Ready(outcome) = polled {
                    return Step::Done(outcome);
                }
                if imports::asked() {
                    return Step::Python;
                }
                let began = Instant::now();
                std::thread::park_timeout(PATIENCE);
                if began.elapsed() >= PATIENCE {
                    return Step::Python;
                }
            }
        });
        match step {
            Step::Done(outcome) => {
                imports::answer_all(py, None);
                return Ok(outcome);
            }
            Step::Python => {
                py.check_signals()?;
                imports::answer_all(py, None);
            }
        }
    }
}

/// Something in the core that an asyncio task can await.
#[pyclass(frozen, name = "Call", module = "wisp._core")]
pub(crate) struct PyCall {
    ground: Arc<Ground>,
    state: Mutex<State>,
}

impl std::fmt::Debug for PyCall {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PyCall")
    }
}

struct Fresh {
    work: Work,
    finish: Finish,
    slow: Option<Arc<AtomicBool>>,
}

struct Waiting {
    finish: Finish,
    /// What `await` on the loop's own future goes through.
    iterator: Py<PyAny>,
    outcome: Arc<Mutex<Option<Result<Produced, CallError>>>>,
    abort: AbortHandle,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

enum State {
    Fresh(Fresh),
    Waiting(Waiting),
    Done,
}

impl PyCall {
    fn take(&self) -> State {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, State::Done)
    }

    fn put(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Goes on until the end, which is an exception as coroutines want it, or until the loop has to wait.
    fn go_on(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.take() {
            State::Fresh(fresh) => self.begin(py, fresh),
            State::Waiting(waiting) => self.look(py, waiting),
            State::Done => Err(PyRuntimeError::new_err(
                "this call was awaited before; call the function again",
            )),
        }
    }

    fn begin(&self, py: Python<'_>, fresh: Fresh) -> PyResult<Py<PyAny>> {
        let threads = self.ground.check()?;
        let event_loop = running_loop(py)?;
        let Fresh {
            mut work,
            finish,
            slow,
        } = fresh;
        let known_slow = slow
            .as_ref()
            .is_some_and(|slow| slow.load(Ordering::Relaxed));
        if !known_slow {
            let began = Instant::now();
            let polled = attempt(py, threads, &mut work, &event_loop);
            if let Some(slow) = &slow
                && began.elapsed() > QUICK
            {
                slow.store(true, Ordering::Relaxed);
            }
            if let Poll::Ready(outcome) = polled {
                return Err(stop(finish.finish(py, outcome)?));
            }
        }
        let waiting = hand_over(py, threads, work, finish, slow, event_loop)?;
        self.look(py, waiting)
    }

    fn look(&self, py: Python<'_>, mut waiting: Waiting) -> PyResult<Py<PyAny>> {
        match waiting.iterator.call_method0(py, "__next__") {
            Ok(future) => {
                self.put(State::Waiting(waiting));
                Ok(future)
            }
            Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
                let outcome = waiting
                    .outcome
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                let finish = std::mem::replace(&mut waiting.finish, Finish::Nothing);
                match outcome {
                    Some(outcome) => Err(stop(finish.finish(py, outcome)?)),
                    None => Err(PyRuntimeError::new_err("the call ended without an outcome")),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// The end of a coroutine.
fn stop(value: Py<PyAny>) -> PyErr {
    PyStopIteration::new_err((value,))
}

/// Runs work here for as long as it does not wait.
fn attempt(
    py: Python<'_>,
    threads: &Handle,
    work: &mut Work,
    event_loop: &Bound<'_, PyAny>,
) -> Poll<Result<Produced, CallError>> {
    loop {
        let polled = py.detach(|| {
            let _entered = threads.enter();
            let mut context = Context::from_waker(Waker::noop());
            imports::polling(|| work.as_mut().poll(&mut context))
        });
        if !imports::asked() {
            return polled;
        }
        let later = imports::answer_all(py, Some(event_loop));
        // When a coroutine was started on the loop, that has to run for it.
        if polled.is_ready() || later {
            return polled;
        }
    }
}

/// Polls an instance's driver on the runtime's threads for as long as the instance lives. What its guest asks of Python is
/// answered on the loop that asked for the instance; without one, on the thread that polls.
pub(crate) fn drive(threads: &tokio::runtime::Handle, mut driver: Driver, asked: Option<Asked>) {
    threads.spawn(std::future::poll_fn(move |context| {
        let polled = imports::polling(|| driver.as_mut().poll(context));
        match &asked {
            Some(asked) => imports::send_all(asked),
            None if imports::asked() => {
                attached(|py| imports::answer_all(py, None));
            }
            None => {}
        }
        polled
    }));
}

/// Gives work to the runtime's threads, which tell the loop when it is done.
fn hand_over(
    py: Python<'_>,
    threads: &Handle,
    work: Work,
    finish: Finish,
    slow: Option<Arc<AtomicBool>>,
    event_loop: Bound<'_, PyAny>,
) -> PyResult<Waiting> {
    let future = event_loop.call_method0(pyo3::intern!(py, "create_future"))?;
    let iterator = future
        .call_method0(pyo3::intern!(py, "__await__"))?
        .unbind();
    let outcome = Arc::new(Mutex::new(None));
    let asked = Asked::on(&event_loop)?;
    let (result_slot, future, event_loop) = (outcome.clone(), future.unbind(), event_loop.unbind());
    let task = threads.spawn(async move {
        let mut work = Timed::new(work);
        let result = std::future::poll_fn(|context| {
            let polled = imports::polling(|| work.poll(context));
            imports::send_all(&asked);
            polled
        })
        .await;
        if let Some(slow) = slow {
            slow.store(work.busy > QUICK, Ordering::Relaxed);
        }
        *result_slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        tell(&event_loop, future);
    });
    Ok(Waiting {
        finish,
        iterator,
        outcome,
        abort: task.abort_handle(),
    })
}

/// Work that knows how long it computed.
struct Timed {
    work: Work,
    busy: Duration,
}

impl Timed {
    fn new(work: Work) -> Self {
        Self {
            work,
            busy: Duration::ZERO,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Produced, CallError>> {
        let began = Instant::now();
        let polled = self.work.as_mut().poll(context);
        self.busy += began.elapsed();
        polled
    }
}

/// Resolves a future of a loop. A loop that is closed has nobody who waits, an interpreter that ends neither.
fn tell(event_loop: &Py<PyAny>, future: Py<PyAny>) {
    attached(|py| {
        let told = resolver(py).and_then(|resolve| {
            event_loop.call_method1(py, "call_soon_threadsafe", (resolve, future))
        });
        drop(told);
    });
}

fn resolver(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static RESOLVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = RESOLVE.get_or_try_init(py, || {
        let function = wrap_pyfunction!(resolve, py)?;
        Ok::<_, PyErr>(function.into_any().unbind())
    })?;
    Ok(made.bind(py))
}

/// Called on the loop's thread; whoever waited may be gone.
#[pyfunction]
fn resolve(future: &Bound<'_, PyAny>) -> PyResult<()> {
    if !future.call_method0("done")?.is_truthy()? {
        future.call_method1("set_result", (future.py().None(),))?;
    }
    Ok(())
}

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let function = CURRENT.import(py, "asyncio", "get_running_loop")?;
    function.call0()
}

#[pymethods]
impl PyCall {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.go_on(py)
    }

    /// Goes on, as coroutines do.
    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let _ = value;
        self.go_on(py)
    }

    /// Raises an exception where the coroutine waits; the guest is stopped.
    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = traceback;
        let thrown = value.unwrap_or(kind).clone();
        match self.take() {
            State::Waiting(waiting) => {
                let arguments = PyTuple::new(py, [thrown])?;
                // The future's own iterator raises it; dropping the rest stops the guest.
                waiting.iterator.call_method1(py, "throw", arguments)
            }
            _ if thrown.is_instance_of::<pyo3::types::PyType>() => {
                Err(PyErr::from_value(thrown.call0()?))
            }
            _ => Err(PyErr::from_value(thrown)),
        }
    }

    /// Stops the guest, if it runs.
    fn close(&self) {
        drop(self.take());
    }
}
