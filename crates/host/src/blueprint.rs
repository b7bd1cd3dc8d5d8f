//! Makes the store of each instance of one component, and says whose lines its guest writes.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::{Engine, Store};
use wisp_wasi::{Allowance, Lines, Peers, State, Stream};

use crate::capability::Grantee;
use crate::locked::{LockedApp, LockedComponent};
use crate::telemetry::{Log, Refusals, RequestId, Whose};

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
    log: Log,
    app: Arc<str>,
    component: Arc<str>,
    request: Mutex<Option<RequestId>>,
}

impl RequestLines {
    /// From now on lines belong to this request; `None` when several are in progress at once.
    pub(crate) fn begin(&self, request: Option<RequestId>) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    fn whose(&self) -> Whose<'_> {
        Whose {
            app: Some(&self.app),
            component: Some(&self.component),
            id: *self.request.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Lines for RequestLines {
    fn line(&self, stream: Stream, text: &str) {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        self.log.guest(self.whose(), stream, text);
    }

    fn entry(&self, level: &str, context: &str, message: &str) {
        self.log.entry(self.whose(), level, context, message);
    }
}

impl Blueprint {
    /// `peers` are the components that this one reaches; `None` when it is linked to none.
    pub(crate) fn new(
        app: &LockedApp,
        name: &str,
        component: &LockedComponent,
        log: Log,
        peers: Option<Arc<dyn Peers>>,
    ) -> Self {
        let (app, state): (Arc<str>, _) = (app.name.as_str().into(), app.state.clone());
        let name: Arc<str> = name.into();
        let grantee = Arc::new(Grantee {
            app: app.clone(),
            component: name.clone(),
            grants: component.grants.clone(),
            limits: component.limits,
            state,
            refusals: Refusals::new(app.clone(), name.clone(), log.clone()),
            log: log.clone(),
            databases: Mutex::default(),
        });
        let allowance = Allowance {
            environment: component.environment.clone().into_iter().collect(),
            memory: usize::try_from(component.limits.memory).unwrap_or(usize::MAX),
            peers,
            egress: None,
            companion: grantee.clone(),
        };
        Self {
            app,
            component: name,
            log,
            grantee,
            allowance,
        }
    }

    /// Whether it is linked to other components, whose streams it may hand on.
    pub(crate) fn is_linked(&self) -> bool {
        self.allowance.peers.is_some()
    }

    /// A store for a new instance, and its lines.
    pub(crate) fn store(&self, engine: &Engine) -> (Store<State>, Arc<RequestLines>) {
        let lines = Arc::new(RequestLines {
            log: self.log.clone(),
            app: self.app.clone(),
            component: self.component.clone(),
            request: Mutex::default(),
        });
        let store = State::service(engine, lines.clone(), &self.allowance);
        (store, lines)
    }
}
