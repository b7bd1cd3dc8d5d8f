//! What becomes of the head of a request: who answers it is found out, and it is made into what that one gets.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, Scheme, Uri};
use http::{Method, Version};
use wisp_wasi::Limit;

use super::endpoint;
use super::exchange::Exchange;
use super::forwarded;
use super::headers;
use super::manner::{self, Manner};
use super::peer::is_plain;
use super::place::Place;
use super::problem::Problem;
use super::respond::Respond;
use super::router::Found;
use crate::lattice::table::{Direction, Onward};
use crate::pool::Deadline;

/// Whose request it is, when that is known before its route is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose<'a> {
    /// Whoever has the route.
    Anybody,
    /// This app's.
    App(&'a str),
}

impl Whose<'_> {
    fn is(self, app: &str) -> bool {
        self == Self::Anybody || self == Whose::App(app)
    }
}

impl<R: Respond> Exchange<R> {
    /// Finds out who answers, and makes of the head what that one gets. The body has at least `length` bytes.
    pub(super) fn admit(&mut self, parts: &mut Parts, length: u64) -> Result<(), Problem> {
        if parts.method == Method::CONNECT || parts.method == Method::TRACE {
            return Err(Problem::NotImplemented);
        }
        let authority = self.authority(parts)?;
        let peer = self.peer.clone();
        if let Some(told) = &peer.told {
            return self.admit_here(parts, authority, length, Whose::App(&told.app));
        }
        let Some(gateway) = &peer.shared.gateway else {
            return self.admit_here(parts, authority, length, Whose::Anybody);
        };
        match gateway.direction(&parts.method, authority.host(), parts.uri.path()) {
            Ok(Direction::Here) => self.admit_here(parts, authority, length, Whose::Anybody),
            Ok(Direction::There(onward)) => self.send_on(onward, parts, authority),
            Err(methods) => match self.admit_here(parts, authority, length, Whose::Anybody) {
                Err(Problem::NotFound | Problem::MethodNotAllowed(_)) => {
                    Err(Problem::MethodNotAllowed(methods))
                }
                admitted => admitted,
            },
        }
    }

    /// Makes of the head what another host gets: nothing is in it that only we may say.
    fn send_on(
        &mut self,
        onward: Onward,
        parts: &mut Parts,
        authority: Authority,
    ) -> Result<(), Problem> {
        let (client, scheme) = self.client(parts);
        headers::clean_request(&mut parts.headers, self.peer.trusted);
        parts
            .headers
            .insert(headers::REQUEST_ID, headers::digits_value(self.id));
        self.place = Place::There(onward, client);
        make_absolute(parts, scheme, authority)
    }

    /// Finds the route, and makes of the head what the guest gets.
    pub(super) fn admit_here(
        &mut self,
        parts: &mut Parts,
        authority: Authority,
        length: u64,
        whose: Whose<'_>,
    ) -> Result<(), Problem> {
        let peer = self.peer.clone();
        let router = &peer.shared.router;
        let found = match router.find(&parts.method, authority.host(), parts.uri.path()) {
            Found::Route(found) if whose.is(found.target().target.app()) => found,
            // Another app has these requests here, or none: that is no answer for the one that is meant.
            _ if whose != Whose::Anybody => return Err(Problem::Elsewhere),
            Found::OtherMethods(methods) => return Err(Problem::MethodNotAllowed(methods)),
            Found::Route(_) | Found::Nothing => return Err(Problem::NotFound),
        };
        self.place = Place::Here(found.index());
        peer.shared.metrics.begin();
        found.target().counters.begin();
        let endpoint = found.target();
        if length > endpoint.target.body_limit() {
            endpoint.counters.exceeded(Limit::Body, 1);
            return Err(Problem::TooLarge);
        }
        if endpoint
            .head_limit
            .is_some_and(|limit| endpoint::head_length(parts) > limit)
        {
            endpoint.counters.exceeded(Limit::Headers, 1);
            return Err(Problem::HeadTooLarge);
        }
        let (client, scheme) = self.client(parts);
        headers::clean_request(&mut parts.headers, peer.trusted);
        parts
            .headers
            .insert(headers::REQUEST_ID, headers::digits_value(self.id));
        match &endpoint.manner {
            Manner::Wisp(words) => {
                let address = self.address_value(client.ip());
                parts.headers.insert(headers::CLIENT_ADDRESS, address);
                words.tell(&found, &mut parts.headers);
            }
            Manner::Spin(words) => {
                let url = manner::full_url(scheme.as_str(), authority.as_str(), &parts.uri);
                let told = manner::Told { url: &url, client };
                words.tell(&found, &mut parts.headers, &told);
            }
        }
        make_absolute(parts, scheme, authority)?;
        if let Some(told) = &peer.told {
            parts.extensions.insert(Deadline(told.deadline));
        }
        Ok(())
    }

    /// The client as far as we believe what we are told, and the scheme that it used.
    fn client(&mut self, parts: &Parts) -> (SocketAddr, Scheme) {
        let peer = &self.peer;
        if let Some(told) = &peer.told {
            let scheme = parts.uri.scheme().cloned();
            return (told.client, scheme.unwrap_or_else(|| peer.scheme.clone()));
        }
        if !peer.trusted {
            let client = SocketAddr::new(peer.address, peer.port);
            return (client, peer.scheme.clone());
        }
        let client = peer.shared.proxies.client(peer.address, &parts.headers);
        if let Some(description) = &mut self.description {
            description.client = client;
        }
        let scheme = forwarded::scheme(&parts.headers).unwrap_or_else(|| peer.scheme.clone());
        // A proxy tells no port, and its own is not the client's.
        (SocketAddr::new(client, 0), scheme)
    }

    fn address_value(&self, client: IpAddr) -> HeaderValue {
        if client == self.peer.address {
            return self.peer.address_value.clone();
        }
        headers::text_value(&client.to_string())
    }

    /// The authority that is asked for; what the target names wins over the `host` header.
    fn authority(&self, parts: &mut Parts) -> Result<Authority, Problem> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let (host, another) = (hosts.next(), hosts.next());
        if another.is_some() {
            return Err(Problem::BadRequest("there is more than one host header"));
        }
        if let Some(authority) = parts.uri.authority() {
            if host.is_none() && parts.version == Version::HTTP_11 {
                return Err(Problem::BadRequest("there is no host header"));
            }
            let authority = authority.clone();
            if !is_plain(&authority) {
                return Err(Problem::BadRequest("the host is not valid"));
            }
            if host.is_some() {
                parts
                    .headers
                    .insert(header::HOST, headers::text_value(authority.as_str()));
            }
            return Ok(authority);
        }
        match host {
            Some(host) => self
                .peer
                .authority(host)
                .ok_or(Problem::BadRequest("the host header is not valid")),
            None if parts.version == Version::HTTP_10 => Ok(Authority::from_static("localhost")),
            None => Err(Problem::BadRequest("there is no host header")),
        }
    }
}

/// Gives the target of a request its scheme and authority, and takes everything from it that is not in its head.
fn make_absolute(parts: &mut Parts, scheme: Scheme, authority: Authority) -> Result<(), Problem> {
    parts.extensions.clear();
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(scheme);
    uri.path_and_query = parts.uri.path_and_query().cloned();
    uri.authority = Some(authority);
    parts.uri = Uri::from_parts(uri)
        .map_err(|_| Problem::BadRequest("the target of the request is not valid"))?;
    Ok(())
}
