//! Loads the components of a host: the code of each, linked, with the instances that serve it.
//!
//! Where there are few, all are loaded when the host starts, so that what is wrong with one is said then. Of many, most are
//! asked for rarely: their artifacts are looked at, and the first request loads one, which takes about a millisecond. When
//! many are loaded, those that nobody asks for are given back (see `pool::residents`). Components that call each other by
//! interface are loaded at the start in any case, because links are checked then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use wasmtime::component::{InstancePre, Linker};
use wisp_wasi::{Peers, State};

use crate::blueprint::{Blueprint, Home};
use crate::capability::{self, InLattice, Lanes, Nats};
use crate::demand::Demand;
use crate::engine::{self, RunningEngine};
use crate::error::HostError;
use crate::link::{self, Callee};
use crate::locked::{
    Artifact, LinkMode, LockedApp, LockedComponent, LockedCron, LockedRoute, LockedSubscription,
    Profile, SCHEMA,
};
use crate::peers::{self, Destination, Neighbourhood, Reach};
use crate::pool::{Code, Place, Pool, Ready, Residents, Share, Slots, Source};
use crate::remote::{self, Directory};
use crate::settings::Settings;
use crate::telemetry::{Excesses, Log, Metrics};
use crate::trigger::fixed::Fixed;
use crate::trigger::router::{Route, Router};

mod reached;

use reached::{called, callees_first, has_own_routes, linked, reaches_itself};

/// Different binaries that are all loaded when the host starts; each is some hundred kilobytes, or megabytes in Python.
const FEW: usize = 64;

/// The pools of one app by name, with what leads to them.
pub(crate) struct App {
    pub(crate) name: Arc<str>,
    pub(crate) pools: BTreeMap<Arc<str>, Arc<Pool>>,
    pub(crate) http: Vec<LockedRoute>,
    pub(crate) cron: Vec<LockedCron>,
    pub(crate) messaging: Vec<LockedSubscription>,
    /// Its messages, when this host is in a lattice.
    pub(crate) lanes: Option<Arc<Lanes>>,
}

/// Makes the pools of all apps of a host.
#[derive(Clone, Debug)]
pub(crate) struct Loader(Arc<Workshop>);

/// What all components of a host are made with.
struct Workshop {
    settings: Settings,
    artifacts: BTreeMap<String, Artifact>,
    log: Log,
    metrics: Metrics,
    grounds: BTreeMap<Profile, Ground>,
    /// Components with the same digest share their code, for as long as one of them is loaded.
    codes: Mutex<HashMap<String, Weak<Code>>>,
    residents: Residents,
    nats: Option<Arc<Nats>>,
    directory: Arc<Directory>,
}

impl std::fmt::Debug for Workshop {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Workshop").finish_non_exhaustive()
    }
}

/// A component with its imports answered, and what it reaches by name.
type Joined = (InstancePre<State>, Option<Arc<dyn Peers>>);

/// An engine with its linker.
struct Ground {
    running: RunningEngine,
    linker: Linker<State>,
    place: Place,
}

/// Makes the components of one app ready.
#[derive(Debug)]
struct Origin {
    workshop: Arc<Workshop>,
    home: Home,
    neighbourhood: Arc<Neighbourhood>,
}

impl Loader {
    pub(crate) fn new(
        settings: Settings,
        artifacts: BTreeMap<String, Artifact>,
        apps: &[LockedApp],
        (log, metrics): (Log, Metrics),
        nats: Option<Arc<Nats>>,
    ) -> Result<Self, HostError> {
        let grounds = demands(&settings, &artifacts, apps)?
            .into_iter()
            .map(|(profile, demand)| {
                let ground = Ground::new(profile, &demand, &settings)?;
                ground.running.warn_if_short(&log);
                Ok((profile, ground))
            })
            .collect::<Result<_, HostError>>()?;
        Ok(Self(Arc::new(Workshop {
            settings,
            artifacts,
            log,
            metrics,
            grounds,
            codes: Mutex::default(),
            residents: Residents::default(),
            nats,
            directory: Arc::default(),
        })))
    }

    /// The pools of one app.
    pub(crate) fn app(&self, app: LockedApp) -> Result<App, HostError> {
        let order = callees_first(&app)?;
        let called = called(&app);
        let routed = reaches_itself(&app).then(|| own_routes(&app)).transpose()?;
        let linked = linked(&app);
        let LockedApp {
            name,
            http,
            cron,
            messaging,
            state,
            components,
            ..
        } = app;
        let app: Arc<str> = name.into();
        let quotas = components.values().map(|one| one.limits.store);
        let quota = quotas.max().unwrap_or_default();
        let lattice = self.0.nats.as_ref().map(|nats| InLattice {
            nats: nats.clone(),
            lanes: Lanes::new(nats, &app, quota, messaging.clone().into()),
        });
        let neighbourhood = Arc::<Neighbourhood>::default();
        let home = Home {
            app: app.clone(),
            state,
            components: Arc::new(components.keys().cloned().collect()),
            lattice: lattice.clone(),
        };
        let source: Arc<dyn Source> = Arc::new(Origin {
            workshop: self.0.clone(),
            home,
            neighbourhood: neighbourhood.clone(),
        });
        let mut same = HashMap::new();
        let made = components.into_iter().map(|(name, told)| {
            let told = shared(&mut same, told);
            let (name, called): (Arc<str>, _) = (name.as_str().into(), called.contains(&name));
            (name.clone(), Pool::new(name, told, called, source.clone()))
        });
        let pools: BTreeMap<Arc<str>, Arc<Pool>> = made.collect();
        let reached = pools
            .iter()
            .filter(|(name, _)| routed.is_some() || linked.contains(&***name));
        let reached = reached.map(|(name, pool)| (&**name, pool.clone() as Arc<dyn Callee>));
        let reached: Vec<_> = reached.collect();
        neighbourhood.settle(reached, routed);
        for (name, pool) in pools.iter().filter(|(_, pool)| pool.is_called()) {
            let callee: Arc<dyn Callee> = pool.clone();
            self.0
                .directory
                .add(&app, name, &callee, &pool.told().offers);
        }
        self.begin(&pools, &order)?;
        Ok(App {
            name: app,
            pools,
            http,
            cron,
            messaging,
            lanes: lattice.map(|lattice| lattice.lanes),
        })
    }

    /// Calls of a component in progress at once in this worker.
    pub(crate) fn share(&self, pool: &Pool) -> u32 {
        self.0.settings.share(pool.limits().concurrency)
    }

    /// Loads what has to be there from the start, and looks at the artifacts of the others.
    fn begin(
        &self,
        pools: &BTreeMap<Arc<str>, Arc<Pool>>,
        order: &[String],
    ) -> Result<(), HostError> {
        for pool in order.iter().filter_map(|name| pools.get(name.as_str())) {
            pool.load()?;
        }
        let few = self.0.artifacts.len() <= FEW;
        let mut seen = BTreeSet::new();
        for pool in pools.values() {
            if few || pool.is_called() {
                pool.load()?;
                continue;
            }
            let digest = &*pool.told().digest;
            if seen.insert(digest) {
                engine::check(digest, self.0.find(digest)?.0)?;
            }
        }
        Ok(())
    }

    /// What components offer to others, here and elsewhere.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.0.directory
    }

    /// The components that are loaded.
    pub(crate) fn residents(&self) -> &Residents {
        &self.0.residents
    }
}

/// What the components ask of each engine.
fn demands(
    settings: &Settings,
    artifacts: &BTreeMap<String, Artifact>,
    apps: &[LockedApp],
) -> Result<BTreeMap<Profile, Demand>, HostError> {
    let mut demands = BTreeMap::<_, Demand>::new();
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
            let demand = demands.entry(artifact.profile).or_default();
            demand.add(instances, &artifact.resources, component.limits.memory);
        }
    }
    Ok(demands)
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

/// What a component was told, once for all those of an app that have the same code and were told the same.
fn shared(
    same: &mut HashMap<String, Arc<LockedComponent>>,
    told: LockedComponent,
) -> Arc<LockedComponent> {
    match same.get(&told.digest) {
        Some(known) if **known == told => known.clone(),
        _ => {
            let told = Arc::new(told);
            same.insert(told.digest.clone(), told.clone());
            told
        }
    }
}

fn own_routes(app: &LockedApp) -> Result<Router<Destination>, HostError> {
    let routes = app
        .http
        .iter()
        .map(|route| Ok(to(route, destination(&app.name, route)?)));
    Router::new(routes.collect::<Result<_, HostError>>()?).map_err(wrong_routes)
}

pub(crate) fn wrong_routes(error: impl std::fmt::Display) -> HostError {
    HostError::Routes(error.to_string())
}

/// Where a route leads; exactly one of the two can be meant.
pub(crate) fn destination(app: &str, route: &LockedRoute) -> Result<Destination, HostError> {
    match (&route.component, &route.response) {
        (Some(component), None) => Ok(Destination::Component(component.clone())),
        (None, Some(response)) => Fixed::new(app, response)
            .map(Destination::Fixed)
            .map_err(|problem| HostError::Routes(format!("{}: {problem}", route.route))),
        _ => Err(HostError::Routes(format!(
            "{} leads either to a component or to a response",
            route.route
        ))),
    }
}

pub(crate) fn to<T>(route: &LockedRoute, target: T) -> Route<T> {
    Route::new(&route.route, &route.methods, &route.hosts, target).with(route.convention)
}

impl Workshop {
    /// The artifact of a component, and the engine that runs it.
    fn find(&self, digest: &str) -> Result<(&Artifact, &Ground), HostError> {
        let artifact = find(&self.artifacts, digest)?;
        let missing = || HostError::Engine("an engine profile is missing".into());
        let ground = self.grounds.get(&artifact.profile);
        Ok((artifact, ground.ok_or_else(missing)?))
    }

    fn code(&self, digest: &str) -> Result<Arc<Code>, HostError> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = codes.get(digest).and_then(Weak::upgrade) {
            return Ok(code);
        }
        let (artifact, ground) = self.find(digest)?;
        let code = Arc::new(Code {
            loaded: ground.running.load(digest, artifact)?,
            plain: OnceLock::new(),
        });
        codes.retain(|_, code| code.strong_count() > 0);
        codes.insert(digest.to_owned(), Arc::downgrade(&code));
        Ok(code)
    }
}

impl Source for Origin {
    fn app(&self) -> &str {
        &self.home.app
    }

    fn log(&self) -> &Log {
        &self.workshop.log
    }

    fn ready(&self, pool: &Arc<Pool>) -> Result<Ready, HostError> {
        let (name, told) = (pool.component(), pool.told());
        let wrong = |message: String| HostError::Component {
            component: name.to_owned(),
            message,
        };
        let Workshop {
            settings, metrics, ..
        } = &*self.workshop;
        let code = self.workshop.code(&told.digest)?;
        let (_, ground) = self.workshop.find(&told.digest)?;
        let (pre, peers) = ground
            .link(
                (name, told),
                &code,
                &self.neighbourhood,
                (&self.home.app, &self.workshop.directory),
            )
            .map_err(|error| wrong(format!("{error:#}")))?;
        let excesses = Excesses::new(
            &self.home.app,
            name,
            self.workshop.log.clone(),
            metrics.component(&self.home.app, name),
            settings.share_of_bytes(told.limits.log),
        );
        let blueprint = Blueprint::new((&self.home, name), told, excesses, peers, settings);
        let blueprint = blueprint
            .map_err(wrong)?
            .beginning_with(code.loaded.snapshots.clone());
        let share = Share {
            concurrency: settings.share(told.limits.concurrency),
            queue: settings.share(told.limits.queue),
        };
        let ready = Ready::new(blueprint, pool, share, (pre, code), &ground.place);
        let ready = ready.map_err(|error| wrong(format!("{error:#}")))?;
        self.workshop.residents.add(pool);
        Ok(ready)
    }
}

impl Ground {
    fn new(profile: Profile, demand: &Demand, settings: &Settings) -> Result<Self, HostError> {
        let running = RunningEngine::new(
            profile,
            settings.compiler_strategy,
            demand,
            settings.workers,
        )?;
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

    /// Links the imports of a component: to WASI, and to those of its neighbours that its manifest names.
    fn link(
        &self,
        (name, told): (&str, &LockedComponent),
        code: &Code,
        neighbourhood: &Arc<Neighbourhood>,
        (app, directory): (&Arc<str>, &Arc<Directory>),
    ) -> wasmtime::Result<Joined> {
        let routes = has_own_routes(told);
        if told.links.is_empty() && !routes {
            return Ok((self.plain(code)?, None));
        }
        let mut linker = self.linker.clone();
        let mut reach = Reach::new(neighbourhood, routes);
        let origin = remote::Origin {
            app: app.clone(),
            component: name.into(),
            timeout: Duration::from_millis(told.limits.timeout_ms),
        };
        for (interface, link) in &told.links {
            if let Some(name) = peers::peer(interface) {
                reach.add(name, &link.component);
                continue;
            }
            let caller = (name, &code.loaded.component);
            if link.mode == LinkMode::Remote {
                let elsewhere = remote::Elsewhere::new(link, origin.clone(), directory);
                link::answer(&mut linker, caller, interface, &elsewhere)?;
            } else {
                let Some(callee) = neighbourhood.component(&link.component) else {
                    wasmtime::bail!("`{}` is not there to be linked to", link.component);
                };
                link::bridge(&mut linker, caller, interface, &callee)?;
            }
            if link.app.is_none() {
                reach.add(&link.component, &link.component);
            }
        }
        let pre = linker.instantiate_pre(&code.loaded.component)?;
        Ok((pre, Some(Arc::new(reach))))
    }

    /// The code linked to WASI alone, which is the same for all components that have no links.
    fn plain(&self, code: &Code) -> wasmtime::Result<InstancePre<State>> {
        if let Some(pre) = code.plain.get() {
            return Ok(pre.clone());
        }
        let pre = self.linker.instantiate_pre(&code.loaded.component)?;
        Ok(code.plain.get_or_init(|| pre).clone())
    }
}
