//! The facade of the core: loads locked apps and serves them.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Linker};
use wisp_wasi::{OWN_HOST, Peers, State};

use crate::blueprint::{Blueprint, OutboundStatus};
use crate::capability;
use crate::demand::{Demand, Image};
use crate::engine::RunningEngine;
use crate::error::HostError;
use crate::link::{self, Callee};
use crate::locked::{
    Artifact, EngineKind, LinkMode, LockedApp, LockedComponent, LockedRoute, Profile, SCHEMA,
};
use crate::peers::{self, Destination, Neighbourhood, Reach};
use crate::pool::{Place, Pool, PoolStatus, Share, Slots};
use crate::settings::{Settings, Start};
use crate::shutdown::Shutdown;
use crate::telemetry::{Excesses, Log, Metrics, Refusals};
use crate::trigger::cron::{InProgress, Jobs, Ran, Run};
use crate::trigger::fixed::{Fixed, Target};
use crate::trigger::http::Server;
use crate::trigger::router::{Route, Router};

/// How often instances that nobody used are looked for.
const RETIREMENT: Duration = Duration::from_millis(500);

/// Loaded apps, ready to serve.
#[derive(Debug)]
pub struct Host {
    server: Server<Target>,
    jobs: Jobs,
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
    /// What it was refused, how often.
    denials: u64,
    outbound: OutboundStatus,
}

impl Host {
    /// Maps the artifacts, links every component and checks that it exports what its trigger needs.
    pub fn load(start: &Start) -> Result<Self, HostError> {
        let Start { settings, apps, .. } = start;
        let log = Log::start(&settings.log, settings.worker);
        let metrics = Metrics::default();
        let mut loader = Loader::new(start, &log, &metrics)?;
        let mut pools = Vec::new();
        let (mut routes, mut jobs) = (Vec::new(), Jobs::default());
        for app in apps {
            let made = loader.app(app)?;
            for route in &app.http {
                let target = match destination(app, route)? {
                    Destination::Fixed(fixed) => Target::Fixed(fixed),
                    Destination::Component(name) => {
                        Target::Component(answering(route, &name, &made)?)
                    }
                };
                routes.push(to(route, Arc::new(target)));
            }
            for cron in &app.cron {
                let pool = made.get(cron.component.as_str());
                jobs.add(pool.ok_or_else(|| HostError::Component {
                    component: cron.component.clone(),
                    message: "[[cron]] names it, and it is not there".into(),
                })?)?;
            }
            pools.extend(made.into_values());
        }
        let table = Router::new(routes).map_err(wrong_routes)?;
        let server = Server::new(&settings.http, table, log.clone(), metrics.clone())?;
        Ok(Self {
            server,
            jobs,
            pools,
            metrics,
            log,
        })
    }

    /// Serves HTTP on `listener` until `shutdown` has drained every connection, and no run is in progress any more.
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
        let served = self.server.serve(listener, shutdown.clone()).await;
        tokio::select! {
            () = self.jobs.idle() => {}
            () = shutdown.over() => {}
        }
        retirement.abort();
        served
    }

    /// Does one run of a component that runs by the clock; it counts as in progress until what this gives is dropped.
    pub fn run(&self, run: Run) -> impl Future<Output = (Ran, InProgress)> + use<> {
        self.jobs.run(run)
    }

    /// Counters and what goes on now.
    pub fn metrics(&self) -> serde_json::Value {
        let named = |pool: &'_ Arc<Pool>| {
            serde_json::json!(NamedStatus {
                app: pool.app(),
                component: pool.component(),
                status: pool.status(),
                denials: pool.refusals().count(),
                outbound: pool.outbound(),
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
            let missed: Vec<_> = refusals().flat_map(Refusals::missed).collect();
            fields.insert("missed".into(), missed.into());
        }
        value
    }

    /// Where this host writes its lines.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

fn wrong_routes(error: impl std::fmt::Display) -> HostError {
    HostError::Routes(error.to_string())
}

/// Where a route leads; exactly one of the two can be meant.
fn destination(app: &LockedApp, route: &LockedRoute) -> Result<Destination, HostError> {
    match (&route.component, &route.response) {
        (Some(component), None) => Ok(Destination::Component(component.clone())),
        (None, Some(response)) => Fixed::new(&app.name, response)
            .map(Destination::Fixed)
            .map_err(|problem| HostError::Routes(format!("{}: {problem}", route.route))),
        _ => Err(HostError::Routes(format!(
            "{} leads either to a component or to a response",
            route.route
        ))),
    }
}

/// The pool of a route's component.
fn answering(
    route: &LockedRoute,
    name: &str,
    pools: &BTreeMap<&str, Arc<Pool>>,
) -> Result<Arc<Pool>, HostError> {
    let wrong = |problem: &str| {
        let route = &route.route;
        HostError::Routes(format!("{route} leads to {problem} `{name}`"))
    };
    let pool = pools
        .get(name)
        .ok_or_else(|| wrong("the unknown component"))?;
    if pool.serves_http() {
        Ok(pool.clone())
    } else {
        Err(wrong("a component that does not serve HTTP:"))
    }
}

fn to<T>(route: &LockedRoute, target: T) -> Route<T> {
    Route::new(&route.route, &route.methods, &route.hosts, target).with(route.convention)
}

/// An engine with its linker.
struct Ground {
    running: RunningEngine,
    linker: Linker<State>,
    place: Place,
}

/// A component with its imports answered, and what it reaches by name.
type Joined = (InstancePre<State>, Option<Arc<dyn Peers>>);

/// The pools of an app that are there already, and where all of them will be found.
type Around<'a> = (&'a BTreeMap<&'a str, Arc<Pool>>, &'a Arc<Neighbourhood>);

/// Lets the components of an app find each other, and their own app.
fn settle(
    app: &LockedApp,
    pools: &BTreeMap<&str, Arc<Pool>>,
    neighbourhood: &Neighbourhood,
) -> Result<(), HostError> {
    let routes = app
        .http
        .iter()
        .map(|route| Ok(to(route, destination(app, route)?)));
    let routes = routes.collect::<Result<_, HostError>>()?;
    let callees = pools.iter().map(|(name, pool)| {
        let callee: Arc<dyn Callee> = pool.clone();
        (*name, callee)
    });
    neighbourhood.settle(
        &callees.collect(),
        Router::new(routes).map_err(wrong_routes)?,
    );
    Ok(())
}

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

    /// The pools of one app by name; a component's is made after those of all whose functions it calls.
    fn app(&mut self, app: &'a LockedApp) -> Result<BTreeMap<&'a str, Arc<Pool>>, HostError> {
        let links = app.components.iter().map(|(name, component)| {
            let calls = component.links.iter();
            let calls = calls.filter(|(interface, _)| peers::peer(interface).is_none());
            let called = calls.map(|(_, link)| link.component.as_str()).collect();
            (name.as_str(), called)
        });
        let links: BTreeMap<&str, Vec<&str>> = links.collect();
        let reached = app.components.values().flat_map(|one| one.links.values());
        for link in reached {
            if !app.components.contains_key(&link.component) {
                let name = &link.component;
                let message = format!("there is no component `{name}` to be linked to");
                return Err(HostError::Links(message));
            }
        }
        let order = link::in_order(&links).map_err(HostError::Links)?;
        let neighbourhood = Arc::<Neighbourhood>::default();
        let mut pools = BTreeMap::new();
        for name in order {
            let component = app.components.get(name).ok_or_else(|| {
                HostError::Links(format!("there is no component `{name}` to be linked to"))
            })?;
            let by_clock = app.cron.iter().any(|cron| cron.component == name);
            let called = by_clock || links.values().flatten().any(|linked| *linked == name);
            let around = (&pools, &neighbourhood);
            let pool = self.pool((app, name), component, around, called)?;
            pools.insert(name, pool);
        }
        settle(app, &pools, &neighbourhood)?;
        Ok(pools)
    }

    fn pool(
        &mut self,
        (app, name): (&LockedApp, &str),
        component: &'a LockedComponent,
        around: Around<'_>,
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
        let (pre, peers) = ground.link(name, &code, component, around).map_err(wrong)?;
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
        let made = Blueprint::new((app, name), component, excesses, peers, self.settings);
        let blueprint = made.map_err(|message| HostError::Component {
            component: name.to_owned(),
            message,
        })?;
        Pool::new(blueprint, component, share, pre, &ground.place, called).map_err(wrong)
    }
}

impl Ground {
    fn new(kind: EngineKind, demand: &Demand, settings: &Settings) -> Result<Self, HostError> {
        let profile = kind.profile;
        let running =
            RunningEngine::new(kind, settings.compiler_strategy, demand, settings.workers)?;
        let wrong = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        let concurrent = profile == Profile::Async;
        let mut linker = wisp_wasi::linker(&running.engine, concurrent).map_err(wrong)?;
        capability::add_to_linker(&mut linker, concurrent).map_err(wrong)?;
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
        (pools, neighbourhood): Around<'_>,
    ) -> wasmtime::Result<Joined> {
        let mut granted = component.grants.http.iter();
        let routes = granted.any(|target| target.host == OWN_HOST);
        if component.links.is_empty() && !routes {
            return Ok((self.linker.instantiate_pre(code)?, None));
        }
        let mut linker = self.linker.clone();
        let mut reach = Reach::new(neighbourhood, routes);
        for (interface, link) in &component.links {
            let LinkMode::Bridged = link.mode;
            if let Some(name) = peers::peer(interface) {
                reach.add(name, &link.component);
                continue;
            }
            let callee: Arc<dyn Callee> = match pools.get(link.component.as_str()) {
                Some(pool) => pool.clone(),
                None => wasmtime::bail!("`{}` is not there to be linked to", link.component),
            };
            link::bridge(&mut linker, (name, code), interface, &callee)?;
            reach.add(&link.component, &link.component);
        }
        Ok((linker.instantiate_pre(code)?, Some(Arc::new(reach))))
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
