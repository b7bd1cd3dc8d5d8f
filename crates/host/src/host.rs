//! The facade of the core: loads locked apps and serves them.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Linker};
use wisp_wasi::State;

use crate::blueprint::Blueprint;
use crate::engine::{Demand, Image, RunningEngine};
use crate::error::HostError;
use crate::locked::{Artifact, LockedApp, LockedComponent, Profile, SCHEMA};
use crate::pool::{Place, Pool, PoolStatus, Share, Slots};
use crate::settings::{Settings, Start};
use crate::shutdown::Shutdown;
use crate::telemetry::{Log, Metrics};
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
        let mut loader = Loader::new(start, &log)?;
        let mut pools = Vec::new();
        let mut routes = Vec::new();
        for app in apps {
            let mut by_name = HashMap::new();
            for (name, component) in &app.components {
                let pool = loader.pool(app, name, component)?;
                by_name.insert(name.as_str(), pool.clone());
                pools.push(pool);
            }
            for route in &app.http {
                let pool = by_name.get(route.component.as_str()).ok_or_else(|| {
                    HostError::Routes(format!(
                        "{} leads to the unknown component `{}`",
                        route.route, route.component
                    ))
                })?;
                routes.push(Route::new(
                    &route.route,
                    &route.methods,
                    &route.hosts,
                    pool.clone(),
                ));
            }
        }
        let table = Router::new(routes).map_err(|error| HostError::Routes(error.to_string()))?;
        let metrics = Metrics::default();
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

/// Makes pools; components with the same digest share their code.
struct Loader<'a> {
    settings: &'a Settings,
    artifacts: &'a BTreeMap<String, Artifact>,
    log: &'a Log,
    grounds: BTreeMap<(Profile, Image), Ground>,
    loaded: HashMap<&'a str, Component>,
}

impl<'a> Loader<'a> {
    fn new(start: &'a Start, log: &'a Log) -> Result<Self, HostError> {
        let Start {
            settings,
            apps,
            artifacts,
        } = start;
        let mut demands = BTreeMap::<(Profile, Image), Demand>::new();
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
                    .entry((artifact.profile, image))
                    .or_insert_with(|| Demand::of(image));
                demand.add(instances, &artifact.resources, component.limits.memory);
            }
        }
        let ground = |(kind, demand): ((Profile, Image), Demand)| {
            Ok((kind, Ground::new(kind.0, &demand, settings)?))
        };
        let grounds = demands
            .into_iter()
            .map(ground)
            .collect::<Result<_, HostError>>()?;
        Ok(Self {
            settings,
            artifacts,
            log,
            grounds,
            loaded: HashMap::new(),
        })
    }

    fn pool(
        &mut self,
        app: &LockedApp,
        name: &str,
        component: &'a LockedComponent,
    ) -> Result<Arc<Pool>, HostError> {
        let wrong = |error: wasmtime::Error| HostError::Component {
            component: name.to_owned(),
            message: format!("{error:#}"),
        };
        if let Some((interface, link)) = component.links.first_key_value() {
            return Err(HostError::Component {
                component: name.to_owned(),
                message: format!(
                    "its link of {interface} to {} is bridged, which this version cannot do; link it with mode `fused`",
                    link.component
                ),
            });
        }
        let artifact = find(self.artifacts, &component.digest)?;
        let ground = self
            .grounds
            .get(&(artifact.profile, Image::of(artifact)))
            .ok_or_else(|| HostError::Engine("an engine profile is missing".into()))?;
        let code = match self.loaded.get(component.digest.as_str()) {
            Some(code) => code.clone(),
            None => ground.running.load(&component.digest, artifact)?,
        };
        self.loaded.insert(&component.digest, code.clone());
        let pre = ground.link(&code).map_err(wrong)?;
        let share = Share {
            concurrency: self.settings.share(component.limits.concurrency),
            queue: self.settings.share(component.limits.queue),
        };
        let blueprint = Blueprint::new(&app.name, name, component, self.log.clone());
        Pool::new(blueprint, component, share, pre, &ground.place).map_err(wrong)
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

    fn link(&self, component: &Component) -> wasmtime::Result<InstancePre<State>> {
        self.linker.instantiate_pre(component)
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
