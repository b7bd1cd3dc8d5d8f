//! A component whose stores are of a site's backend, as the calls of a guest reach it.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use wasmtime::{Engine, Store};
use wisp_wasi::{Embedded, Lines, State, Stream};

use super::Room;
use super::site::{COMPONENT, Site};
use crate::capability::{Grantee, Sockets, SystemResolver};
use crate::locked::{LockedGrants, LockedLimits};
use crate::settings::{LogFormat, LogSettings};
use crate::telemetry::{Excesses, Log, Metrics, Refusals};

/// The name of each store that the component is granted.
pub(crate) const GRANTED: &str = "granted";

/// A guest that was granted one store of each kind, and all subjects.
pub(crate) struct Guest {
    store: Store<State>,
    grantee: Arc<Grantee>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Silence;

impl Lines for Silence {
    fn line(&self, _: Stream, _: &str) {}
    fn entry(&self, _: &str, _: &str, _: &str) {}
}

fn limits(room: Room) -> LockedLimits {
    let limits = json!({
        "memory": 0, "timeout_ms": 0, "concurrency": 1, "queue": 1, "queue_timeout_ms": 0, "body": 0, "headers": 0,
        "response": 0, "cpu_ms": 0, "table": 0, "handles": 0, "outbound": 0, "connections": 0, "download": 0,
        "log": 0, "store": room.store, "file": room.file, "files": 0,
    });
    serde_json::from_value(limits).unwrap()
}

fn grants() -> LockedGrants {
    LockedGrants {
        keyvalue: vec![GRANTED.into()],
        blobstore: vec![GRANTED.into()],
        sqlite: vec![GRANTED.into()],
        messaging: vec![">".into()],
        ..LockedGrants::default()
    }
}

impl Guest {
    pub(crate) fn new(site: &impl Site, room: Room) -> Self {
        let settings = LogSettings {
            format: LogFormat::Json,
            access: false,
            color: false,
        };
        let log = Log::writing_to(&settings, 0, Box::new(io::sink()));
        let metrics = Metrics::default();
        let counters = metrics.component("app", COMPONENT);
        let refusals = Refusals::new("app".into(), COMPONENT.into(), log.clone());
        let permits = Arc::new(Semaphore::new(0));
        let resolver = Arc::new(SystemResolver::default());
        let sockets = Sockets::new(&[], 0, permits, refusals.clone(), resolver);
        let grantee = Arc::new(Grantee {
            app: "app".into(),
            component: COMPONENT.into(),
            grants: grants(),
            limits: limits(room),
            stores: site.stores(room),
            refusals,
            sockets: sockets.unwrap(),
            log: log.clone(),
            excesses: Excesses::new("app", COMPONENT, log, counters, 0),
        });
        let embedded = Embedded {
            lines: Arc::new(Silence),
            environment: Vec::new(),
            arguments: Vec::new(),
            memory: 0,
            companion: grantee.clone(),
        };
        Self {
            store: State::embedded(&Engine::default(), embedded),
            grantee,
            metrics,
        }
    }

    /// What its calls work on.
    pub(crate) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// How often it ran into limits, by the name of the counter.
    pub(crate) fn count(&self, counter: &str) -> Value {
        self.metrics.snapshot()["components"][0][counter].clone()
    }

    /// What it was refused.
    pub(crate) fn denied(&self) -> Vec<Value> {
        self.grantee.refusals.list()
    }
}
