//! What a component reaches without a socket: other components of its app by name, and its own app by the app's routes.
//!
//! A request of one component is a request to another, in process, body by body. Two components may reach each other, or
//! one itself: so nobody holds on to anybody here. The components of an app are put in a [`Neighbourhood`] when all of them
//! are there, and are found in it when a request is sent.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, Weak};

use http::header::{HeaderMap, HeaderName};
use http::uri::Authority;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};
use wisp_wasi::{OWN_APP, PeerResponse, Peers};

use crate::link::Callee;
use crate::trigger::fixed::Fixed;
use crate::trigger::headers::speaks_for_host;
use crate::trigger::manner::{self, Manner, Told};
use crate::trigger::router::{Found, Router};

/// A name like this is one that Spin's guests use: `orders.spin` of `http://orders.spin.internal`.
const SPIN: &str = ".spin";

/// What a guest calls the component that a link only lets it send requests to: `orders` of `http://orders.internal`.
pub(crate) fn peer(link: &str) -> Option<&str> {
    link.strip_prefix("http://")?.strip_suffix(".internal")
}

/// The components and the routes of one app, as soon as they are there.
#[derive(Debug, Default)]
pub(crate) struct Neighbourhood(OnceLock<Settled>);

#[derive(Debug)]
struct Settled {
    components: HashMap<String, Weak<dyn Callee>>,
    /// `None` when no component may reach its own app.
    routes: Option<Router<(Manner, Destination)>>,
}

/// Where a route of the app leads.
#[derive(Debug)]
pub(crate) enum Destination {
    Component(String),
    Fixed(Fixed),
}

impl Neighbourhood {
    /// Called once, when all components of the app are there.
    pub(crate) fn settle<'a>(
        &self,
        components: impl IntoIterator<Item = (&'a str, Arc<dyn Callee>)>,
        routes: Option<Router<Destination>>,
    ) {
        let components = components
            .into_iter()
            .map(|(name, callee)| (name.to_owned(), Arc::downgrade(&callee)));
        // A second call would find it settled, and there is none.
        let _ = self.0.set(Settled {
            components: components.collect(),
            routes: routes.map(|routes| routes.map(|manner, destination| (manner, destination))),
        });
    }

    /// One of them.
    pub(crate) fn component(&self, name: &str) -> Option<Arc<dyn Callee>> {
        self.0.get()?.components.get(name)?.upgrade()
    }

    /// Answers a request of one of the app's components as the routes say; `None` before the app is there.
    fn own(&self, mut request: Request<WasiBody>) -> Option<PeerResponse> {
        let routes = self.0.get()?.routes.as_ref()?;
        let uri = request.uri().clone();
        let found = match routes.find(request.method(), "", uri.path()) {
            Found::Route(found) => found,
            Found::OtherMethods(_) => return Some(empty(StatusCode::METHOD_NOT_ALLOWED)),
            Found::Nothing => return Some(empty(StatusCode::NOT_FOUND)),
        };
        let (manner, destination) = found.target();
        match manner {
            Manner::Wisp(words) => words.tell(&found, request.headers_mut()),
            Manner::Spin(words) => {
                let host = uri.authority().map_or("", Authority::as_str);
                let url = manner::full_url(uri.scheme_str().unwrap_or("http"), host, &uri);
                let (url, client) = (&*url, manner::NOBODY);
                words.tell(&found, request.headers_mut(), &Told { url, client });
            }
        }
        match destination {
            Destination::Component(name) => self.component(name)?.fetch(request),
            Destination::Fixed(fixed) => {
                let response = Ok::<_, HttpError>(fixed.response());
                Some(Box::pin(std::future::ready(response)))
            }
        }
    }
}

/// An answer without a body.
fn empty(status: StatusCode) -> PeerResponse {
    let body = Empty::new().map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    Box::pin(std::future::ready(Ok(response)))
}

/// What one component reaches.
#[derive(Debug)]
pub(crate) struct Reach {
    neighbourhood: Arc<Neighbourhood>,
    /// By what it calls them: it reaches them as `<name>.internal`.
    components: HashMap<String, String>,
    /// Whether it reaches its own app by the routes.
    routes: bool,
}

impl Reach {
    pub(crate) fn new(neighbourhood: &Arc<Neighbourhood>, routes: bool) -> Self {
        Self {
            neighbourhood: neighbourhood.clone(),
            components: HashMap::new(),
            routes,
        }
    }

    pub(crate) fn add(&mut self, name: &str, component: &str) {
        self.components
            .insert(name.to_owned(), component.to_owned());
    }
}

/// Who a request goes to, if it is somebody here.
enum Way {
    OwnApp,
    Component(Arc<dyn Callee>),
    /// Somebody who is linked and no longer there: the app is ending.
    Gone,
}

impl Reach {
    fn way(&self, name: &str) -> Option<Way> {
        if name == OWN_APP {
            return self.routes.then_some(Way::OwnApp);
        }
        let component = self.components.get(name)?;
        match self.neighbourhood.component(component) {
            Some(callee) => callee.serves_http().then_some(Way::Component(callee)),
            None => Some(Way::Gone),
        }
    }
}

impl Peers for Reach {
    fn send(
        &self,
        name: &str,
        mut request: Request<WasiBody>,
    ) -> Result<PeerResponse, Box<Request<WasiBody>>> {
        let Some(way) = self.way(name) else {
            return Err(Box::new(request));
        };
        remove_reserved(request.headers_mut());
        let response = match way {
            Way::OwnApp => self.neighbourhood.own(request),
            Way::Component(callee) => {
                if name.ends_with(SPIN) {
                    manner::tell_callee(&mut request);
                }
                callee.fetch(request)
            }
            Way::Gone => None,
        };
        Ok(response.unwrap_or_else(|| {
            let gone = Err(HttpError::DestinationUnavailable);
            Box::pin(std::future::ready(gone))
        }))
    }
}

/// Removes what only the host may say about a request (see `trigger::headers`), in CGI's spelling too.
fn remove_reserved(headers: &mut HeaderMap) {
    let reserved = |name: &&HeaderName| {
        let name = name.as_str().replace('_', "-");
        speaks_for_host(&name) || name == "forwarded" || name.starts_with("x-forwarded-")
    };
    let names: BTreeSet<_> = headers
        .keys()
        .filter(reserved)
        .map(|name| name.as_str().to_owned())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_say_what_only_the_host_may() {
        let names = [
            "accept",
            "wisp-client-address",
            "wisp_route",
            "spin-client-addr",
            "spin_full_url",
            "x-forwarded-for",
            "forwarded",
            "x-request-id",
        ];
        let value = http::HeaderValue::from_static("1");
        let mut headers: HeaderMap = names
            .into_iter()
            .map(|name| (HeaderName::from_static(name), value.clone()))
            .collect();

        remove_reserved(&mut headers);

        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "x-request-id"]);
    }
}
