//! An app of compiled guests, served.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpStream;
use wisp_host::lattice::LatticeSettings;
use wisp_host::{
    Artifact, Convention, Host, HostError, LinkMode, LockedApp, LockedComponent, LockedGrants,
    LockedInstances, LockedLimits, LockedLink, LockedRoute, LogFormat, LogSettings, Profile,
    Resources, Settings, Shutdown, Start, Strategy,
};

use super::guests::artifact;
use super::http_support::{Client, settings};

/// One component of an app.
pub(crate) struct Part {
    name: &'static str,
    wasm: Vec<u8>,
    profile: Profile,
    timeout_ms: u64,
    reuse: u32,
    concurrency: u32,
    queue: u32,
    body: u64,
    links: Vec<(&'static str, &'static str)>,
    mode: LinkMode,
    idempotent: bool,
    offers: BTreeMap<String, Vec<String>>,
    grants: LockedGrants,
    routed: bool,
}

impl Part {
    pub(crate) fn new(name: &'static str, wasm: Vec<u8>) -> Self {
        Self {
            name,
            wasm,
            profile: Profile::Sync,
            timeout_ms: 20_000,
            reuse: 1,
            concurrency: 8,
            queue: 8,
            body: 1 << 20,
            links: Vec::new(),
            mode: LinkMode::Bridged,
            idempotent: false,
            offers: offers(&[("test:links/numbers", "app"), ("test:links/it", "app")]),
            grants: LockedGrants::default(),
            routed: false,
        }
    }

    /// With a route of its own, which is its name.
    pub(crate) fn routed(self) -> Self {
        Self {
            routed: true,
            ..self
        }
    }

    pub(crate) fn on(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    pub(crate) fn timeout_ms(self, timeout_ms: u64) -> Self {
        Self { timeout_ms, ..self }
    }

    pub(crate) fn reuse(self, reuse: u32) -> Self {
        Self { reuse, ..self }
    }

    /// How many calls may be in progress, and how many wait.
    pub(crate) fn at_once(self, concurrency: u32, queue: u32) -> Self {
        Self {
            concurrency,
            queue,
            ..self
        }
    }

    /// Bytes that a body may have.
    pub(crate) fn body(self, body: u64) -> Self {
        Self { body, ..self }
    }

    pub(crate) fn linked(mut self, interface: &'static str, component: &'static str) -> Self {
        self.links.push((interface, component));
        self
    }

    /// As an app that may be elsewhere, though it is here.
    pub(crate) fn remotely(self) -> Self {
        Self {
            mode: LinkMode::Remote,
            ..self
        }
    }

    /// Calls may be made again that may have run.
    pub(crate) fn idempotent(self) -> Self {
        Self {
            idempotent: true,
            ..self
        }
    }

    /// What it offers to other apps, where it is offered.
    pub(crate) fn offering(self, given: &[(&str, &str)]) -> Self {
        Self {
            offers: offers(given),
            ..self
        }
    }

    pub(crate) fn granted(self, grants: LockedGrants) -> Self {
        Self { grants, ..self }
    }

    fn locked(&self, manner: Manner) -> LockedComponent {
        let links = self.links.iter().map(|(interface, component)| {
            let link = LockedLink {
                component: (*component).to_owned(),
                mode: match manner {
                    Manner::Apart => LinkMode::Remote,
                    _ => self.mode,
                },
                app: (manner == Manner::Apart).then(|| "other".to_owned()),
                idempotent: self.idempotent,
            };
            ((*interface).to_owned(), link)
        });
        LockedComponent {
            digest: self.name.to_owned(),
            environment: BTreeMap::new(),
            grants: self.grants.clone(),
            limits: LockedLimits {
                memory: 16 << 20,
                timeout_ms: self.timeout_ms,
                concurrency: self.concurrency,
                queue: self.queue,
                // Who must not wait does not have to wait for that.
                queue_timeout_ms: if self.queue == 0 { 1 } else { 5000 },
                body: self.body,
                headers: 64 << 10,
                response: 1 << 30,
                cpu_ms: 10_000,
                table: 1_000_000,
                handles: 10_000,
                outbound: 100,
                connections: 100,
                download: 64 << 20,
                log: 1 << 20,
                store: 1 << 30,
                file: 1 << 28,
                files: 100,
            },
            instances: LockedInstances {
                reuse: self.reuse,
                idle_ms: 60_000,
                concurrency: 1,
            },
            links: links.collect(),
            offers: match manner {
                Manner::Offering => self.offers.clone(),
                _ => BTreeMap::new(),
            },
        }
    }
}

/// Interfaces, each to one app.
fn offers(given: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
    let each = given.iter();
    each.map(|(interface, app)| ((*interface).to_owned(), vec![(*app).to_owned()]))
        .collect()
}

/// Where the components are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// On one host.
    Together,
    /// The links lead to the app `other`, which is elsewhere.
    Apart,
    /// This is the app `other`, which has no routes.
    Offering,
}

/// All paths lead to `route`, and those of the parts that ask for it to them.
fn routes(parts: &[Part], route: &str) -> Vec<LockedRoute> {
    let own = parts.iter().filter(|part| part.routed);
    let own = own.map(|part| (format!("/{}", part.name), part.name));
    let all = std::iter::once(("/...".to_owned(), route)).chain(own);
    let locked = all.map(|(route, component)| LockedRoute {
        route,
        methods: vec![],
        hosts: vec![],
        component: Some(component.to_owned()),
        response: None,
        convention: Convention::Wisp,
    });
    locked.collect()
}

fn start(folder: &TempDir, parts: &[Part], manner: Manner) -> Start {
    let resources = Resources {
        core_instances: 4,
        memories: 1,
        tables: 2,
        table_elements: 1000,
    };
    let artifacts = parts.iter().map(|part| {
        let path = folder.path().join(part.name);
        let bytes = artifact(&part.wasm, part.profile);
        std::fs::write(&path, &bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let artifact = Artifact {
            path,
            size: u64::try_from(bytes.len()).unwrap(),
            profile: part.profile,
            resources,
        };
        (part.name.to_owned(), artifact)
    });
    let app = LockedApp {
        schema: 1,
        name: if manner == Manner::Offering {
            "other"
        } else {
            "app"
        }
        .into(),
        version: "0.1.0".into(),
        http: match manner {
            Manner::Offering => vec![],
            _ => routes(parts, parts[0].name),
        },
        cron: vec![],
        messaging: vec![],
        state: folder.path().join("state"),
        components: parts
            .iter()
            .map(|part| (part.name.to_owned(), part.locked(manner)))
            .collect(),
    };
    Start {
        artifacts: artifacts.collect(),
        apps: vec![app],
        lattice: None,
        nats: None,
        settings: Settings {
            worker: 0,
            workers: 1,
            compiler_strategy: Strategy::Cranelift,
            log: LogSettings {
                format: LogFormat::Json,
                access: false,
                color: false,
            },
            http: settings(),
        },
    }
}

/// Why an app with these parts does not load.
pub(crate) fn refusal(parts: &[Part]) -> String {
    let folder = tempfile::tempdir().unwrap();
    match Host::load(start(&folder, parts, Manner::Together)) {
        Ok(_) => panic!("it loads"),
        Err(error) => error.to_string(),
    }
}

/// A served app; the first part answers all requests.
pub(crate) type App = Served;

/// A served app.
pub(crate) struct Served {
    address: SocketAddr,
    shutdown: Shutdown,
    serving: tokio::task::JoinHandle<Result<(), HostError>>,
    host: Arc<Host>,
    _folder: TempDir,
}

impl Served {
    pub(crate) fn serve(parts: &[Part]) -> Self {
        Self::new(parts, Manner::Together)
    }

    /// The same in a lattice.
    pub(crate) fn new(parts: &[Part], manner: Manner) -> Self {
        Self::joined(parts, manner, None)
    }

    /// The same as a host of a lattice.
    pub(crate) fn joined(parts: &[Part], manner: Manner, lattice: Option<LatticeSettings>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut start = start(&folder, parts, manner);
        start.lattice = lattice;
        let host = Arc::new(Host::load(start).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let serving = tokio::spawn({
            let (host, shutdown) = (host.clone(), shutdown.clone());
            async move { host.serve(listener, shutdown).await }
        });
        Self {
            address,
            shutdown,
            serving,
            host,
            _folder: folder,
        }
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// The status of the answer to one request.
    pub(crate) async fn status(&self) -> u16 {
        self.status_at("/").await
    }

    /// The same for a path.
    pub(crate) async fn status_at(&self, path: &str) -> u16 {
        let mut client = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        client.send(&request).await;
        client.reply().await.status
    }

    /// What its components were refused, each kind once.
    pub(crate) fn denied(&self) -> Vec<serde_json::Value> {
        self.host.metrics()["denied"].as_array().unwrap().clone()
    }

    /// The components that are loaded.
    pub(crate) fn loaded(&self) -> BTreeSet<String> {
        let metrics = self.host.metrics();
        let pools = metrics["pools"].as_array().unwrap();
        let names = pools.iter().map(|pool| pool["component"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }

    /// Waits until no call of this component is in progress.
    pub(crate) async fn idle(&self, component: &str) {
        while self.active(component) > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until one is.
    pub(crate) async fn busy(&self, component: &str) {
        while self.active(component) == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn active(&self, component: &str) -> u64 {
        let metrics = self.host.metrics();
        let pools = metrics["pools"].as_array().unwrap();
        let pool = pools.iter().find(|pool| pool["component"] == component);
        pool.unwrap()["active"].as_u64().unwrap()
    }

    pub(crate) async fn end(self) {
        self.shutdown.close();
        self.serving.await.unwrap().unwrap();
    }
}
