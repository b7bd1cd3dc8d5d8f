//! The facade of the core: loads locked apps and serves them.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use crate::blueprint::OutboundStatus;
use crate::capability::Nats;
use crate::error::HostError;
use crate::lattice::calls::Calls;
use crate::lattice::{Bounds, Gateway, IdentitySettings, Kind, Listener, TableSettings};
use crate::loader::{self, App, Loader};
use crate::locked::LockedRoute;
use crate::peers::Destination;
use crate::pool::{Pool, PoolStatus};
use crate::remote::{Carrier, Desk};
use crate::settings::{HttpSettings, Start};
use crate::shutdown::Shutdown;
use crate::telemetry::{Log, Metrics, Refusals};
use crate::trigger::cron::{InProgress, Jobs, Ran, Run};
use crate::trigger::fixed::Target;
use crate::trigger::http::Server;
use crate::trigger::messaging::Takers;
use crate::trigger::router::Router;

/// Bytes of a head that hosts may add to that of a client.
const HOP_BYTES: u32 = 4 << 10;
/// How often instances that nobody used are looked for.
const RETIREMENT: Duration = Duration::from_millis(500);

/// Loaded apps, ready to serve.
#[derive(Debug)]
pub struct Host {
    server: Server<Target>,
    /// The way to other hosts of the lattice, and the listener for them.
    gateway: Option<Arc<Gateway>>,
    hosts: Option<Arc<Listener>>,
    jobs: Jobs,
    takers: Arc<Takers>,
    /// Those that no route leads to, too: others reach them.
    _pools: Vec<Arc<Pool>>,
    loader: Loader,
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
    /// Loads components, links them and checks that they export what their triggers need; of very many, only as they are needed.
    pub fn load(start: Start) -> Result<Self, HostError> {
        let Start {
            settings,
            apps,
            artifacts,
            nats,
            lattice,
        } = start;
        let log = Log::start(&settings.log, settings.worker);
        let metrics = Metrics::default();
        let (http, looks) = (settings.http.clone(), settings.worker == 0);
        let told = (log.clone(), metrics.clone());
        let nats = nats.map(|nats| Nats::new(nats, log.clone()));
        let loader = Loader::new(settings, artifacts, &apps, told, nats)?;
        let (mut pools, mut routes) = (Vec::new(), Vec::new());
        let (mut jobs, mut takers) = (Jobs::default(), Takers::new(looks));
        for app in apps {
            let app = loader.app(app)?;
            for route in &app.http {
                let target = match loader::destination(&app.name, route)? {
                    Destination::Fixed(fixed) => Target::Fixed(Box::new(fixed)),
                    Destination::Component(name) => {
                        Target::Component(answering(route, &name, &app)?)
                    }
                };
                routes.push(loader::to(route, Arc::new(target)));
            }
            for cron in &app.cron {
                let pool = app.pools.get(cron.component.as_str());
                jobs.add(pool.ok_or_else(|| HostError::Component {
                    component: cron.component.clone(),
                    message: "[[cron]] names it, and it is not there".into(),
                })?)?;
            }
            subscribe(&mut takers, &app, &loader, &log)?;
            pools.extend(app.pools.into_values());
        }
        let table = Router::new(routes).map_err(loader::wrong_routes)?;
        let server = Server::new(&http, table, log.clone(), metrics.clone())?;
        let lattice = lattice
            .map(|settings| Gateway::new(&settings, log.clone(), metrics.clone()))
            .transpose()?;
        let (server, hosts) = match &lattice {
            Some(gateway) => {
                let server = server.with_gateway(gateway.clone());
                let desk = Desk::new(loader.directory().clone(), log.clone());
                let hosts = listener(gateway, &server, &http, &log).with(Kind::Call, desk);
                loader.directory().carry(Arc::new(Calls(gateway.clone())));
                (server, Some(Arc::new(hosts)))
            }
            None => (server, None),
        };
        Ok(Self {
            server,
            gateway: lattice,
            hosts,
            jobs,
            takers: Arc::new(takers),
            _pools: pools,
            loader,
            metrics,
            log,
        })
    }

    /// Serves HTTP on `listener` until `shutdown` has drained every connection, and no run and no message is in progress any more.
    pub async fn serve(&self, listener: TcpListener, shutdown: Shutdown) -> Result<(), HostError> {
        let loader = self.loader.clone();
        let retirement = tokio::spawn(async move {
            let mut interval = tokio::time::interval(RETIREMENT);
            loop {
                interval.tick().await;
                loader.residents().retire_idle();
            }
        });
        let (takers, ending) = (self.takers.clone(), shutdown.clone());
        let mut taking = tokio::spawn(async move { takers.run(&ending).await });
        let served = self.server.serve(listener, shutdown.clone()).await;
        let idle = async {
            self.jobs.idle().await;
            if served.is_ok() {
                // It only ends by the drain, which is the only good end of serving.
                let _ = (&mut taking).await;
            }
        };
        tokio::select! {
            () = idle => {}
            () = shutdown.over() => {}
        }
        taking.abort();
        retirement.abort();
        served
    }

    /// Answers other hosts on `listener` until `shutdown` has drained every connection; nobody, outside of a lattice.
    pub async fn serve_hosts(
        &self,
        listener: TcpListener,
        shutdown: Shutdown,
    ) -> Result<(), HostError> {
        match &self.hosts {
            Some(hosts) => Ok(hosts.clone().serve(listener, shutdown).await?),
            None => Ok(()),
        }
    }

    /// From now on requests go to other hosts as this table says.
    pub fn route(&self, table: &TableSettings) {
        if let Some(gateway) = &self.gateway {
            gateway.tell(table);
        }
    }

    /// From now on new connections to and from other hosts show this certificate; one that cannot be used changes nothing, and is logged.
    pub fn identify(&self, identity: &IdentitySettings) {
        if let Some(Err(error)) = self.gateway.as_ref().map(|gateway| gateway.renew(identity)) {
            let message = format!("the certificate of this host stays as it is: {error}");
            self.log.worker("error", &message);
        }
    }

    /// Does one run of a component that runs by the clock; it counts as in progress until what this gives is dropped.
    pub fn run(&self, run: Run) -> impl Future<Output = (Ran, InProgress)> + use<> {
        self.jobs.run(run)
    }

    /// Counters and what goes on now in the components that are loaded.
    pub fn metrics(&self) -> serde_json::Value {
        let loaded = self.loader.residents().list();
        let named = loaded.iter().map(|(pool, ready)| {
            serde_json::json!(NamedStatus {
                app: pool.app(),
                component: pool.component(),
                status: ready.status(),
                denials: ready.refusals().count(),
                outbound: ready.outbound(),
            })
        });
        let mut value = self.metrics.snapshot();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("pools".into(), named.collect());
            fields.insert("messaging".into(), self.takers.metrics().into());
            let refusals = || loaded.iter().map(|(_, ready)| ready.refusals());
            let denials: u64 = refusals().map(Refusals::count).sum();
            fields.insert("denials".into(), denials.into());
            let denied: Vec<_> = refusals().flat_map(Refusals::list).collect();
            fields.insert("denied".into(), denied.into());
            let missed: Vec<_> = refusals().flat_map(Refusals::missed).collect();
            fields.insert("missed".into(), missed.into());
        }
        value
    }

    /// Takes calls of other hosts for the components of this one.
    pub fn desk(&self) -> Arc<Desk> {
        Desk::new(self.loader.directory().clone(), self.log.clone())
    }

    /// Has calls of components that do not run here taken to other hosts, from now on. Only the first carrier counts.
    pub fn carry_calls(&self, carrier: Arc<dyn Carrier>) {
        self.loader.directory().carry(carrier);
    }

    /// Where this host writes its lines.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

/// Adds the subscriptions of an app.
fn subscribe(takers: &mut Takers, app: &App, loader: &Loader, log: &Log) -> Result<(), HostError> {
    let Some(lanes) = &app.lanes else {
        if takers.looks() && !app.messaging.is_empty() {
            let problem = "[[messaging]] takes messages in a lattice only: here they are kept, and nobody takes them";
            log.worker("warn", &format!("app {}: {problem}", app.name));
        }
        return Ok(());
    };
    for told in &app.messaging {
        let pool = app.pools.get(told.component.as_str());
        let pool = pool.ok_or_else(|| HostError::Component {
            component: told.component.clone(),
            message: "[[messaging]] names it, and it is not there".into(),
        })?;
        takers.add(lanes, told.clone(), pool, (loader.share(pool), log))?;
    }
    Ok(())
}

/// What answers other hosts.
fn listener(
    gateway: &Gateway,
    server: &Server<Target>,
    http: &HttpSettings,
    log: &Log,
) -> Listener {
    let bounds = Bounds {
        // What hosts tell each other comes on top.
        header_bytes: http.header_bytes.saturating_add(HOP_BYTES),
        connections: http.max_connections,
    };
    Listener::new(gateway.identities().clone(), bounds, log.clone())
        .with(Kind::Request, server.arrivals())
}

/// The pool of a route's component.
fn answering(route: &LockedRoute, name: &str, app: &App) -> Result<Arc<Pool>, HostError> {
    let wrong = |problem: &str| {
        let route = &route.route;
        HostError::Routes(format!("{route} leads to {problem} `{name}`"))
    };
    let pool = app
        .pools
        .get(name)
        .ok_or_else(|| wrong("the unknown component"))?;
    if pool.serves_http() {
        Ok(pool.clone())
    } else {
        Err(wrong("a component that does not serve HTTP:"))
    }
}
