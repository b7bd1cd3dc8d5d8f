//! Who a request comes from: the other end of a connection, or the client of another host.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::HeaderValue;
use http::uri::{Authority, Scheme};

use super::activity::Activity;
use super::exchange::Shared;
use super::headers;
use super::respond::Respond;
use crate::lattice::hop::Told;
use crate::shutdown::Shutdown;

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Peer<R> {
    pub(super) shared: Arc<Shared<R>>,
    pub(super) shutdown: Shutdown,
    pub(super) activity: Arc<Activity>,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) address_value: HeaderValue,
    /// Whether it is believed what it says about its client.
    pub(super) trusted: bool,
    pub(super) scheme: Scheme,
    /// What another host has told, when the request has come by that.
    pub(super) told: Option<Box<Told>>,
    /// The last host that was asked for: on one connection it is nearly always the same.
    host: Mutex<Option<(HeaderValue, Authority)>>,
}

impl<R: Respond> Peer<R> {
    pub(super) fn new(
        shared: Arc<Shared<R>>,
        shutdown: Shutdown,
        activity: Arc<Activity>,
        address: SocketAddr,
        scheme: Scheme,
    ) -> Self {
        let (address, port) = (address.ip().to_canonical(), address.port());
        let trusted = shared.proxies.trusts(address);
        let address_value = headers::text_value(&address.to_string());
        Self {
            shared,
            shutdown,
            activity,
            address,
            port,
            address_value,
            trusted,
            scheme,
            told: None,
            host: Mutex::new(None),
        }
    }

    /// The client of one request that another host has received: what that one tells of it is the truth.
    pub(super) fn behind(shared: Arc<Shared<R>>, shutdown: Shutdown, told: Told) -> Self {
        let activity = Arc::new(Activity::elsewhere());
        let mut peer = Self::new(shared, shutdown, activity, told.client, Scheme::HTTP);
        peer.trusted = true;
        peer.told = Some(Box::new(told));
        peer
    }

    /// The authority that a `host` header names.
    pub(super) fn authority(&self, value: &HeaderValue) -> Option<Authority> {
        let mut last = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, authority)) = &*last
            && seen == value
        {
            return Some(authority.clone());
        }
        let authority = Authority::try_from(value.as_bytes())
            .ok()
            .filter(is_plain)?;
        // A clone would keep the buffer that the whole head was read into.
        let copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        *last = Some((copy, authority.clone()));
        Some(authority)
    }
}

pub(super) fn is_plain(authority: &Authority) -> bool {
    !authority.as_str().contains('@') && !authority.host().is_empty()
}
