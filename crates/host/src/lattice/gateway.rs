//! Sends a request that this host has received to a host that runs its app, and says what became of it.
//!
//! It is tried at most so often as [`ATTEMPTS`] says, each time at another host, and all together within the time that the component has.
//! Tried again is only what is safe: where the other host has handled nothing, or the method says that doing it twice does
//! no harm; and only while the body can still be sent from its beginning.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::WasiBody;

use super::Kind;
use super::choice::{Fault, Known, OnItsWay, Peer, choose};
use super::hop::{self, Outcome, Told};
use super::identity::{Identities, Identity, IdentitySettings};
use super::peer::{Fate, Peers, Received, Unanswered};
use super::replay::Replay;
use super::table::{Direction, Onward, Table, TableSettings};
use crate::error::HostError;
use crate::telemetry::{Log, Metrics};
use crate::trigger::router::Found;

/// Hosts that one request is sent to, at most.
const ATTEMPTS: usize = 3;
/// What another host gets beyond the time of its component, to say that it was not enough.
const GRACE: Duration = Duration::from_millis(500);

/// What a worker of a host of a lattice is told when it starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatticeSettings {
    /// Who the host is.
    pub identity: IdentitySettings,
    /// What runs where, as far as it is known.
    pub table: Option<TableSettings>,
}

/// The way to other hosts.
#[derive(Debug)]
pub struct Gateway {
    identities: Identities,
    peers: Peers,
    known: Known,
    pub(super) table: RwLock<Option<Arc<Table>>>,
    log: Log,
    metrics: Metrics,
    random: AtomicU64,
}

/// Why no host has answered.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// Nothing was handled; the request as it was.
    NotSent(Box<Request<WasiBody>>),
    /// Nothing was handled, but the body cannot be sent again.
    Spent,
    /// It may have been handled.
    Lost,
    /// No answer in time.
    Late,
}

impl Gateway {
    /// Reads the identity, and begins with the table that is told.
    pub fn new(
        settings: &LatticeSettings,
        log: Log,
        metrics: Metrics,
    ) -> Result<Arc<Self>, HostError> {
        let identities = Identities::new(Identity::read(&settings.identity)?);
        let gateway = Self {
            peers: Peers::new(identities.clone()),
            identities,
            known: Known::default(),
            table: RwLock::default(),
            log,
            metrics,
            random: AtomicU64::new(RandomState::new().hash_one(std::process::id())),
        };
        if let Some(table) = &settings.table {
            gateway.tell(table);
        }
        Ok(Arc::new(gateway))
    }

    /// Who this host is.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The connections to other hosts.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// From now on requests go where this table says, unless a newer one was told.
    pub fn tell(&self, settings: &TableSettings) {
        let (table, refused) = Table::new(settings, &self.known, &self.metrics);
        for (app, why) in refused {
            let message = format!("requests for the app {app} are not sent to other hosts: {why}");
            self.log.worker("warning", &message);
        }
        let wanted: HashSet<_> = settings.peers.iter().collect();
        self.peers.keep(|address| wanted.contains(address));
        let mut current = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if current
            .as_ref()
            .is_none_or(|known| known.number <= table.number)
        {
            *current = Some(Arc::new(table));
        }
    }

    /// From now on new connections show this certificate; why not, where it cannot be used.
    pub fn renew(&self, settings: &IdentitySettings) -> Result<(), HostError> {
        self.identities.replace(Identity::read(settings)?);
        Ok(())
    }

    /// Where a request is answered; when no route fits but for its method, the methods that would.
    pub(crate) fn direction(
        &self,
        method: &Method,
        host: &str,
        path: &str,
    ) -> Result<Direction, Vec<Method>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = &*table else {
            return Ok(Direction::Here);
        };
        match table.router.find(method, host, path) {
            Found::Route(found) => Ok(found.target().direction()),
            Found::OtherMethods(methods) => Err(methods),
            Found::Nothing => Ok(Direction::Here),
        }
    }

    /// A number below another one.
    pub(super) fn random(&self, below: usize) -> usize {
        // SplitMix64: a counter whose bits are mixed.
        let mut mixed = self
            .random
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0) % below.max(1)
    }

    fn next(&self, onward: &Onward, tried: &[Arc<Peer>]) -> Option<Arc<Peer>> {
        onward
            .peers()
            .find_map(|peers| choose(peers, tried, |below| self.random(below)))
    }

    /// Has a request answered by another host. Its head is as its client sent it, without what only a host may say.
    pub(crate) async fn forward(
        &self,
        onward: &Onward,
        client: std::net::SocketAddr,
        request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, Unreached> {
        let deadline = Instant::now() + onward.timeout();
        let (mut parts, body) = request.into_parts();
        parts.version = Version::HTTP_2;
        let told = Told {
            app: onward.app().to_owned(),
            client,
            deadline,
        };
        let body = Replay::new(body);
        let mut tried = Vec::new();
        while let Some(peer) = self.next(onward, &tried).filter(|_| tried.len() < ATTEMPTS) {
            tried.push(peer.clone());
            let request = attempt(&parts, &told, &body);
            let on_its_way = peer.begin();
            let sending = self.peers.send(&peer.address, Kind::Request, request);
            match timeout_at(deadline + GRACE, sending).await {
                Ok(Ok(response)) => {
                    match self.heard(response, on_its_way) {
                        // Nothing was handled, so another host may.
                        (_, Some(Outcome::Elsewhere)) if body.is_whole() => {}
                        (_, Some(Outcome::Elsewhere)) => return Err(Unreached::Spent),
                        (_, Some(Outcome::Overloaded))
                            if body.is_whole() && onward.has_more_than(tried.len()) => {}
                        (response, _) => return Ok(response),
                    }
                }
                Ok(Err(unanswered)) => {
                    self.failed(&peer, &unanswered);
                    if unanswered.fate == Fate::MayHaveRun && !parts.method.is_idempotent() {
                        return Err(Unreached::Lost);
                    }
                    if !body.is_whole() {
                        return Err(Unreached::Spent);
                    }
                }
                Err(_) => {
                    self.out(&peer, Fault::Lost, "no answer in time");
                    return Err(Unreached::Late);
                }
            }
        }
        let request = Request::from_parts(parts, body.attempt());
        Err(Unreached::NotSent(Box::new(request)))
    }

    /// Takes from an answer what the host says of itself.
    pub(super) fn heard(
        &self,
        response: Response<Received>,
        on_its_way: OnItsWay,
    ) -> (Response<WasiBody>, Option<Outcome>) {
        let (mut parts, body) = response.into_parts();
        let (load, outcome) = hop::take(&mut parts.headers);
        let peer = &on_its_way.0;
        peer.answered(load);
        match outcome {
            Some(Outcome::Failed) => self.out(peer, Fault::Guest, "its components fail"),
            Some(Outcome::Overloaded | Outcome::Elsewhere) => {}
            None => peer.succeeded(),
        }
        let body = body.holding(on_its_way);
        (Response::from_parts(parts, body.boxed_unsync()), outcome)
    }

    pub(super) fn failed(&self, peer: &Peer, unanswered: &Unanswered) {
        self.out(peer, Fault::Lost, &unanswered.reason);
    }

    fn out(&self, peer: &Peer, fault: Fault, reason: &str) {
        if let Some(pause) = peer.failed(fault) {
            let (host, pause) = (&peer.address.host, pause.as_secs());
            let message = format!("host {host} gets no requests for {pause} s: {reason}");
            self.log.worker("warning", &message);
        }
    }
}

fn attempt(parts: &Parts, told: &Told, body: &Replay) -> Request<WasiBody> {
    let mut parts = parts.clone();
    told.write(&mut parts.headers);
    Request::from_parts(parts, body.attempt())
}
