//! Raw sockets: `wasi:sockets` for what a component was granted in `grants.sockets`.
//!
//! The context of an instance allows no socket and looks no name up, so components without the grant cost nothing. What makes a
//! socket, and what looks a name up, is ours ([`create`], [`lookup`]); the rest of `wasi:sockets` is Wasmtime's. A socket is
//! made in a context of its own, which asks us about every address and holds a permit for as long as the socket lives.
//!
//! An address may be used when a granted network has it, or when a granted name leads to it. The names are looked up by the host;
//! what they lead to is remembered for a minute, so that a guest can connect to what it was told. A component is a client: it is bound
//! to any port of any interface only, and never listens.

mod create;
mod lookup;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use wasmtime::component::Linker;
use wasmtime_wasi::sockets::SocketAddrUse;
use wisp_wasi::{Denial, Denials, State, Table};

use super::network::{Place, Refused, Resolver, Targets, is_public, lead};
use crate::locked::LockedTarget;

/// How long it is remembered where a name leads.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Names that are remembered; a grant may be of very many.
const MOST_NAMES: usize = 200;
/// How long a lookup may take.
const PATIENCE: Duration = Duration::from_secs(10);

const TOO_MANY: &str = "more sockets, lookups and requests in one call (limits.outbound)";

/// The raw sockets of one component in one worker.
#[derive(Debug)]
pub(crate) struct Sockets {
    targets: Targets,
    /// Sockets and lookups that one call of the component may begin, together with its requests.
    calls: u32,
    permits: Arc<Semaphore>,
    denials: Arc<dyn Denials>,
    resolver: Arc<dyn Resolver>,
    leads: Mutex<HashMap<String, Lead>>,
}

/// Where a name led.
#[derive(Debug)]
struct Lead {
    addresses: Vec<IpAddr>,
    since: Instant,
}

/// Why a name is not told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoLookup {
    Denied,
    Malformed,
    Unknown,
    TooMany,
    Late,
}

/// Shadows what makes sockets and looks names up, in a linker that has all of WASI and allows it.
pub(super) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    create::add_to_linker(linker, concurrent)?;
    lookup::add_to_linker(linker, concurrent)
}

/// What a use of an address is called, for those who read the log.
fn describe(usage: SocketAddrUse) -> (&'static str, &'static str) {
    match usage {
        SocketAddrUse::TcpBind => ("tcp", "binding to"),
        SocketAddrUse::TcpListen => ("tcp", "listening at"),
        SocketAddrUse::TcpAccept => ("tcp", "accepting from"),
        SocketAddrUse::TcpConnect => ("tcp", ""),
        SocketAddrUse::UdpBind => ("udp", "binding to"),
        SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => ("udp", ""),
    }
}

impl Sockets {
    pub(crate) fn new(
        grants: &[LockedTarget],
        calls: u32,
        permits: Arc<Semaphore>,
        denials: Arc<dyn Denials>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Arc<Self>, String> {
        Ok(Arc::new(Self {
            targets: Targets::read(grants)?,
            calls,
            permits,
            denials,
            resolver,
            leads: Mutex::default(),
        }))
    }

    fn deny(&self, scheme: &str, target: &str, grant: &str) {
        let import = format!("wasi:sockets/{scheme}");
        self.denials.deny(Denial {
            import: &import,
            target,
            grant,
            table: Table::Grants,
        });
    }

    /// Whether an address may be used like this; says so when not.
    async fn may(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        if let Some(decision) = self.decide(address, usage) {
            return decision;
        }
        let (scheme, _) = describe(usage);
        let ip = address.ip().to_canonical();
        let found = self.finds(scheme, ip, address.port()).await;
        if !found {
            self.deny_address(scheme, address);
        }
        found
    }

    /// The same, as far as nothing has to be looked up for it.
    fn decide(&self, address: SocketAddr, usage: SocketAddrUse) -> Option<bool> {
        let (scheme, doing) = describe(usage);
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let granted = match usage {
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => {
                let known = self.knows(scheme, ip, port);
                if !known {
                    if is_public(ip) && self.unknown_names(scheme, port).next().is_some() {
                        return None;
                    }
                    self.deny_address(scheme, address);
                }
                return Some(known);
            }
            // Strangers must not make us look names up, nor fill the log.
            SocketAddrUse::UdpReceive => return Some(self.knows(scheme, ip, port)),
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => ip.is_unspecified() && port == 0,
            SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
        };
        if !granted {
            self.deny(scheme, &format!("{doing} {address}"), "");
        }
        Some(granted)
    }

    fn deny_address(&self, scheme: &str, address: SocketAddr) {
        let target = format!("{scheme}://{address}");
        self.deny(scheme, &target, &format!("sockets = [\"{target}\"]"));
    }

    /// Names that are granted and may lead anywhere now.
    fn unknown_names(&self, scheme: &str, port: u16) -> impl Iterator<Item = &str> {
        let known = |name: &str| {
            let leads = self.lock();
            let lead = leads.get(name);
            lead.is_some_and(|lead| lead.since.elapsed() < REMEMBERED)
        };
        let names = self.targets.exact_names(scheme, port);
        names.filter(move |name| !known(name))
    }

    /// Whether a granted network has an address, or a granted name is known to lead to it.
    fn knows(&self, scheme: &str, address: IpAddr, port: u16) -> bool {
        if self.targets.address(scheme, address, port).is_some() {
            return true;
        }
        let leads = self.lock();
        let mut leading = leads.iter().filter(|(_, lead)| {
            lead.since.elapsed() < REMEMBERED && lead.addresses.contains(&address)
        });
        // What is remembered was checked for any port; this is the one that counts.
        is_public(address)
            && leading.any(|(name, _)| self.targets.name(scheme, name, port).is_some())
    }

    /// Looks for a granted name that leads to an address of the internet.
    async fn finds(&self, scheme: &str, address: IpAddr, port: u16) -> bool {
        for name in self.unknown_names(scheme, port) {
            if let Ok(Ok(found)) = tokio::time::timeout(PATIENCE, self.follow(name)).await
                && found.contains(&address)
            {
                return true;
            }
        }
        false
    }

    /// Where a name leads now, when all of that may be used with some port.
    async fn follow(&self, name: &str) -> Result<Vec<IpAddr>, Refused> {
        let may = |address| self.targets.covers(address);
        let addresses = lead(self.resolver.as_ref(), name, may).await?;
        let mut leads = self.lock();
        if leads.len() >= MOST_NAMES && !leads.contains_key(name) {
            let oldest = leads.iter().min_by_key(|(_, lead)| lead.since);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.map(|name| leads.remove(&name));
        }
        let since = Instant::now();
        let lead = Lead {
            addresses: addresses.clone(),
            since,
        };
        leads.insert(name.to_owned(), lead);
        Ok(addresses)
    }

    /// The addresses of a name, for the guest.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, NoLookup> {
        let name = match Place::parse_bare(name).ok_or(NoLookup::Malformed)? {
            // Nothing is looked up, so there is nothing to grant; using it is another question.
            Place::Address(address) => return Ok(vec![address]),
            Place::Name(name) => name,
        };
        let denied = |target: &str, grant: &str| {
            self.deny("ip-name-lookup", target, grant);
            NoLookup::Denied
        };
        if !self.targets.mentions(&name) {
            return Err(denied(&name, &format!("sockets = [\"tcp://{name}:*\"]")));
        }
        let found = tokio::time::timeout(PATIENCE, self.follow(&name)).await;
        found
            .map_err(|_| NoLookup::Late)?
            .map_err(|refused| match refused {
                Refused::Unknown(_) => NoLookup::Unknown,
                Refused::Private(addresses) => {
                    let places: Vec<_> = addresses.iter().copied().map(Place::Address).collect();
                    let shown: Vec<_> = places.iter().map(Place::to_string).collect();
                    let grants: Vec<_> = shown
                        .iter()
                        .map(|place| format!("\"tcp://{place}:*\""))
                        .collect();
                    denied(
                        &format!("{name} at {}", shown.join(" and ")),
                        &format!("sockets = [{}]", grants.join(", ")),
                    )
                }
            })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Lead>> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
