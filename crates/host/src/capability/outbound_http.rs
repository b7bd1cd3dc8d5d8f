//! Outgoing requests: `wasi:http` for what a component was granted in `grants.http`.
//!
//! A request goes through four stations. Its destination is read once, strictly ([`destination`]), and everything after uses
//! what was read. The policy looks for a grant: a name needs one of names, an address one of addresses. A connection comes from the
//! component's own pool ([`pool`]), or is made: the name is looked up, every address checked, and one of the checked ones connected to
//! ([`connect`]), with the TLS identity of the grant ([`identity`]). Then the request is sent, and the body of the response
//! is bounded while it comes ([`body`]).
//!
//! A pool belongs to one component of one app in one worker, so no component gets a connection that another's grant opened; within it,
//! connections of different identities are kept apart. Redirects are responses like any others: the guest gets them, and
//! what it sends next is checked like everything that it sends.

mod body;
mod connect;
mod destination;
mod error_code;
mod failure;
mod fault;
mod identity;
mod pool;
mod sender;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};
use wisp_wasi::{Denial, Denials, Egress, OWN_HOST, Patience, Sending, Table};

pub(super) use self::error_code::add_to_linker;

use self::body::Received;
use self::destination::Destination;
use self::identity::Identity;
use self::pool::{ConnectionPool, Key, Turn};
use self::sender::Sender;
use crate::capability::network::{Place, Refused, Resolver, Targets, lead};
use crate::locked::LockedTarget;

const IMPORT: &str = "wasi:http/outgoing-handler";

/// How long a guest waits when it does not say, and the most that it can ask for.
const CONNECT: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(1));
const BYTES: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(10));

/// How much a component may send and get.
#[derive(Clone, Debug)]
pub struct OutboundBounds {
    /// Requests that one call of it may begin.
    pub calls: u32,
    /// Bytes of the body of one response.
    pub download: u64,
    /// A permit for each connection of this worker, raw sockets too.
    pub connections: Arc<Semaphore>,
}

/// What became of the requests of one component.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    failures: AtomicU64,
}

/// The client of one component in one worker. Clones share everything.
#[derive(Clone, Debug)]
pub struct OutboundHttp {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    targets: Targets,
    /// Of each target, by its place in the grants.
    identities: Vec<Arc<Identity>>,
    bounds: OutboundBounds,
    pool: Arc<ConnectionPool>,
    denials: Arc<dyn Denials>,
    resolver: Arc<dyn Resolver>,
    counts: Counts,
    /// The components of the app, by name: a link reaches them, and no grant does.
    neighbours: OnceLock<Arc<BTreeSet<String>>>,
}

/// A destination that is granted.
#[derive(Debug)]
struct Route {
    key: Key,
    /// Whether a name may lead to addresses that are not public.
    private: bool,
}

impl OutboundHttp {
    /// Reads the grants and the files that they name; the error says which grant is wrong.
    pub fn new(
        grants: &[LockedTarget],
        bounds: OutboundBounds,
        denials: Arc<dyn Denials>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, String> {
        let identities = grants.iter().map(|grant| {
            let identity = Identity::read(grant);
            identity
                .map(Arc::new)
                .map_err(|error| format!("the grant {}: {error}", grant.text))
        });
        Ok(Self {
            shared: Arc::new(Shared {
                targets: Targets::read(grants)?,
                identities: identities.collect::<Result<_, _>>()?,
                pool: ConnectionPool::new(bounds.connections.clone()),
                bounds,
                denials,
                resolver,
                counts: Counts::default(),
                neighbours: OnceLock::new(),
            }),
        })
    }

    /// Names the components of the app, so that a request to one that is not linked is told which link is lacking. Once.
    #[must_use]
    pub fn beside(self, neighbours: &Arc<BTreeSet<String>>) -> Self {
        let _ = self.shared.neighbours.set(neighbours.clone());
        self
    }

    /// Requests so far, those that were refused too.
    pub fn requests(&self) -> u64 {
        self.shared.counts.requests.load(Ordering::Relaxed)
    }

    /// Requests so far that got no response.
    pub fn failures(&self) -> u64 {
        self.shared.counts.failures.load(Ordering::Relaxed)
    }
}

impl Egress for OutboundHttp {
    fn send(&self, request: Request<WasiBody>, patience: Patience, number: u32) -> Sending {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.counts.requests.fetch_add(1, Ordering::Relaxed);
            let result = shared.exchange(request, patience, number).await;
            if result.is_err() {
                shared.counts.failures.fetch_add(1, Ordering::Relaxed);
            }
            result
        })
    }
}

/// The guest's patience, within ours.
fn within(asked: Option<Duration>, (usual, most): (Duration, Duration)) -> Duration {
    asked.unwrap_or(usual).min(most)
}

impl Shared {
    async fn exchange(
        &self,
        mut request: Request<WasiBody>,
        patience: Patience,
        number: u32,
    ) -> Result<Response<WasiBody>, HttpError> {
        if number > self.bounds.calls {
            let calls = self.bounds.calls;
            self.deny(
                &format!(
                    "more than {calls} requests, lookups and sockets in one call (limits.outbound)"
                ),
                "",
            );
            return Err(HttpError::HttpRequestDenied);
        }
        // Through a tunnel it would reach places that nobody checks.
        if request.method() == Method::CONNECT {
            return Err(HttpError::HttpRequestMethodInvalid);
        }
        // Nobody's address is that of the own app, which only a grant lets through to its routes.
        if request.uri().host().is_none_or(str::is_empty) {
            self.deny("its own app", &format!("http = [\"http://{OWN_HOST}\"]"));
            return Err(HttpError::HttpRequestDenied);
        }
        let route = self.route(Destination::of(request.uri())?)?;
        let connect = Instant::now() + within(patience.connect, CONNECT);
        loop {
            let (mut sender, kept) = self.connection(&route, connect).await?;
            sender.shape(&mut request, &route.key.destination)?;
            let head = Instant::now() + within(patience.first_byte, BYTES);
            let sent = timeout_at(head, sender.send(request)).await;
            match sent.map_err(|_| HttpError::ConnectionReadTimeout)? {
                Ok(response) => {
                    let patience = within(patience.between_bytes, BYTES);
                    return Ok(self.respond(response, route.key, sender, patience));
                }
                Err(mut error) => match error.take_message() {
                    // The server closed the connection before anything of the request went out.
                    Some(unsent) if kept => request = unsent,
                    _ => return Err(sender.failure(error.error())),
                },
            }
        }
    }

    /// The grant for a destination; says so when there is none.
    fn route(&self, destination: Destination) -> Result<Route, HttpError> {
        let (scheme, port) = (destination.scheme(), destination.port);
        let found = match &destination.place {
            Place::Name(name) => {
                let grant = self.targets.name(scheme, name, port);
                grant.map(|grant| (grant.index, grant.private))
            }
            Place::Address(address) => {
                let grant = self.targets.address(scheme, *address, port);
                grant.map(|index| (index, false))
            }
        };
        let Some((identity, private)) = found else {
            self.deny_destination(&destination);
            return Err(HttpError::HttpRequestDenied);
        };
        let identity = if destination.secure { identity } else { 0 };
        let key = Key {
            destination,
            identity,
        };
        Ok(Route { key, private })
    }

    /// A connection, and whether it was used before.
    async fn connection(
        &self,
        route: &Route,
        deadline: Instant,
    ) -> Result<(Sender, bool), HttpError> {
        let turn = self.pool.turn(&route.key, deadline).await;
        let permit = match turn {
            Ok(Turn::Kept(sender)) => return Ok((sender, true)),
            Ok(Turn::Permit(permit)) => permit,
            Err(error) => {
                self.deny("more connections at once (limits.connections)", "");
                return Err(error);
            }
        };
        let destination = &route.key.destination;
        let addresses = self.addresses(route, deadline).await?;
        let stream = connect::reach(&addresses, destination.port, deadline).await?;
        let identity = self.identities.get(route.key.identity);
        let tls = match identity.filter(|_| destination.secure) {
            Some(identity) => {
                let config = identity.config().await;
                Some(config.map_err(|_| HttpError::ConfigurationError)?)
            }
            None => None,
        };
        let speaking = connect::speak(stream, destination, tls, permit);
        let sender = timeout_at(deadline, speaking).await;
        let sender = sender.map_err(|_| HttpError::ConnectionTimeout)??;
        if let Some(shared) = sender.share() {
            self.pool.keep(route.key.clone(), shared);
        }
        Ok((sender, false))
    }

    /// Where a destination is, when all of that may be used.
    async fn addresses(&self, route: &Route, deadline: Instant) -> Result<Vec<IpAddr>, HttpError> {
        let destination = &route.key.destination;
        let name = match &destination.place {
            // That it is granted was the way to a route.
            Place::Address(address) => return Ok(vec![*address]),
            Place::Name(name) => name,
        };
        let (scheme, port) = (destination.scheme(), destination.port);
        let may = |address| route.private || self.targets.address(scheme, address, port).is_some();
        let looking = lead(self.resolver.as_ref(), name, may);
        let found = timeout_at(deadline, looking).await;
        found
            .map_err(|_| HttpError::DnsTimeout)?
            .map_err(|refused| match refused {
                Refused::Unknown(error) => HttpError::DnsError {
                    rcode: Some(error.to_string()),
                    info_code: None,
                },
                Refused::Private(addresses) => {
                    self.deny_addresses(destination, &addresses);
                    HttpError::DestinationIpProhibited
                }
            })
    }

    fn respond(
        &self,
        response: Response<Incoming>,
        key: Key,
        sender: Sender,
        patience: Duration,
    ) -> Response<WasiBody> {
        let stream = match sender {
            Sender::One(sender) => {
                self.pool.give_back(key, sender);
                None
            }
            Sender::Many(_, token, _) => Some(token),
        };
        let download = self.bounds.download;
        response.map(|body| Received::new(body, download, patience, stream).boxed_unsync())
    }

    fn deny(&self, target: &str, grant: &str) {
        self.denials.deny(Denial {
            import: IMPORT,
            target,
            grant,
            table: Table::Grants,
        });
    }

    /// Says what is lacking for a destination: a grant, or a link when it is a component of the app.
    fn deny_destination(&self, destination: &Destination) {
        let known = self.neighbours.get();
        let is_known = |name: &&str| known.is_some_and(|known| known.contains(*name));
        let Some(component) = destination.component().filter(is_known) else {
            let grant = destination.grant(&destination.place);
            self.deny(&destination.origin(), &format!("http = [\"{grant}\"]"));
            return;
        };
        let host = &destination.place;
        self.denials.deny(Denial {
            import: IMPORT,
            target: &destination.origin(),
            grant: &format!("\"http://{host}\" = \"{component}\""),
            table: Table::Link,
        });
    }

    /// Says which addresses a granted name leads to that were not granted.
    fn deny_addresses(&self, destination: &Destination, addresses: &[IpAddr]) {
        let places: Vec<_> = addresses.iter().copied().map(Place::Address).collect();
        let shown: Vec<_> = places.iter().map(Place::to_string).collect();
        let target = format!("{} at {}", destination.origin(), shown.join(" and "));
        let grants: Vec<_> = places
            .iter()
            .map(|place| format!("\"{}\"", destination.grant(place)))
            .collect();
        self.deny(&target, &format!("http = [{}]", grants.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_may_be_less_patient_than_the_host_and_not_more() {
        let times = (Duration::from_secs(10), Duration::from_mins(1));

        assert_eq!(within(None, times).as_secs(), 10);
        assert_eq!(within(Some(Duration::ZERO), times).as_secs(), 0);
        assert_eq!(within(Some(Duration::from_secs(30)), times).as_secs(), 30);
        assert_eq!(within(Some(Duration::MAX), times).as_secs(), 60);
    }
}
