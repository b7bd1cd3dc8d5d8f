//! Which component answers a request.
//!
//! A route has a path pattern, methods and hosts. Of all routes that match a request's host, path and method, the most
//! specific one wins: first by host (exact, then the longest `*.suffix`, then any), then by path, segment by segment
//! (text, then `:parameter`, then `/...`), then by method (named, then `GET` for `HEAD`, then any).
//!
//! - Paths are split at `/` first and each segment is percent-decoded then, so that `%2F` never separates segments. An
//!   encoding that is not valid stands for itself. Dot segments are not resolved: the guest gets the path that was routed.
//! - `/a` and `/a/` are different paths, except for a route with the conventions of Spin. `/files/...` matches `/files`, `/files/` and everything below.
//! - A `:parameter` matches one segment that is not empty.
//! - Hosts are compared without port, letter case and final dot.
//! - When only the method does not fit, the answer is 405 with the methods of all routes that fit otherwise.
//!
//! Everything is prepared when the router is built. A path without parameters and encodings is found by one look into a
//! table, and nothing is allocated on the way.

use std::collections::HashMap;

use http::Method;
use thiserror::Error;

use super::manner::Manner;
use super::pattern::{HostPattern, Pattern, Segment, comparable_host};
use super::tree::Tree;
use crate::locked::Convention;

/// A route before it is checked.
#[derive(Clone, Debug)]
pub struct Route<T> {
    path: String,
    methods: Vec<String>,
    hosts: Vec<String>,
    convention: Convention,
    target: T,
}

impl<T> Route<T> {
    /// A route to `target`; no methods or hosts mean any.
    pub fn new(path: &str, methods: &[String], hosts: &[String], target: T) -> Self {
        Self {
            path: path.to_owned(),
            methods: methods.to_vec(),
            hosts: hosts.to_vec(),
            convention: Convention::Wisp,
            target,
        }
    }

    /// The same route with these conventions.
    #[must_use]
    pub fn with(self, convention: Convention) -> Self {
        Self { convention, ..self }
    }
}

/// Why routes cannot be served together.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RouteError {
    /// A path pattern means nothing.
    #[error("the route `{route}` is not valid: {reason}")]
    Path {
        /// The pattern.
        route: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A host pattern means nothing.
    #[error("the route `{route}` has a host that is not valid: {reason}")]
    Host {
        /// The pattern.
        route: String,
        /// What is wrong with the host.
        reason: String,
    },
    /// A method is no word of HTTP, or one that no component can serve.
    #[error("the route `{route}` has the method `{method}`, which cannot be served")]
    Method {
        /// The pattern.
        route: String,
        /// The method.
        method: String,
    },
    /// Two routes match the same requests.
    #[error("the routes `{first}` and `{second}` match the same requests")]
    Equal {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
    },
}

/// A route that is in a router.
#[derive(Debug)]
struct Entry<T> {
    text: String,
    pattern: Pattern,
    convention: Convention,
    target: T,
}

/// The routes of a host, prepared for lookup.
#[derive(Debug)]
pub struct Router<T> {
    entries: Vec<Entry<T>>,
    exact: HashMap<String, Tree>,
    below: HashMap<String, Tree>,
    any: Tree,
}

/// What a lookup gives.
#[derive(Debug)]
pub enum Found<'r, 'p, T> {
    /// The most specific route.
    Route(Match<'r, 'p, T>),
    /// Routes fit but for their method; these are the ones that they allow.
    OtherMethods(Vec<Method>),
    /// No route fits.
    Nothing,
}

/// A route and the path that it matched.
#[derive(Debug)]
pub struct Match<'r, 'p, T> {
    index: usize,
    entry: &'r Entry<T>,
    path: &'p str,
}

impl<'r, 'p, T> Match<'r, 'p, T> {
    /// Number of the route, as [`Router::route`] takes it.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What the route leads to.
    pub fn target(&self) -> &'r T {
        &self.entry.target
    }

    /// The route as it was written.
    pub fn route(&self) -> &'r str {
        &self.entry.text
    }

    /// The parameters with what they matched, still percent-encoded.
    pub fn parameters(&self) -> impl Iterator<Item = (&'r str, &'p str)> {
        let parts = self.path.split('/').skip(1);
        self.entry
            .pattern
            .segments
            .iter()
            .zip(parts)
            .filter_map(|(segment, part)| match segment {
                Segment::Parameter(name) => Some((name.as_str(), part)),
                Segment::Literal(_) => None,
            })
    }

    /// For a route with `/...`, the part of the path that it stands for: empty, or from its `/` on.
    pub fn rest(&self) -> Option<&'p str> {
        let Pattern { segments, rest } = &self.entry.pattern;
        let start = self.path.match_indices('/').nth(segments.len());
        rest.then(|| {
            start
                .and_then(|(start, _)| self.path.get(start..))
                .unwrap_or_default()
        })
    }
}

impl<T> Router<T> {
    /// No route at all.
    pub(crate) fn empty() -> Self {
        Self {
            entries: Vec::new(),
            exact: HashMap::new(),
            below: HashMap::new(),
            any: Tree::new(),
        }
    }

    /// Checks the routes and prepares them.
    pub fn new(routes: Vec<Route<T>>) -> Result<Self, RouteError> {
        let mut built = Self::empty();
        built.entries.reserve(routes.len());
        for route in routes {
            built.add(route)?;
        }
        Ok(built)
    }

    /// The same routes to other targets, each made from how its guest is told about it, and its old target.
    pub(crate) fn map<U>(self, mut change: impl FnMut(Manner, T) -> U) -> Router<U> {
        let entries = self.entries.into_iter().map(
            |Entry {
                 text,
                 pattern,
                 convention,
                 target,
             }| {
                let target = change(Manner::new(convention, &text, &pattern), target);
                Entry {
                    text,
                    pattern,
                    convention,
                    target,
                }
            },
        );
        Router {
            entries: entries.collect(),
            exact: self.exact,
            below: self.below,
            any: self.any,
        }
    }

    /// A route by its number: its text and its target.
    pub fn route(&self, index: usize) -> Option<(&str, &T)> {
        self.entries
            .get(index)
            .map(|entry| (entry.text.as_str(), &entry.target))
    }

    fn add(&mut self, route: Route<T>) -> Result<(), RouteError> {
        let Checked {
            pattern,
            methods,
            hosts,
        } = Checked::new(&route)?;
        let index = self.entries.len();
        let convention = route.convention;
        // In Spin `/a/` is `/a`.
        let twin = match convention {
            Convention::Spin => pattern.with_slash(),
            Convention::Wisp => None,
        };
        let insert = |tree: &mut Tree| {
            std::iter::once(&pattern)
                .chain(&twin)
                .try_for_each(|pattern| tree.insert(pattern, &methods, index))
        };
        let mut results = Vec::new();
        if hosts.is_empty() {
            results.push(insert(&mut self.any));
        }
        for host in hosts {
            let (trees, name) = match host {
                HostPattern::Exact(name) => (&mut self.exact, name),
                HostPattern::Below(name) => (&mut self.below, name),
            };
            results.push(insert(trees.entry(name).or_insert_with(Tree::new)));
        }
        let Route { path, target, .. } = route;
        if let Some(other) = results.into_iter().find_map(Result::err) {
            let first = self.entries.get(other).map_or(&path, |entry| &entry.text);
            return Err(RouteError::Equal {
                first: first.clone(),
                second: path,
            });
        }
        self.entries.push(Entry {
            text: path,
            pattern,
            convention,
            target,
        });
        Ok(())
    }

    /// Finds the route of a request.
    pub fn find<'r, 'p>(&'r self, method: &Method, host: &str, path: &'p str) -> Found<'r, 'p, T> {
        if !path.starts_with('/') {
            return Found::Nothing;
        }
        let named_hosts = !self.exact.is_empty() || !self.below.is_empty();
        let host = if named_hosts {
            comparable_host(host)
        } else {
            "".into()
        };
        let index = self.trees(&host).find_map(|tree| tree.find(method, path));
        match index.and_then(|index| Some((index, self.entries.get(index)?))) {
            Some((index, entry)) => Found::Route(Match { index, entry, path }),
            None => self.other_methods(&host, path),
        }
    }

    fn other_methods(&self, host: &str, path: &str) -> Found<'_, 'static, T> {
        let mut methods = Vec::new();
        for tree in self.trees(host) {
            tree.collect_methods(path, &mut methods);
        }
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        methods.dedup();
        if methods.is_empty() {
            Found::Nothing
        } else {
            Found::OtherMethods(methods)
        }
    }

    /// The trees that hold for a host, most specific first.
    fn trees<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Tree> {
        let above = host
            .match_indices('.')
            .filter_map(|(dot, _)| self.below.get(host.get(dot + 1..)?));
        self.exact
            .get(host)
            .into_iter()
            .chain(above)
            .chain(std::iter::once(&self.any))
    }
}

/// What a route says, understood.
struct Checked {
    pattern: Pattern,
    methods: Vec<Method>,
    hosts: Vec<HostPattern>,
}

impl Checked {
    fn new<T>(route: &Route<T>) -> Result<Self, RouteError> {
        let wrong_path = |reason| RouteError::Path {
            route: route.path.clone(),
            reason,
        };
        let wrong_host = |reason| RouteError::Host {
            route: route.path.clone(),
            reason,
        };
        let methods = route.methods.iter();
        let hosts = route.hosts.iter();
        Ok(Self {
            pattern: Pattern::parse(&route.path).map_err(wrong_path)?,
            methods: methods
                .map(|method| parse_method(&route.path, method))
                .collect::<Result<_, _>>()?,
            hosts: hosts
                .map(|host| HostPattern::parse(host).map_err(wrong_host))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn parse_method(route: &str, text: &str) -> Result<Method, RouteError> {
    let error = || RouteError::Method {
        route: route.to_owned(),
        method: text.to_owned(),
    };
    let method = Method::from_bytes(text.to_ascii_uppercase().as_bytes()).map_err(|_| error())?;
    if method == Method::CONNECT || method == Method::TRACE {
        Err(error())
    } else {
        Ok(method)
    }
}
