//! What a guest is told of the request that led to it, in headers: in our words, or in those of Spin.
//!
//! Spin's words are those of its version 4.1. There a component that is called by another one is told of a route that takes
//! everything, and of a client that has no address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri};

use super::headers::{self, text_value};
use super::pattern::{Pattern, Segment};
use super::router::Match;
use crate::locked::Convention;

const FULL_URL: HeaderName = HeaderName::from_static("spin-full-url");
const PATH_INFO: HeaderName = HeaderName::from_static("spin-path-info");
const MATCHED_ROUTE: HeaderName = HeaderName::from_static("spin-matched-route");
const BASE_PATH: HeaderName = HeaderName::from_static("spin-base-path");
const RAW_ROUTE: HeaderName = HeaderName::from_static("spin-raw-component-route");
const COMPONENT_ROUTE: HeaderName = HeaderName::from_static("spin-component-route");
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("spin-client-addr");
const EVERYTHING: &str = "/...";

/// The client of a request that another component sent.
pub(crate) const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How the guest of a route is told about its requests, prepared once for all of them.
#[derive(Debug)]
pub(crate) enum Manner {
    /// With our headers.
    Wisp(Words),
    /// With Spin's.
    Spin(Box<SpinWords>),
}

/// The headers of one of our routes.
#[derive(Debug)]
pub(crate) struct Words {
    route: HeaderValue,
    parameters: Vec<HeaderName>,
    is_dynamic: bool,
}

/// The headers of a route of Spin.
#[derive(Debug)]
pub(crate) struct SpinWords {
    matched: HeaderValue,
    raw: HeaderValue,
    component: HeaderValue,
    parameters: Vec<HeaderName>,
}

/// What Spin tells of a request besides its route.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// The whole URL, as the client wrote it.
    pub(crate) url: &'a str,
    pub(crate) client: SocketAddr,
}

impl Manner {
    pub(super) fn new(convention: Convention, route: &str, pattern: &Pattern) -> Self {
        match convention {
            Convention::Wisp => {
                let parameters = named(pattern, |name| format!("wisp-param-{name}"));
                Self::Wisp(Words {
                    route: text_value(route),
                    is_dynamic: pattern.rest || !parameters.is_empty(),
                    parameters,
                })
            }
            Convention::Spin => Self::Spin(Box::new(SpinWords {
                matched: text_value(route.strip_suffix('/').unwrap_or(route)),
                raw: text_value(route),
                component: text_value(route.strip_suffix(EVERYTHING).unwrap_or(route)),
                parameters: named(pattern, |name| {
                    format!("spin-path-match-{}", name.replace('_', "-"))
                }),
            })),
        }
    }
}

fn named(pattern: &Pattern, header: impl Fn(&str) -> String) -> Vec<HeaderName> {
    let names = pattern.segments.iter().filter_map(|segment| match segment {
        Segment::Parameter(name) => HeaderName::try_from(header(name)).ok(),
        Segment::Literal(_) => None,
    });
    names.collect()
}

impl Words {
    /// Tells what the route made of the path, where there is something to tell.
    pub(crate) fn tell<T>(&self, found: &Match<'_, '_, T>, headers: &mut HeaderMap) {
        if !self.is_dynamic {
            return;
        }
        headers.insert(headers::ROUTE, self.route.clone());
        for (name, (_, value)) in self.parameters.iter().zip(found.parameters()) {
            headers.insert(name.clone(), text_value(value));
        }
        if let Some(rest) = found.rest() {
            headers.insert(headers::PATH_INFO, text_value(rest));
        }
    }
}

impl SpinWords {
    /// Tells everything, whatever the route is.
    pub(crate) fn tell<T>(
        &self,
        found: &Match<'_, '_, T>,
        headers: &mut HeaderMap,
        told: &Told<'_>,
    ) {
        told.tell(headers, found.rest().unwrap_or_default());
        headers.insert(MATCHED_ROUTE, self.matched.clone());
        headers.insert(RAW_ROUTE, self.raw.clone());
        headers.insert(COMPONENT_ROUTE, self.component.clone());
        for (name, (_, value)) in self.parameters.iter().zip(found.parameters()) {
            headers.insert(name.clone(), text_value(value));
        }
    }
}

impl Told<'_> {
    fn tell(&self, headers: &mut HeaderMap, path_info: &str) {
        headers.insert(PATH_INFO, text_value(path_info));
        headers.insert(FULL_URL, text_value(self.url));
        headers.insert(BASE_PATH, HeaderValue::from_static("/"));
        headers.insert(CLIENT_ADDRESS, text_value(&self.client.to_string()));
    }
}

/// A URL as Spin tells it.
pub(crate) fn full_url(scheme: &str, host: &str, uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{scheme}://{host}{path}")
}

/// Tells a component of Spin about a request that another one sent it by its name.
pub(crate) fn tell_callee<B>(request: &mut Request<B>) {
    let uri = request.uri();
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let (url, path) = (full_url(scheme, host, uri), uri.path().to_owned());
    let headers = request.headers_mut();
    let told = Told {
        url: &url,
        client: NOBODY,
    };
    told.tell(headers, &path);
    headers.insert(MATCHED_ROUTE, HeaderValue::from_static(EVERYTHING));
    headers.insert(RAW_ROUTE, HeaderValue::from_static(EVERYTHING));
    headers.insert(COMPONENT_ROUTE, HeaderValue::from_static(""));
    // The name means nothing outside of the app, and guests hand on the headers that they got.
    headers.remove(header::HOST);
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::super::router::{Found, Route, Router};
    use super::*;

    /// What a guest of Spin is told of a request to `path` on this route, or nothing when the route does not fit.
    fn told(route: &str, path: &str) -> Option<Vec<(String, String)>> {
        let route = Route::new(route, &[], &[], ()).with(Convention::Spin);
        let router = Router::new(vec![route]).unwrap().map(|manner, ()| manner);
        let uri: Uri = path.parse().unwrap();
        let Found::Route(found) = router.find(&Method::GET, "", uri.path()) else {
            return None;
        };
        let Manner::Spin(words) = found.target() else {
            panic!("the route has other conventions");
        };
        let (mut headers, url) = (HeaderMap::new(), full_url("https", "example.com", &uri));
        let client = "127.0.0.1:8777".parse().unwrap();
        words.tell(&found, &mut headers, &Told { url: &url, client });
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let mut list: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect();
        list.sort();
        Some(list)
    }

    fn header(route: &str, path: &str, name: &str) -> Option<String> {
        let told = told(route, path)?;
        told.into_iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    #[test]
    fn a_guest_of_spin_is_told_everything_that_spin_tells() {
        let told = told("/foo/:user_id/...", "/foo/42/bar?key=value").unwrap();

        let told: Vec<_> = told
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("spin-base-path", "/"),
                ("spin-client-addr", "127.0.0.1:8777"),
                ("spin-component-route", "/foo/:user_id"),
                ("spin-full-url", "https://example.com/foo/42/bar?key=value"),
                ("spin-matched-route", "/foo/:user_id/..."),
                ("spin-path-info", "/bar"),
                ("spin-path-match-user-id", "42"),
                ("spin-raw-component-route", "/foo/:user_id/..."),
            ]
        );
    }

    #[test]
    fn the_path_info_is_what_the_route_leaves_open() {
        for (route, path, info) in [
            ("/...", "/1/2/3", "/1/2/3"),
            ("/...", "/", "/"),
            ("/1/...", "/1/2/3", "/2/3"),
            ("/test/...", "/test", ""),
            ("/test/...", "/test/", "/"),
            ("/test/...", "/test/hello", "/hello"),
            ("/test/...", "/test/hello/", "/hello/"),
            ("/exact", "/exact", ""),
            ("/exact", "/exact/", ""),
            ("/1/:two/3", "/1/2/3", ""),
        ] {
            let found = header(route, path, "spin-path-info");
            assert_eq!(found.as_deref(), Some(info), "{route} {path}");
        }
    }

    #[test]
    fn a_slash_at_the_end_of_a_path_does_not_count() {
        for (route, path, fits) in [
            ("/foo", "/foo/", true),
            ("/foo", "/foo", true),
            ("/foo", "/foo/bar", false),
            ("/foo", "/foobar", false),
            ("/:name", "/foo/", true),
            ("/:name", "/", false),
            ("/foo/...", "/foobar", false),
            ("/", "/", true),
        ] {
            assert_eq!(told(route, path).is_some(), fits, "{route} {path}");
        }
    }

    #[test]
    fn the_route_of_the_root_has_the_names_that_spin_gives_it() {
        for (route, name, value) in [
            ("/", "spin-matched-route", ""),
            ("/", "spin-raw-component-route", "/"),
            ("/...", "spin-component-route", ""),
            ("/...", "spin-matched-route", "/..."),
        ] {
            let found = header(route, "/", name);
            assert_eq!(found.as_deref(), Some(value), "{route} {name}");
        }
    }

    #[test]
    fn a_callee_is_told_of_a_route_that_takes_everything() {
        let mut request = Request::get("http://orders.spin.internal/a/b?c=d")
            .header("host", "orders.spin.internal")
            .body(())
            .unwrap();

        tell_callee(&mut request);

        let get = |name: &str| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(get("host"), None);
        assert_eq!(get("spin-path-info"), Some("/a/b"));
        assert_eq!(
            get("spin-full-url"),
            Some("http://orders.spin.internal/a/b?c=d")
        );
        assert_eq!(get("spin-matched-route"), Some("/..."));
        assert_eq!(get("spin-component-route"), Some(""));
        assert_eq!(get("spin-client-addr"), Some("0.0.0.0:0"));
    }
}
