//! What the benches share: guests made of text, and the host that runs them as in a worker.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each bench uses a part of it, and what helps a bench may fail"
)]

pub(crate) mod bare;
pub(crate) mod guests;

use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use wisp_host::trigger::Run;
use wisp_host::{Host, Profile, Resources, Start, Strategy, compile};

/// One component of the app.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) wasm: Vec<u8>,
    /// Calls that an instance answers.
    pub(crate) reuse: u32,
    /// Interface, and the component that answers it by a bridged link.
    pub(crate) link: Option<(&'static str, &'static str)>,
    /// Whether it exports the handler that [`Worker::run`] calls.
    pub(crate) job: bool,
}

impl Part {
    /// A component that can be run, with a fresh instance each time.
    pub(crate) fn job(name: &'static str, wasm: Vec<u8>) -> Self {
        Self {
            name,
            wasm,
            reuse: 1,
            link: None,
            job: true,
        }
    }

    fn locked(&self) -> serde_json::Value {
        let links: BTreeMap<_, _> = self
            .link
            .iter()
            .map(|(interface, component)| {
                let link = serde_json::json!({"component": component, "mode": "bridged"});
                (*interface, link)
            })
            .collect();
        serde_json::json!({
            "digest": self.name,
            "environment": {},
            "grants": {
                "http": [], "sockets": [], "files": [], "keyvalue": [], "blobstore": [], "sqlite": [], "messaging": [],
                "config": {},
            },
            "limits": {
                "memory": 64 << 20, "timeout_ms": 60_000, "concurrency": 8, "queue": 8, "queue_timeout_ms": 5000,
                "body": 1 << 20, "headers": 64 << 10, "response": 1 << 30, "cpu_ms": 60_000, "table": 1_000_000,
                "handles": 10_000, "outbound": 100, "connections": 100, "download": 64 << 20, "log": 1 << 20,
                "store": 1 << 30, "file": 1 << 28, "files": 100,
            },
            "instances": {"reuse": self.reuse, "idle_ms": 600_000, "concurrency": 1},
            "links": links,
        })
    }

    fn artifact(&self, folder: &TempDir) -> serde_json::Value {
        let resources = Resources {
            core_instances: 4,
            memories: 1,
            tables: 2,
            table_elements: 1000,
        };
        let bytes = compile(&self.wasm, Profile::Sync, Strategy::Cranelift).unwrap();
        let path = folder.path().join(self.name);
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        serde_json::json!({"path": path, "size": bytes.len(), "profile": "sync", "resources": resources})
    }
}

fn start(folder: &TempDir, parts: &[Part]) -> Start {
    let named = |make: &dyn Fn(&Part) -> serde_json::Value| {
        let pairs = parts.iter().map(|part| (part.name.to_owned(), make(part)));
        serde_json::Value::Object(pairs.collect())
    };
    let jobs = parts.iter().filter(|part| part.job).map(|part| {
        let (schedule, timezone) = ("* * * * *", "UTC");
        serde_json::json!({"schedule": schedule, "timezone": timezone, "overlap": false, "component": part.name})
    });
    let start = serde_json::json!({
        "settings": {
            "worker": 0,
            "workers": 1,
            "compiler_strategy": "cranelift",
            "log": {"format": "json", "access": false, "color": false},
            "http": {
                "tls": null, "header_bytes": 65536, "header_timeout_ms": 10_000, "keep_alive_ms": 75_000,
                "max_connections": 1000, "trusted_proxies": [],
            },
        },
        "apps": [{
            "schema": 1,
            "name": "bench",
            "version": "0.1.0",
            "http": [],
            "cron": jobs.collect::<Vec<_>>(),
            "state": folder.path().join("state"),
            "components": named(&Part::locked),
        }],
        "artifacts": named(&|part| part.artifact(folder)),
    });
    serde_json::from_value(start).unwrap()
}

/// An app on a runtime with one thread, as in a worker.
pub(crate) struct Worker {
    pub(crate) runtime: Runtime,
    host: Host,
    _folder: TempDir,
}

impl Worker {
    pub(crate) fn new(parts: &[Part]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let host = {
            let _inside = runtime.enter();
            Host::load(start(&folder, parts)).unwrap()
        };
        let worker = Self {
            runtime,
            host,
            _folder: folder,
        };
        // What is measured afterwards must be a success.
        for part in parts.iter().filter(|part| part.job) {
            let failure = worker.runtime.block_on(worker.run(order(part.name)));
            assert_eq!(failure, None, "{} fails", part.name);
        }
        worker
    }

    /// Runs a component once; gives why it failed.
    pub(crate) fn run(&self, order: Run) -> impl Future<Output = Option<String>> + use<> {
        let run = self.host.run(order);
        async move { run.await.0.failure }
    }
}

/// What tells a worker to run this component.
pub(crate) fn order(component: &str) -> Run {
    Run {
        app: "bench".into(),
        component: component.into(),
        schedule: "* * * * *".into(),
        timezone: "UTC".into(),
        planned: 1_700_000_000,
        id: "0123456789abcdef0123456789abcdef".into(),
    }
}
