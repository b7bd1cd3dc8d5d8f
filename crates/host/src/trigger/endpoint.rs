//! Where a route leads.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use super::headers;
use super::pattern::{Pattern, Segment};
use super::respond::Respond;
use super::router::Match;
use crate::telemetry::{Counters, Metrics};

/// Who answers on a route, with what is the same for all its requests.
#[derive(Debug)]
pub(super) struct Endpoint<R> {
    pub(super) target: Arc<R>,
    pub(super) counters: Arc<Counters>,
    route: HeaderValue,
    parameters: Vec<HeaderName>,
    is_dynamic: bool,
    /// `None` where the server allows no more than the component does.
    pub(super) head_limit: Option<u64>,
}

impl<R: Respond> Endpoint<R> {
    /// `head_bytes` is what the server itself allows.
    pub(super) fn new(
        route: &str,
        pattern: &Pattern,
        target: Arc<R>,
        metrics: &Metrics,
        head_bytes: u32,
    ) -> Self {
        let head_limit = target.head_limit();
        let names = pattern.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => HeaderName::try_from(format!("wisp-param-{name}")).ok(),
            Segment::Literal(_) => None,
        });
        let parameters: Vec<_> = names.collect();
        Self {
            counters: metrics.component(target.app(), target.component()),
            route: headers::text_value(route),
            is_dynamic: pattern.rest || !parameters.is_empty(),
            parameters,
            head_limit: (head_limit < u64::from(head_bytes)).then_some(head_limit),
            target,
        }
    }
}

/// Bytes of the path with its query, and of all names and values of headers.
pub(super) fn head_length(parts: &Parts) -> u64 {
    let path = parts
        .uri
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    let fields = parts.headers.iter();
    let length = path
        + fields
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum::<usize>();
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Tells the guest what its route made of the path, where there is something to tell.
pub(super) fn describe_route<R>(found: &Match<'_, '_, Endpoint<R>>, headers: &mut HeaderMap) {
    let endpoint = found.target();
    if !endpoint.is_dynamic {
        return;
    }
    headers.insert(headers::ROUTE, endpoint.route.clone());
    for (name, (_, value)) in endpoint.parameters.iter().zip(found.parameters()) {
        headers.insert(name.clone(), headers::text_value(value));
    }
    if let Some(rest) = found.rest() {
        headers.insert(headers::PATH_INFO, headers::text_value(rest));
    }
}
