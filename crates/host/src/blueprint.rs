//! Makes the store of each instance of one component, and says whose lines its guest writes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use wasmtime::component::ResourceTableError;
use wasmtime::{Engine, Store};
use wisp_wasi::{
    Allowance, Folder, Folders, Limit, Lines, Listener, Meter, OutOfTime, Peers, Room, State,
    Stream,
};

use crate::capability::{
    Grantee, OutboundBounds, OutboundHttp, Sockets, SystemResolver, local_stores,
};
use crate::locked::LockedComponent;
use crate::pool::InvokeError;
use crate::settings::Settings;
use crate::snapshot::Snapshots;
use crate::telemetry::{Excesses, Log, Refusals, RequestId, Whose};

/// The app that a component belongs to.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) app: Arc<str>,
    /// The folder of its stores.
    pub(crate) state: PathBuf,
    /// The names of its components.
    pub(crate) components: Arc<BTreeSet<String>>,
}

/// What all instances of one component have in common.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) app: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) log: Log,
    pub(crate) grantee: Arc<Grantee>,
    allowance: Allowance,
    egress: OutboundHttp,
    connections: Arc<Semaphore>,
    most_connections: u32,
    /// What the memories of an instance begin with.
    pub(crate) snapshots: Snapshots,
}

/// What became of the requests to the outside, and the connections that are open now, raw sockets too.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct OutboundStatus {
    requests: u64,
    failures: u64,
    connections: u32,
}

/// The lines of one instance, as log lines of the request that it serves.
#[derive(Debug)]
pub(crate) struct RequestLines {
    excesses: Arc<Excesses>,
    request: Mutex<Option<RequestId>>,
}

impl RequestLines {
    /// From now on lines belong to this request; `None` when several are in progress at once.
    pub(crate) fn begin(&self, request: Option<RequestId>) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    fn whose(&self) -> Whose<'_> {
        let request = *self.request.lock().unwrap_or_else(PoisonError::into_inner);
        self.excesses.whose(request)
    }
}

impl Lines for RequestLines {
    fn line(&self, stream: Stream, text: &str) {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        self.excesses.guest_line(self.whose(), stream, text);
    }

    fn entry(&self, level: &str, context: &str, message: &str) {
        self.excesses.entry(self.whose(), level, context, message);
    }
}

/// The folders of a component, opened; `None` where it has none.
fn folders(
    component: &LockedComponent,
    grantee: &Grantee,
    workers: u32,
) -> wasmtime::Result<Option<Arc<Folders>>> {
    if component.grants.files.is_empty() {
        return Ok(None);
    }
    let wanted = component.grants.files.iter().map(|folder| Folder {
        source: folder.source.clone(),
        mount: folder.mount.clone(),
        write: folder.write,
    });
    let room = Room {
        files: usize::try_from(component.limits.files).unwrap_or(usize::MAX),
        file: component.limits.file,
        store: component.limits.store,
        workers,
    };
    let listener = Listener {
        denials: grantee.refusals.clone(),
        meter: grantee.excesses.clone(),
    };
    let wanted: Vec<_> = wanted.collect();
    Ok(Some(Folders::open(&wanted, room, listener)?))
}

impl Blueprint {
    /// `peers` are the components that this one reaches; `None` when it is linked to none. The error says which grant cannot be used.
    pub(crate) fn new(
        (home, name): (&Home, &str),
        component: &LockedComponent,
        excesses: Arc<Excesses>,
        peers: Option<Arc<dyn Peers>>,
        settings: &Settings,
    ) -> Result<Self, String> {
        let log = excesses.log().clone();
        let most_connections = settings.share(component.limits.connections);
        let (app, name): (_, Arc<str>) = (home.app.clone(), name.into());
        let (grants, limits) = (&component.grants, component.limits);
        let refusals = Refusals::new(app.clone(), name.clone(), log.clone());
        let connections = Arc::new(Semaphore::new(
            usize::try_from(most_connections).unwrap_or(Semaphore::MAX_PERMITS),
        ));
        let resolver = Arc::new(SystemResolver::default());
        let sockets = Sockets::new(
            &grants.sockets,
            limits.outbound,
            connections.clone(),
            refusals.clone(),
            resolver.clone(),
        )?;
        let bounds = OutboundBounds {
            calls: limits.outbound,
            download: limits.download,
            connections: connections.clone(),
        };
        let egress = OutboundHttp::new(&grants.http, bounds, refusals.clone(), resolver)?
            .beside(&home.components);
        let grantee = Arc::new(Grantee {
            app: app.clone(),
            component: name.clone(),
            grants: grants.clone(),
            limits,
            stores: local_stores(&name, &home.state, limits),
            refusals,
            sockets,
            excesses: excesses.clone(),
            log: log.clone(),
        });
        let folders =
            folders(component, &grantee, settings.workers).map_err(|error| format!("{error:#}"))?;
        let allowance = Allowance {
            folders,
            environment: component.environment.clone().into_iter().collect(),
            memory: usize::try_from(limits.memory).unwrap_or(usize::MAX),
            table: usize::try_from(limits.table).unwrap_or(usize::MAX),
            handles: usize::try_from(limits.handles).unwrap_or(usize::MAX),
            meter: excesses,
            peers,
            egress: Some(Arc::new(egress.clone())),
            companion: grantee.clone(),
        };
        Ok(Self {
            app,
            component: name,
            log,
            grantee,
            allowance,
            egress,
            connections,
            most_connections,
            snapshots: Snapshots::default(),
        })
    }

    /// The same, with memories that begin with these.
    pub(crate) fn beginning_with(self, snapshots: Snapshots) -> Self {
        Self { snapshots, ..self }
    }

    /// What goes on between it and the outside.
    pub(crate) fn outbound(&self) -> OutboundStatus {
        let free = u32::try_from(self.connections.available_permits()).unwrap_or(u32::MAX);
        OutboundStatus {
            requests: self.egress.requests(),
            failures: self.egress.failures(),
            connections: self.most_connections.saturating_sub(free),
        }
    }

    /// Whether it is linked to other components, whose streams it may hand on.
    pub(crate) fn is_linked(&self) -> bool {
        self.allowance.peers.is_some()
    }

    /// What a failed call of a guest means.
    pub(crate) fn fault(&self, error: &wasmtime::Error) -> InvokeError {
        let message = format!("{error:#}");
        if error.is::<OutOfTime>() {
            return InvokeError::CpuTime(self.grantee.limits.cpu_ms);
        }
        let full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
        // Wasmtime has no type for this one.
        if full || message.contains("store handle limit exceeded") {
            self.grantee.excesses.exceeded(Limit::Handles);
        }
        InvokeError::Trap { message }
    }

    /// A store for a new instance, and its lines.
    pub(crate) fn store(&self, engine: &Engine) -> (Store<State>, Arc<RequestLines>) {
        let lines = Arc::new(RequestLines {
            excesses: self.grantee.excesses.clone(),
            request: Mutex::default(),
        });
        let store = State::service(engine, lines.clone(), &self.allowance);
        (store, lines)
    }
}
