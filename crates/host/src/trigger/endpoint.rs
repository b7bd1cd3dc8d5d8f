//! Where a route leads.

use std::sync::Arc;

use http::request::Parts;

use super::manner::Manner;
use super::respond::Respond;
use crate::telemetry::{Counters, Metrics};

/// Who answers on a route, with what is the same for all its requests.
#[derive(Debug)]
pub(super) struct Endpoint<R> {
    pub(super) target: Arc<R>,
    pub(super) counters: Arc<Counters>,
    pub(super) manner: Manner,
    /// `None` where the server allows no more than the component does.
    pub(super) head_limit: Option<u64>,
}

impl<R: Respond> Endpoint<R> {
    /// `head_bytes` is what the server itself allows.
    pub(super) fn new(manner: Manner, target: Arc<R>, metrics: &Metrics, head_bytes: u32) -> Self {
        let head_limit = target.head_limit();
        Self {
            counters: metrics.component(target.app(), target.component()),
            manner,
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
