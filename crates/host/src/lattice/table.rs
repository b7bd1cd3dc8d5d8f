//! The routing table: which hosts run which apps, by the routes of the apps.
//!
//! Every host is told the same table, so that a request means the same app wherever it arrives. An app may be there in two versions; each
//! gets its share of the requests, exactly: of a hundred requests one after the other, as many as its per cent say.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

use super::choice::{Known, Peer};
use super::claim::Claim;
use super::peer::PeerAddress;
use crate::locked::Convention;
use crate::telemetry::{Counters, Metrics};
use crate::trigger::router::{Route, RouteError, Router};

/// What logs and counters call the component of a request that another host answers; no component can have this name.
pub(crate) const ELSEWHERE: &str = "(elsewhere)";

/// What a worker is told of the apps of all hosts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSettings {
    /// Counts the tables, so that a newer one is told from an older one.
    pub number: u64,
    /// The other hosts.
    pub peers: Vec<PeerAddress>,
    /// Apps in their versions. Of two apps that claim the same requests, the earlier one gets them.
    pub apps: Vec<AppSettings>,
}

/// One version of an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// The app's name.
    pub app: String,
    /// Its part of the requests, beside that of other versions.
    pub share: u32,
    /// Whether it runs on this host.
    pub here: bool,
    /// The names of the other hosts that run it.
    pub hosts: Vec<String>,
    /// Its routes.
    pub routes: Vec<RouteSettings>,
}

/// One route of an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Path pattern.
    pub route: String,
    /// Methods; empty means any.
    pub methods: Vec<String>,
    /// Hosts; empty means any.
    pub hosts: Vec<String>,
    /// Whose rules it follows.
    pub convention: Convention,
    /// Milliseconds that its component may take.
    pub timeout_ms: u64,
}

/// A version of an app that a route leads to.
#[derive(Debug)]
pub(super) struct Version {
    share: u64,
    here: bool,
    pub(super) peers: Vec<Arc<Peer>>,
    timeout: Duration,
}

/// Where a route leads.
#[derive(Debug)]
pub(crate) struct Way {
    app: Arc<str>,
    route: String,
    versions: Vec<Version>,
    counters: Arc<Counters>,
    /// The sum of their shares, and what to go on by from one request to the next: without a common divisor.
    total: u64,
    stride: u64,
    next: AtomicU64,
}

/// What the table says of a request.
#[derive(Debug)]
pub(crate) enum Direction {
    /// It is answered here, if it is answered at all.
    Here,
    /// It is answered by another host.
    There(Onward),
}

/// A way that leads to other hosts.
#[derive(Clone, Debug)]
pub(crate) struct Onward {
    way: Arc<Way>,
    /// The version that was chosen.
    version: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) number: u64,
    pub(super) router: Router<Arc<Way>>,
    /// By app: the other hosts that run it, in all its versions.
    pub(super) running: HashMap<String, Vec<Arc<Peer>>>,
}

impl Version {
    fn new(told: &AppSettings, route: &RouteSettings, peers: &HashMap<&str, Arc<Peer>>) -> Self {
        let known = told.hosts.iter().map(String::as_str);
        Self {
            share: u64::from(told.share),
            here: told.here,
            peers: known.filter_map(|host| peers.get(host).cloned()).collect(),
            timeout: Duration::from_millis(route.timeout_ms),
        }
    }
}

impl Way {
    fn new(app: &Arc<str>, route: String, versions: Vec<Version>, counters: Arc<Counters>) -> Self {
        let total = versions.iter().map(|version| version.share).sum();
        Self {
            app: app.clone(),
            route,
            versions,
            counters,
            total,
            stride: stride(total),
            next: AtomicU64::new(0),
        }
    }

    /// The direction of the next request.
    pub(super) fn direction(self: &Arc<Self>) -> Direction {
        let version = self.draw();
        let chosen = self.versions.get(version);
        // Where all of its hosts are left out, another version is better than none.
        let able =
            |version: &Version| version.here || version.peers.iter().any(|peer| peer.is_in());
        let version = match chosen {
            Some(chosen) if able(chosen) => version,
            _ => self.versions.iter().position(able).unwrap_or(version),
        };
        match self.versions.get(version) {
            Some(chosen) if !chosen.here => Direction::There(Onward {
                way: self.clone(),
                version,
            }),
            _ => Direction::Here,
        }
    }

    fn draw(&self) -> usize {
        if self.total == 0 {
            return 0;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.total;
        let mut drawn = turn.wrapping_mul(self.stride) % self.total;
        for (index, version) in self.versions.iter().enumerate() {
            match drawn.checked_sub(version.share) {
                Some(rest) => drawn = rest,
                None => return index,
            }
        }
        0
    }
}

impl Onward {
    pub(crate) fn app(&self) -> &str {
        &self.way.app
    }

    /// The route as it was written.
    pub(crate) fn route(&self) -> &str {
        &self.way.route
    }

    /// What is counted of the requests that go this way.
    pub(crate) fn counters(&self) -> &Counters {
        &self.way.counters
    }

    pub(super) fn timeout(&self) -> Duration {
        let version = self.way.versions.get(self.version);
        version.map_or(Duration::ZERO, |version| version.timeout)
    }

    /// Whether there is a host beyond so many.
    pub(super) fn has_more_than(&self, tried: usize) -> bool {
        self.peers().map(<[_]>::len).sum::<usize>() > tried
    }

    /// The hosts to choose from: those of the version, and after them those of the others.
    pub(super) fn peers(&self) -> impl Iterator<Item = &[Arc<Peer>]> {
        let others = self
            .way
            .versions
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != self.version)
            .map(|(_, version)| version);
        self.way
            .versions
            .get(self.version)
            .into_iter()
            .chain(others)
            .map(|version| version.peers.as_slice())
    }
}

/// About two thirds of a number, without a common divisor: multiples of it go through all numbers below, far from each other.
fn stride(total: u64) -> u64 {
    let divides = |mut one: u64, mut other: u64| {
        while other != 0 {
            (one, other) = (other, one % other);
        }
        one != 1
    };
    let mut found = (total.saturating_mul(618) / 1000).max(1);
    while found < total && divides(total, found) {
        found += 1;
    }
    found
}

impl Table {
    /// Makes it. Gives back the apps whose routes cannot be there with those of the others, and why.
    pub(super) fn new(
        settings: &TableSettings,
        known: &Known,
        metrics: &Metrics,
    ) -> (Self, Vec<(String, RouteError)>) {
        let names = settings.peers.iter().map(|peer| peer.host.as_str());
        let peers: HashMap<_, _> = names.zip(known.of(&settings.peers)).collect();
        let apps = by_app(settings, &peers, metrics);
        let (router, refused) = match Router::new(apps.iter().flat_map(routes).collect()) {
            Ok(router) => (router, Vec::new()),
            Err(_) => one_by_one(&apps),
        };
        let number = settings.number;
        let running = running(settings, &peers);
        let table = Self {
            number,
            router,
            running,
        };
        (table, refused)
    }
}

/// The other hosts that run each app, each once.
fn running(
    settings: &TableSettings,
    peers: &HashMap<&str, Arc<Peer>>,
) -> HashMap<String, Vec<Arc<Peer>>> {
    let mut running: HashMap<String, Vec<Arc<Peer>>> = HashMap::new();
    for app in &settings.apps {
        let known = running.entry(app.app.clone()).or_default();
        for peer in app.hosts.iter().filter_map(|host| peers.get(host.as_str())) {
            if !known.iter().any(|one| Arc::ptr_eq(one, peer)) {
                known.push(peer.clone());
            }
        }
    }
    running
}

/// An app with its routes.
type Ways = (Arc<str>, Vec<(Claim, Arc<Way>)>);

fn routes((_, ways): &Ways) -> impl Iterator<Item = Route<Arc<Way>>> {
    ways.iter().map(|(claim, way)| {
        let (methods, hosts) = (claim.method.as_slice(), claim.host.as_slice());
        Route::new(&claim.route, methods, hosts, way.clone()).with(claim.convention)
    })
}

/// Each app with its routes, in the order in which the apps were told.
fn by_app(
    settings: &TableSettings,
    peers: &HashMap<&str, Arc<Peer>>,
    metrics: &Metrics,
) -> Vec<Ways> {
    let mut order: Vec<&str> = Vec::new();
    let mut told: HashMap<&str, Vec<&AppSettings>> = HashMap::new();
    for app in &settings.apps {
        let versions = told.entry(&app.app).or_default();
        if versions.is_empty() {
            order.push(&app.app);
        }
        versions.push(app);
    }
    order
        .into_iter()
        .filter_map(|name| Some((Arc::from(name), told.remove(name)?)))
        .map(|(name, versions)| {
            let counters = metrics.component(&name, ELSEWHERE);
            let ways = claims(&versions, peers)
                .map(|(claim, versions)| {
                    let route = claim.route.clone();
                    let way = Way::new(&name, route, versions, counters.clone());
                    (claim, Arc::new(way))
                })
                .collect();
            (name, ways)
        })
        .collect()
}

/// What one app claims, each with the versions that do.
fn claims(
    told: &[&AppSettings],
    peers: &HashMap<&str, Arc<Peer>>,
) -> impl Iterator<Item = (Claim, Vec<Version>)> {
    let mut found: HashMap<_, (Claim, Vec<Version>)> = HashMap::new();
    for version in told {
        for route in &version.routes {
            for claim in Claim::all(route) {
                let made = Version::new(version, route, peers);
                let (_, versions) = found.entry(claim.key()).or_insert((claim, Vec::new()));
                versions.push(made);
            }
        }
    }
    found.into_values()
}

/// Adds one app after the other, without those that do not fit.
fn one_by_one(apps: &[Ways]) -> (Router<Arc<Way>>, Vec<(String, RouteError)>) {
    let mut fitting: Vec<&Ways> = Vec::new();
    let mut refused = Vec::new();
    for app in apps {
        let all = fitting.iter().copied().chain([app]).flat_map(routes);
        match Router::new(all.collect()) {
            Ok(_) => fitting.push(app),
            Err(error) => refused.push((app.0.to_string(), error)),
        }
    }
    let router = Router::new(fitting.into_iter().flat_map(routes).collect());
    (router.unwrap_or_else(|_| Router::empty()), refused)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::trigger::router::Found;

    fn route(path: &str) -> RouteSettings {
        RouteSettings {
            route: path.to_owned(),
            methods: Vec::new(),
            hosts: Vec::new(),
            convention: Convention::Wisp,
            timeout_ms: 1000,
        }
    }

    fn app(name: &str, share: u32, hosts: &[&str], paths: &[&str]) -> AppSettings {
        AppSettings {
            app: name.to_owned(),
            share,
            here: hosts.contains(&"here"),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            routes: paths.iter().map(|path| route(path)).collect(),
        }
    }

    fn table(apps: Vec<AppSettings>) -> (Table, Vec<(String, RouteError)>) {
        let peer = |host: &str| PeerAddress {
            host: host.to_owned(),
            address: "127.0.0.1:1".to_owned(),
            workers: 1,
        };
        let settings = TableSettings {
            number: 1,
            peers: vec![peer("b"), peer("c")],
            apps,
        };
        Table::new(&settings, &Known::default(), &Metrics::default())
    }

    /// Where requests of a path go: app and first host.
    fn ask(table: &Table, path: &str) -> String {
        let Found::Route(found) = table.router.find(&Method::GET, "any", path) else {
            return "nowhere".to_owned();
        };
        match found.target().direction() {
            Direction::Here => "here".to_owned(),
            Direction::There(onward) => {
                let first = onward.peers().find_map(|peers| peers.first());
                let host = first.map_or("nobody", |peer| &peer.address.host);
                format!("{} {host}", onward.app())
            }
        }
    }

    #[test]
    fn the_most_specific_route_of_all_apps_wins_wherever_it_runs() {
        let (table, refused) = table(vec![
            app("site", 100, &["here"], &["/..."]),
            app("shop", 100, &["b"], &["/shop/..."]),
            app("nowhere", 100, &[], &["/nowhere"]),
        ]);

        assert!(refused.is_empty());
        assert_eq!(ask(&table, "/other"), "here");
        assert_eq!(ask(&table, "/shop/1"), "shop b");
        assert_eq!(ask(&table, "/nowhere"), "nowhere nobody");
        assert_eq!(ask(&table, "/"), "here");
    }

    #[test]
    fn of_each_hundred_requests_a_version_gets_its_share() {
        let (table, _) = table(vec![
            app("shop", 90, &["here"], &["/", "/old"]),
            app("shop", 10, &["c"], &["/", "/new"]),
        ]);

        for _ in 0..3 {
            let asked: Vec<_> = (0..100).map(|_| ask(&table, "/")).collect();
            assert_eq!(asked.iter().filter(|to| *to == "shop c").count(), 10);
            // And not one after the other.
            let runs = asked
                .windows(2)
                .filter(|two| two[0] == two[1] && two[0] != "here");
            assert_eq!(runs.count(), 0);
        }
        assert_eq!(ask(&table, "/old"), "here");
        assert_eq!(ask(&table, "/new"), "shop c");
    }

    #[test]
    fn routes_of_two_versions_that_overlap_are_one_where_they_do() {
        let mut old = app("shop", 50, &["b"], &["/items/:id"]);
        old.routes[0].methods = vec!["GET".to_owned(), "POST".to_owned()];
        let mut new = app("shop", 50, &["c"], &["/items/:number"]);
        new.routes[0].methods = vec!["get".to_owned()];

        let (table, refused) = table(vec![old, new]);

        assert!(refused.is_empty(), "{refused:?}");
        let asked: Vec<_> = (0..4).map(|_| ask(&table, "/items/7")).collect();
        assert_eq!(asked, ["shop b", "shop c", "shop b", "shop c"]);
        let posted = table.router.find(&Method::POST, "any", "/items/7");
        assert!(matches!(posted, Found::Route(found) if found.target().versions.len() == 1));
    }

    #[test]
    fn every_total_is_gone_through_to_its_end() {
        for total in 1..300_u64 {
            let stride = stride(total);
            let mut seen: Vec<_> = (0..total).map(|turn| turn * stride % total).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..total).collect::<Vec<_>>(), "{total}");
        }
    }

    #[test]
    fn an_app_that_claims_the_requests_of_an_earlier_one_is_left_out() {
        let (table, refused) = table(vec![
            app("first", 100, &["b"], &["/same"]),
            app("second", 100, &["c"], &["/own", "/same"]),
            app("third", 100, &["c"], &["/third"]),
        ]);

        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].0, "second");
        assert_eq!(ask(&table, "/same"), "first b");
        assert_eq!(ask(&table, "/own"), "nowhere");
        assert_eq!(ask(&table, "/third"), "third c");
    }
}
