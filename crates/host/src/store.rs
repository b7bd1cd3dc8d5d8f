//! The state of one instance: what it may use and how much of it.
//!
//! Deny by default: no files, no network, no environment but the manifest's, no stores. Everything that a guest can
//! make the host allocate is bounded here.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::locked::LockedComponent;
use crate::output::{GuestStream, Output};
use crate::telemetry::Log;

/// Handles that one guest may hold at once.
const MOST_HANDLES: usize = 10_000;
/// Bytes that one host call may copy.
const HOSTCALL_BYTES: usize = 32 << 20;
/// Bytes of one set of header fields.
const FIELD_BYTES: usize = 128 << 10;
/// Elements that all tables of an instance may have together.
const TABLE_ELEMENTS: usize = 1_000_000;

/// Keeps the memory of one instance, all its linear memories together, below the component's limit.
#[derive(Debug)]
pub(crate) struct Bounds {
    memory: usize,
    used: usize,
    elements: usize,
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let allowed = used <= self.memory;
        if allowed {
            self.used = used;
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        let allowed = elements <= TABLE_ELEMENTS;
        if allowed {
            self.elements = elements;
        }
        Ok(allowed)
    }
}

/// Outgoing requests: none are granted.
#[derive(Debug)]
struct NoOutbound;

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>), HttpError>;

impl WasiHttpHooks for NoOutbound {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)))
    }
}

/// What the host keeps for one instance.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outbound: NoOutbound,
    bounds: Bounds,
    pub(crate) output: Arc<Output>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("State").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}

/// Makes the store of each instance of one component.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) app: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) log: Log,
    environment: Vec<(String, String)>,
    memory: usize,
}

impl Blueprint {
    pub(crate) fn new(app: &str, name: &str, component: &LockedComponent, log: Log) -> Self {
        Self {
            app: app.into(),
            component: name.into(),
            log,
            environment: component.environment.clone().into_iter().collect(),
            memory: usize::try_from(component.limits.memory).unwrap_or(usize::MAX),
        }
    }

    /// A store for a new instance, ready to be called once.
    pub(crate) fn store(&self, engine: &Engine) -> Store<State> {
        let output = Output::new(self.log.clone(), self.app.clone(), self.component.clone());
        let wasi = WasiCtx::builder()
            .stdout(GuestStream::stdout(&output))
            .stderr(GuestStream::stderr(&output))
            .envs(&self.environment)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELD_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        let bounds = Bounds { memory: self.memory, used: 0, elements: 0 };
        let state = State { wasi, http, table, outbound: NoOutbound, bounds, output };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.bounds);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.epoch_deadline_callback(|_| {
            // A plain yield could be polled again at once; tokio's goes to the back of the queue.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store.set_epoch_deadline(1);
        store
    }
}
