//! What a guest works on: the request that it all began with, how long there is, and which trace it belongs to.
//!
//! An instance is told when a call of it begins, and the calls that it makes itself find it there, so that it reaches the
//! last host of a chain. An instance that works on several requests at once is told nothing, because a call of it
//! could belong to any of them.

use std::sync::Arc;

use tokio::time::Instant;
use wisp_wasi::{Companion, State};

use crate::telemetry::{RequestId, Trace};

/// What a guest works on, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Errand {
    /// The request that it began with.
    pub(crate) request: Option<RequestId>,
    /// When nobody waits for it any more.
    pub(crate) deadline: Option<Instant>,
    pub(crate) trace: Option<Trace>,
    /// Remote calls that led here.
    pub(crate) hops: u8,
}

impl Errand {
    /// What a request asks for.
    pub(crate) fn of<B>(id: RequestId, request: &http::Request<B>, deadline: Instant) -> Self {
        let trace = request.headers().get("traceparent");
        Self {
            request: Some(id),
            deadline: Some(deadline),
            trace: trace.and_then(|trace| Trace::parse(trace.as_bytes())),
            hops: 0,
        }
    }

    /// The same with a deadline that is no later than this.
    pub(crate) fn until(self, deadline: Instant) -> Self {
        let sooner = self.deadline.map_or(deadline, |known| known.min(deadline));
        Self {
            deadline: Some(sooner),
            ..self
        }
    }

    /// What the guest of this store works on.
    pub(crate) fn in_store(state: &State) -> Self {
        let known = state.errand();
        known
            .and_then(|known| known.downcast_ref::<Self>().copied())
            .unwrap_or_default()
    }

    /// As an instance keeps it.
    pub(crate) fn companion(self) -> Companion {
        Arc::new(self)
    }
}
