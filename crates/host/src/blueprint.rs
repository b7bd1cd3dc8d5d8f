//! Makes the store of each instance of one component, and says whose lines its guest writes.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::ResourceTableError;
use wasmtime::{Engine, Store};
use wisp_wasi::{
    Allowance, Folder, Folders, Limit, Lines, Listener, Meter, OutOfTime, Peers, Room, State,
    Stream,
};

use crate::capability::Grantee;
use crate::locked::{LockedApp, LockedComponent};
use crate::pool::InvokeError;
use crate::telemetry::{Excesses, Log, Refusals, RequestId};

/// What all instances of one component have in common.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) app: Arc<str>,
    pub(crate) component: Arc<str>,
    pub(crate) log: Log,
    pub(crate) grantee: Arc<Grantee>,
    allowance: Allowance,
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
}

impl Lines for RequestLines {
    fn line(&self, stream: Stream, text: &str) {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let request = *self.request.lock().unwrap_or_else(PoisonError::into_inner);
        self.excesses.guest_line(request, stream, text);
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
    let granted = component.grants.files.iter().map(|folder| Folder {
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
    let granted: Vec<_> = granted.collect();
    Ok(Some(Folders::open(&granted, room, listener)?))
}

impl Blueprint {
    /// `peers` are the components that this one reaches; `None` when it is linked to none.
    pub(crate) fn new(
        (app, name): (&LockedApp, &str),
        component: &LockedComponent,
        excesses: Arc<Excesses>,
        peers: Option<Arc<dyn Peers>>,
        workers: u32,
    ) -> wasmtime::Result<Self> {
        let log = excesses.log().clone();
        let (app, state): (Arc<str>, _) = (app.name.as_str().into(), app.state.clone());
        let name: Arc<str> = name.into();
        let grantee = Arc::new(Grantee {
            app: app.clone(),
            component: name.clone(),
            grants: component.grants.clone(),
            limits: component.limits,
            state,
            refusals: Refusals::new(app.clone(), name.clone(), log.clone()),
            excesses: excesses.clone(),
        });
        let folders = folders(component, &grantee, workers)?;
        let allowance = Allowance {
            folders,
            environment: component.environment.clone().into_iter().collect(),
            memory: usize::try_from(component.limits.memory).unwrap_or(usize::MAX),
            table: usize::try_from(component.limits.table).unwrap_or(usize::MAX),
            handles: usize::try_from(component.limits.handles).unwrap_or(usize::MAX),
            meter: excesses,
            peers,
            egress: None,
            companion: grantee.clone(),
        };
        Ok(Self {
            app,
            component: name,
            log,
            grantee,
            allowance,
        })
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
