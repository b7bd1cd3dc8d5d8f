//! The state of one instance: what it may use and how much of it.
//!
//! Deny by default: no files, no network, no environment but the manifest's, no stores. Everything that a guest can
//! make the host allocate is bounded here.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

use crate::cpu::{self, OutOfTime, Stopwatch};
use crate::egress::{Egress, Patience};
use crate::files::{Folders, Guard, GuardedView};
use crate::meter::{Limit, Meter};
use crate::output::{Captured, GuestStream, Lines, Output, Stream};

/// Handles that a guest without limits of its own may hold at once.
const MOST_HANDLES: usize = 10_000;
/// Tasks, streams and futures that the host keeps for one instance, where fewer are allowed: it needs some itself.
const LEAST_CONCURRENT: usize = 1_000;
/// Bytes that one host call may copy; for a program that calls a guest of its own, what it passes is its own memory.
const HOSTCALL_BYTES: usize = 32 << 20;
const EMBEDDED_HOSTCALL_BYTES: usize = 256 << 20;
/// Writes of a body that wait to be sent before the guest has to, and bytes of each. Few large ones would be held up by each
/// other, and many small ones, which is how most guests write, would each be a packet of their own.
const BUFFERED_WRITES: usize = 4;
const LARGEST_WRITE: usize = 128 << 10;
/// Bytes of one set of header fields.
const FIELD_BYTES: usize = 128 << 10;
/// Elements that all tables of an instance without limits of its own may have together.
const TABLE_ELEMENTS: usize = 1_000_000;

/// Keeps the memory of one instance, all its linear memories together, below the component's limit.
#[derive(Debug)]
pub struct Bounds {
    memory: usize,
    used: usize,
    table: usize,
    elements: usize,
    denied: bool,
    meter: Option<Arc<dyn Meter>>,
}

impl Bounds {
    fn new(memory: usize) -> Self {
        Self {
            memory,
            used: 0,
            table: TABLE_ELEMENTS,
            elements: 0,
            denied: false,
            meter: None,
        }
    }

    fn tell(&self, limit: Limit) {
        if let Some(meter) = &self.meter {
            meter.exceeded(limit);
        }
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let allowed = used <= self.memory;
        if allowed {
            self.used = used;
        } else {
            self.denied = true;
            self.tell(Limit::Memory);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        let allowed = elements <= self.table;
        if allowed {
            self.elements = elements;
        } else {
            self.tell(Limit::Table);
        }
        Ok(allowed)
    }
}

/// A response of another component, at some time.
pub type PeerResponse =
    Pin<Box<dyn Future<Output = Result<http::Response<WasiBody>, HttpError>> + Send>>;

/// The name of a guest's own app among its [`Peers`].
pub const OWN_APP: &str = "";

/// The host that a guest sends requests to its own app to, when it needs to name one; as in Spin.
pub const OWN_HOST: &str = "self.alt";

/// Components of the same app that a guest reaches as `http://<component>.internal/`, without a socket.
pub trait Peers: Send + Sync + std::fmt::Debug {
    /// Called for each outgoing request to a name below `.internal`, with what comes before that, and for one to the guest's
    /// own app, with [`OWN_APP`]. Gives back, as it was, one that goes to none of them: it is a request to the outside.
    fn send(
        &self,
        name: &str,
        request: http::Request<WasiBody>,
    ) -> Result<PeerResponse, Box<http::Request<WasiBody>>>;
}

/// What comes before `.internal` in the name that a request goes to; a request to nobody, or to [`OWN_HOST`], is one to the
/// own app.
fn peer_name(uri: &http::Uri) -> Option<&str> {
    match uri.host() {
        None | Some("" | OWN_HOST) => Some(OWN_APP),
        Some(host) => host.strip_suffix(".internal"),
    }
}

/// Outgoing requests: none are granted but those to peers, and those that the client of the component lets through.
#[derive(Debug, Default)]
struct Outbound {
    peers: Option<Arc<dyn Peers>>,
    egress: Option<Arc<dyn Egress>>,
    /// Requests and sockets that were begun to the outside.
    begun: u32,
}

type Finished = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Finished), HttpError>;

impl Outbound {
    /// Sends a request to a component of the app when it goes to one, else to the outside.
    fn send(
        &mut self,
        mut request: http::Request<WasiBody>,
        patience: Patience,
    ) -> Option<PeerResponse> {
        if let (Some(peers), Some(name)) = (&self.peers, peer_name(request.uri())) {
            let name = name.to_owned();
            match peers.send(&name, request) {
                Ok(response) => return Some(answered(response, patience)),
                Err(returned) => request = *returned,
            }
        }
        self.begun = self.begun.saturating_add(1);
        Some(self.egress.as_ref()?.send(request, patience, self.begun))
    }
}

/// A response of a peer, if it begins while the guest still waits for it.
fn answered(response: PeerResponse, patience: Patience) -> PeerResponse {
    let Some(patience) = patience.first_byte else {
        return response;
    };
    Box::pin(async move {
        let response = tokio::time::timeout(patience, response).await;
        response.map_err(|_| HttpError::ConnectionReadTimeout)?
    })
}

impl WasiHttpHooks for Outbound {
    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        BUFFERED_WRITES
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        LARGEST_WRITE
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Finished,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let patience = options.map_or_else(Patience::default, |options| Patience {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        });
        let Some(response) = self.send(request, patience) else {
            return Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)));
        };
        Box::new(async move {
            let finished: Finished = Box::new(std::future::ready(Ok(())));
            Ok((response.await?, finished))
        })
    }
}

/// A context without network, whose output goes to `output`.
fn isolated(output: &Arc<Output>) -> WasiCtxBuilder {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(GuestStream::new(output, Stream::Stdout))
        .stderr(GuestStream::new(output, Stream::Stderr))
        .allow_tcp(false)
        .allow_udp(false);
    builder
}

/// What the host keeps for one instance.
pub struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outbound: Outbound,
    bounds: Bounds,
    output: Option<Arc<Output>>,
    companion: Option<Companion>,
    errand: Option<Companion>,
    /// Watches over the folders of a component, if it has some.
    guard: Option<Box<Guard>>,
    /// For core modules, which know no other WASI.
    preview1: Option<WasiP1Ctx>,
}

/// What all instances of one component of a service may use, and how much of it.
#[derive(Debug)]
pub struct Allowance {
    /// Variables.
    pub environment: Vec<(String, String)>,
    /// Bytes of all linear memories of one instance together.
    pub memory: usize,
    /// Elements of all tables of one instance together.
    pub table: usize,
    /// Resources that one instance holds.
    pub handles: usize,
    /// Told when an instance runs into a limit.
    pub meter: Arc<dyn Meter>,
    /// Its folders; `None` where it has none.
    pub folders: Option<Arc<Folders>>,
    /// Components of its app that it reaches.
    pub peers: Option<Arc<dyn Peers>>,
    /// Its way to the outside; `None` denies every request.
    pub egress: Option<Arc<dyn Egress>>,
    /// What the functions of the host find again.
    pub companion: Companion,
}

/// What an embedder keeps with an instance, for the functions that it gives the guest.
pub type Companion = Arc<dyn Any + Send + Sync>;

/// What an embedded instance may use.
#[derive(Debug)]
pub struct Embedded {
    /// Takes the lines that it writes.
    pub lines: Arc<dyn Lines>,
    /// Its variables; none are inherited.
    pub environment: Vec<(String, String)>,
    /// Its arguments, its name first.
    pub arguments: Vec<String>,
    /// Bytes of all its linear memories together.
    pub memory: usize,
    /// What its host functions find again.
    pub companion: Companion,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("State")
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.outbound,
        }
    }
}

impl State {
    fn new(wasi: WasiCtx, output: Option<Arc<Output>>, memory: usize) -> Self {
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELD_BYTES);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        Self {
            wasi,
            http,
            table,
            outbound: Outbound::default(),
            bounds: Bounds::new(memory),
            output,
            companion: None,
            errand: None,
            guard: None,
            preview1: None,
        }
    }

    /// A store for one instance of a service, ready to be called once.
    ///
    /// The guest is interrupted at every tick of the engine's epoch, so that others on the same thread go on.
    pub fn service(engine: &Engine, lines: Arc<dyn Lines>, allowance: &Allowance) -> Store<Self> {
        let output = Output::new(lines);
        let wasi = isolated(&output).envs(&allowance.environment).build();
        let mut state = Self::new(wasi, Some(output), allowance.memory);
        state.outbound = Outbound {
            peers: allowance.peers.clone(),
            egress: allowance.egress.clone(),
            begun: 0,
        };
        state.companion = Some(allowance.companion.clone());
        state.guard = allowance.folders.clone().map(Guard::new).map(Box::new);
        state.bounds.table = allowance.table;
        state.bounds.meter = Some(allowance.meter.clone());
        state.table.set_max_capacity(allowance.handles);
        let mut store = Self::preempted(engine, state);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(allowance.handles);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(allowance.handles.max(LEAST_CONCURRENT));
        }
        store
    }

    /// Measures the processor time of an instance whose polls belong to Wasmtime, and stops it when that is too much.
    pub fn measure(store: &mut Store<Self>) -> Arc<Stopwatch> {
        let watch = Arc::new(Stopwatch::default());
        let kept = watch.clone();
        store.epoch_deadline_callback(move |_| {
            if kept.interrupt() {
                return Err(OutOfTime.into());
            }
            let kept = kept.clone();
            let resumed = async move {
                tokio::task::yield_now().await;
                kept.resume();
            };
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(resumed)))
        });
        watch
    }

    /// A store for one instance inside somebody's program, to be called as often as that likes.
    ///
    /// The guest is interrupted at every tick, where its call can be dropped.
    pub fn embedded(engine: &Engine, embedded: Embedded) -> Store<Self> {
        let output = Output::new(embedded.lines);
        let wasi = isolated(&output)
            .envs(&embedded.environment)
            .args(&embedded.arguments)
            .build();
        let mut state = Self::new(wasi, Some(output), embedded.memory);
        state.companion = Some(embedded.companion);
        let mut store = Self::preempted(engine, state);
        store.set_hostcall_fuel(EMBEDDED_HOSTCALL_BYTES.max(embedded.memory));
        store
    }

    /// The same for an instance of a core module, which reads `input`, and writes to where `captured` keeps it, if it does.
    pub fn preview1(
        engine: &Engine,
        embedded: Embedded,
        input: Bytes,
        captured: Option<Captured>,
    ) -> Store<Self> {
        let output = Output::new(embedded.lines);
        let mut builder = isolated(&output);
        builder
            .envs(&embedded.environment)
            .args(&embedded.arguments)
            .stdin(MemoryInputPipe::new(input));
        if let Some(Captured { stdout, stderr }) = captured {
            builder.stdout(stdout).stderr(stderr);
        }
        let mut state = Self::new(WasiCtx::builder().build(), Some(output), embedded.memory);
        state.preview1 = Some(builder.build_p1());
        state.companion = Some(embedded.companion);
        Self::preempted(engine, state)
    }

    /// Its files, guarded.
    pub(crate) fn guarded_files(&mut self) -> GuardedView<'_> {
        GuardedView {
            files: WasiFilesystemCtxView {
                ctx: self.wasi.filesystem(),
                table: &mut self.table,
            },
            guard: self.guard.as_deref_mut(),
        }
    }

    /// Its files as Wasmtime has them.
    pub(crate) fn plain_files(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: self.wasi.filesystem(),
            table: &mut self.table,
        }
    }

    /// What WASI preview 1 works on.
    pub(crate) fn preview1_context(&mut self) -> &mut WasiP1Ctx {
        self.preview1
            .get_or_insert_with(|| WasiCtx::builder().build_p1())
    }

    fn preempted(engine: &Engine, state: Self) -> Store<Self> {
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.bounds);
        store.epoch_deadline_callback(|_| {
            cpu::interrupt();
            // A plain yield could be polled again at once; tokio's goes to the back of the queue.
            Ok(UpdateDeadline::YieldCustom(
                1,
                Box::pin(tokio::task::yield_now()),
            ))
        });
        store.set_epoch_deadline(1);
        store
    }

    /// A store for one command that has the process to itself: it may compute and grow for as long as it likes.
    pub fn command(engine: &Engine, wasi: WasiCtx) -> Store<Self> {
        let mut store = Store::new(engine, Self::new(wasi, None, usize::MAX));
        store.set_epoch_deadline(u64::MAX);
        store
    }

    /// Counts one more request or socket to the outside; gives their number.
    pub fn begin_outbound(&mut self) -> u32 {
        self.outbound.begun = self.outbound.begun.saturating_add(1);
        self.outbound.begun
    }

    /// Gives back so many requests and sockets to the outside, of those that were begun: another call of the guest begins.
    pub fn forgive_outbound(&mut self, count: u32) {
        self.outbound.begun = self.outbound.begun.saturating_sub(count);
    }

    /// What the embedder keeps with this instance, if there is one.
    pub fn companion(&self) -> Option<Companion> {
        self.companion.clone()
    }

    /// From now on the guest works on this; `None` when it works on several things.
    pub fn begin_errand(&mut self, errand: Option<Companion>) {
        self.errand = errand;
    }

    /// What the guest works on, if that is one thing.
    pub fn errand(&self) -> Option<Companion> {
        self.errand.clone()
    }

    /// Whether the guest once asked for more memory than it may have.
    pub fn memory_was_denied(&self) -> bool {
        self.bounds.denied
    }

    /// Takes what the guest says, if anybody listens.
    pub fn lines(&self) -> Option<&Arc<dyn Lines>> {
        Some(self.output.as_ref()?.lines())
    }

    /// Hands on what the guest wrote without a final line feed.
    pub fn finish_output(&self) {
        if let Some(output) = &self.output {
            output.finish();
        }
    }
}
