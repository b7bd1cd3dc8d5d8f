//! A host inside a Python process: the same core that workers run, on a multi-threaded runtime.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use wisp_host::{Host, HostError, Shutdown, Start};

use crate::error::raise;

/// What exists while the host is open.
#[derive(Debug)]
struct Open {
    runtime: Runtime,
    serving: JoinHandle<Result<(), HostError>>,
}

/// Apps served from this process. Closed by `close`; after a fork it may not be used.
#[pyclass(frozen, name = "Host", module = "wisp._core")]
#[derive(Debug)]
pub(crate) struct PyHost {
    host: Arc<Host>,
    shutdown: Shutdown,
    address: SocketAddr,
    open: Mutex<Option<Open>>,
    pid: u32,
}

#[pymethods]
impl PyHost {
    /// Loads the apps of `start` (the JSON that workers get) and serves them at `listen`.
    #[new]
    fn new(py: Python<'_>, start: &str, listen: &str) -> PyResult<Self> {
        let start: Start =
            serde_json::from_str(start).map_err(|error| raise(&HostError::from(error)))?;
        py.detach(|| Self::start(start, listen))
            .map_err(|error| raise(&error))
    }

    /// Where it listens, as `host:port`.
    #[getter]
    fn address(&self) -> String {
        self.address.to_string()
    }

    /// Counters and what goes on now, as JSON.
    fn metrics(&self) -> PyResult<String> {
        self.check_process()?;
        Ok(self.host.metrics().to_string())
    }

    /// Finishes what was accepted, for at most `timeout` seconds, and frees everything. Closing twice is harmless.
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        self.check_process()?;
        let patience = Duration::try_from_secs_f64(timeout).unwrap_or(Duration::MAX);
        py.detach(|| self.end(patience))
            .map_err(|error| raise(&error))
    }
}

impl PyHost {
    fn start(start: Start, listen: &str) -> Result<Self, HostError> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let host = Arc::new(Host::load(start)?);
        drop(entered);
        let shutdown = Shutdown::new();
        let serving = runtime.spawn({
            let (host, shutdown) = (host.clone(), shutdown.clone());
            async move { host.serve(listener, shutdown).await }
        });
        let open = Mutex::new(Some(Open { runtime, serving }));
        Ok(Self {
            host,
            shutdown,
            address,
            open,
            pid: std::process::id(),
        })
    }

    fn end(&self, patience: Duration) -> Result<(), HostError> {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(Open { runtime, serving }) = open else {
            return Ok(());
        };
        self.shutdown.drain(patience);
        let served = runtime
            .block_on(serving)
            .unwrap_or_else(|error| Err(HostError::Engine(error.to_string())));
        self.host.log().flush();
        runtime.shutdown_background();
        served
    }

    /// The runtime's threads do not exist in a forked child, where waiting for them would hang.
    fn check_process(&self) -> PyResult<()> {
        if self.pid == std::process::id() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(
            "this wisp host was started before a fork; start one in the child process instead",
        ))
    }
}
