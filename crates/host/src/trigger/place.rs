//! Who answers a request.

use std::net::SocketAddr;

use super::endpoint::Endpoint;
use super::respond::Respond;
use super::router::Router;
use crate::lattice::table::{ELSEWHERE, Onward};

/// Where a request is answered.
#[derive(Debug)]
pub(super) enum Place {
    /// No route leads anywhere, as far as is known.
    Nowhere,
    /// Here, by the route with this number.
    Here(usize),
    /// By another host, which is told who the client is.
    There(Onward, SocketAddr),
}

impl Place {
    /// The number of the route, when it is answered here.
    pub(super) fn here(&self) -> Option<usize> {
        match self {
            Self::Here(index) => Some(*index),
            Self::Nowhere | Self::There(..) => None,
        }
    }

    /// App, component and route, for the log.
    pub(super) fn names<'a, R: Respond>(
        &'a self,
        router: &'a Router<Endpoint<R>>,
    ) -> (Option<&'a str>, Option<&'a str>, Option<&'a str>) {
        match self {
            Self::Nowhere => (None, None, None),
            Self::There(onward, _) => (Some(onward.app()), Some(ELSEWHERE), Some(onward.route())),
            Self::Here(index) => {
                let found = router.route(*index);
                let target = found.map(|(_, endpoint)| &endpoint.target);
                (
                    target.map(|target| target.app()),
                    target.map(|target| target.component()),
                    found.map(|(text, _)| text),
                )
            }
        }
    }
}
