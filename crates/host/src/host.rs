//! The facade of the core: loads locked apps and serves them.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Linker};
use wisp_wasi::{Peers, State};

use crate::blueprint::Blueprint;
use crate::demand::{Demand, Image};
use crate::engine::RunningEngine;
use crate::error::HostError;
use crate::link::{self, Callee, Linked};
use crate::locked::{Artifact, EngineKind, LinkMode, LockedApp, LockedComponent, Profile, SCHEMA};
use crate::pool::{Place, Pool, PoolStatus, Share, Slots};
use crate::settings::{Settings, Start};
use crate::shutdown::Shutdown;
use crate::telemetry::{Excesses, Log, Metrics, Refusals};
use crate::trigger::http::Server;
use crate::trigger::router::{Route, Router};

/// How often instances that nobody used are looked for.
const RETIREMENT: Duration = Duration::from_millis(500);

/// Loaded apps, ready to serve.
#[derive(Debug)]
pub struct Host {
    server: Server<Pool>,
    pools: Vec<Arc<Pool>>,
    metrics: Metrics,
    log: Log,
}

/// What a pool does, with whose pool it is.
#[derive(Debug, serde::Serialize)]
struct NamedStatus<'a> {
    app: &'a str,
    component: &'a str,
    #[serde(flatten)]
    status: PoolStatus,
}

impl Host {
    /// Maps the artifacts, links every component and checks that it exports what its trigger needs.
    pub fn load(start: &Start) -> Result<Self, HostError> {
        let Start { settings, apps, .. } = start;
        let log = Log::start(&settings.log, settings.worker);
        let metrics = Metrics::default();
        let mut loader = Loader::new(start, &log, &metrics)?;
        let mut pools = Vec::new();
        let mut routes = Vec::new();
        for app in apps {
            let made = loader.app(app)?;
            for route in &app.http {
                let wrong = |problem: &str| {
                    let (route, component) = (&route.route, &route.component);
                    HostError::Routes(format!("{route} leads to {problem} `{component}`"))
                };
                let pool = made
                    .get(route.component.as_str())
                    .ok_or_else(|| wrong("the unknown component"))?;
                if !pool.serves_http() {
                    return Err(wrong("a component that does not serve HTTP:"));
                }
                routes.push(Route::new(
                    &route.route,
                    &route.methods,
                    &route.hosts,
                    pool.clone(),
                ));
            }
            pools.extend(made.into_values());
        }
        let table = Router::new(routes).map_err(|error| HostError::Routes(error.to_string()))?;
        let server = Server::new(&settings.http, table, log.clone(), metrics.clone())?;
        Ok(Self {
            server,
            pools,
            metrics,
            log,
        })
    }

    /// Serves HTTP on `listener` until `shutdown` has drained every connection.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) -> Result<(), HostError> {
        let pools = self.pools.clone();
        let retirement = tokio::spawn(async move {
            let mut interval = tokio::time::interval(RETIREMENT);
            loop {
                interval.tick().await;
                for pool in &pools {
                    pool.retire_idle();
                }
            }
        });
        let served = self.server.serve(listener, shutdown).await;
        retirement.abort();
        served
    }

    /// Counters and what goes on now.
    pub fn metrics(&self) -> serde_json::Value {
        let named = |pool: &'_ Arc<Pool>| {
            serde_json::json!(NamedStatus {
                app: pool.app(),
                component: pool.component(),
                status: pool.status()
            })
        };
        let mut value = self.metrics.snapshot();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("pools".into(), self.pools.iter().map(named).collect());
            let refusals = || self.pools.iter().map(|pool| pool.refusals());
            let denials: u64 = refusals().map(Refusals::count).sum();
            fields.insert("denials".into(), denials.into());
            let denied: Vec<_> = refusals().flat_map(Refusals::list).collect();
            fields.insert("denied".into(), denied.into());
        }
        value
    }

    /// Where this host writes its lines.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

/// An engine with its linker.
struct Ground {
    running: RunningEngine,
    linker: Linker<State>,
    place: Place,
}

/// A component with its imports answered, and what it reaches by name.
type Joined = (InstancePre<State>, Option<Arc<dyn Peers>>);

/// Makes pools; components with the same digest share their code.
struct Loader<'a> {
    settings: &'a Settings,
    artifacts: &'a BTreeMap<String, Artifact>,
    log: &'a Log,
    metrics: &'a Metrics,
    grounds: BTreeMap<(EngineKind, Image), Ground>,
    loaded: HashMap<&'a str, Component>,
}

impl<'a> Loader<'a> {
    fn new(start: &'a Start, log: &'a Log, metrics: &'a Metrics) -> Result<Self, HostError> {
        let Start {
            settings,
            apps,
            artifacts,
        } = start;
        let mut demands = BTreeMap::<(EngineKind, Image), Demand>::new();
        for app in apps {
            if app.schema != SCHEMA {
                return Err(HostError::Routes(format!(
                    "the locked app has schema {} instead of {SCHEMA}",
                    app.schema
                )));
            }
            for component in app.components.values() {
                let artifact = find(artifacts, &component.digest)?;
                let instances = settings.share(component.limits.concurrency);
                let image = Image::of(artifact);
                let demand = demands
                    .entry((EngineKind::of(artifact), image))
                    .or_insert_with(|| Demand::of(image));
                demand.add(instances, &artifact.resources, component.limits.memory);
            }
        }
        let ground = |(kind, demand): ((EngineKind, Image), Demand)| {
            let ground = Ground::new(kind.0, &demand, settings)?;
            ground.running.warn_if_short(log);
            Ok((kind, ground))
        };
        let grounds = demands
            .into_iter()
            .map(ground)
            .collect::<Result<_, HostError>>()?;
        Ok(Self {
            settings,
            artifacts,
            log,
            metrics,
            grounds,
            loaded: HashMap::new(),
        })
    }

    /// The pools of one app by name; a component's is made after those of all that it is linked to.
    fn app(&mut self, app: &'a LockedApp) -> Result<BTreeMap<&'a str, Arc<Pool>>, HostError> {
        let links = app.components.iter().map(|(name, component)| {
            let linked = component.links.values();
            let linked = linked.map(|link| link.component.as_str()).collect();
            (name.as_str(), linked)
        });
        let links: BTreeMap<&str, Vec<&str>> = links.collect();
        let order = link::in_order(&links).map_err(HostError::Links)?;
        let mut pools = BTreeMap::new();
        for name in order {
            let component = app.components.get(name).ok_or_else(|| {
                HostError::Links(format!("there is no component `{name}` to be linked to"))
            })?;
            let called = links.values().flatten().any(|linked| *linked == name);
            let pool = self.pool((app, name), component, &pools, called)?;
            pools.insert(name, pool);
        }
        Ok(pools)
    }

    fn pool(
        &mut self,
        (app, name): (&LockedApp, &str),
        component: &'a LockedComponent,
        pools: &BTreeMap<&str, Arc<Pool>>,
        called: bool,
    ) -> Result<Arc<Pool>, HostError> {
        let wrong = |error: wasmtime::Error| HostError::Component {
            component: name.to_owned(),
            message: format!("{error:#}"),
        };
        let artifact = find(self.artifacts, &component.digest)?;
        let ground = self
            .grounds
            .get(&(EngineKind::of(artifact), Image::of(artifact)))
            .ok_or_else(|| HostError::Engine("an engine profile is missing".into()))?;
        let code = match self.loaded.get(component.digest.as_str()) {
            Some(code) => code.clone(),
            None => ground.running.load(&component.digest, artifact)?,
        };
        self.loaded.insert(&component.digest, code.clone());
        let (pre, peers) = ground.link(name, &code, component, pools).map_err(wrong)?;
        let share = Share {
            concurrency: self.settings.share(component.limits.concurrency),
            queue: self.settings.share(component.limits.queue),
        };
        let excesses = Excesses::new(
            &app.name,
            name,
            self.log.clone(),
            self.metrics.component(&app.name, name),
            self.settings.share_of_bytes(component.limits.log),
        );
        let workers = self.settings.workers;
        let blueprint = Blueprint::new((app, name), component, excesses, peers, workers);
        let blueprint = blueprint.map_err(wrong)?;
        Pool::new(blueprint, component, share, pre, &ground.place, called).map_err(wrong)
    }
}

impl Ground {
    fn new(kind: EngineKind, demand: &Demand, settings: &Settings) -> Result<Self, HostError> {
        let profile = kind.profile;
        let running =
            RunningEngine::new(kind, settings.compiler_strategy, demand, settings.workers)?;
        let linker = wisp_wasi::linker(&running.engine, profile == Profile::Async)
            .map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let slots = Slots::new(running.slots.clone());
        let place = Place {
            profile,
            engine: running.engine.clone(),
            slots,
        };
        Ok(Self {
            running,
            linker,
            place,
        })
    }

    /// Links the imports of a component: to WASI, and to those of `pools` that its manifest names.
    fn link(
        &self,
        name: &str,
        code: &Component,
        component: &LockedComponent,
        pools: &BTreeMap<&str, Arc<Pool>>,
    ) -> wasmtime::Result<Joined> {
        if component.links.is_empty() {
            return Ok((self.linker.instantiate_pre(code)?, None));
        }
        let (mut linker, mut peers) = (self.linker.clone(), Linked::default());
        for (interface, link) in &component.links {
            let LinkMode::Bridged = link.mode;
            let callee: Arc<dyn Callee> = match pools.get(link.component.as_str()) {
                Some(pool) => pool.clone(),
                None => wasmtime::bail!("`{}` is not there to be linked to", link.component),
            };
            if let Some(name) = link::peer(interface) {
                peers.add(name, callee);
                continue;
            }
            link::bridge(&mut linker, (name, code), interface, &callee)?;
            peers.add(&link.component, callee);
        }
        Ok((linker.instantiate_pre(code)?, Some(Arc::new(peers))))
    }
}

fn find<'a>(
    artifacts: &'a BTreeMap<String, Artifact>,
    digest: &str,
) -> Result<&'a Artifact, HostError> {
    artifacts.get(digest).ok_or_else(|| HostError::Artifact {
        digest: digest.to_owned(),
        message: "the control plane named none".into(),
    })
}
