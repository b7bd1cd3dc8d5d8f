//! Requests that other hosts have received and that are answered here. They pass no gateway: nothing is sent on twice.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use wasmtime_wasi_http::WasiBody;

use super::exchange::{Shared, answer};
use super::peer::Peer;
use super::respond::Respond;
use crate::lattice::hop::{self, Told};
use crate::lattice::{Caller, Handle};
use crate::shutdown::Shutdown;

/// Answers what comes from other hosts.
#[derive(Debug)]
pub(super) struct Arrivals<R> {
    shared: Arc<Shared<R>>,
    /// Their connections are looked after by the listener for hosts.
    shutdown: Shutdown,
}

impl<R: Respond> Arrivals<R> {
    /// With the routes and counters of a server.
    pub(super) fn of(server: &Shared<R>) -> Self {
        Self {
            shared: Arc::new(Shared {
                router: server.router.clone(),
                gateway: None,
                proxies: server.proxies.clone(),
                log: server.log.clone(),
                metrics: server.metrics.clone(),
            }),
            shutdown: Shutdown::new(),
        }
    }
}

impl<R: Respond> Handle for Arrivals<R> {
    fn handle(
        self: Arc<Self>,
        _: Arc<Caller>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Response<WasiBody>> {
        Box::pin(async move {
            let Some(told) = Told::read(request.headers()) else {
                return unclear();
            };
            let peer = Peer::behind(self.shared.clone(), self.shutdown.clone(), told);
            let mut response = answer(Arc::new(peer), request).await;
            // Without the one that is being answered.
            let load = self.shared.metrics.active().saturating_sub(1);
            hop::write_load(load, response.headers_mut());
            response.map(BodyExt::boxed_unsync)
        })
    }
}

/// The answer to a host that does not say what it wants.
fn unclear() -> Response<WasiBody> {
    let text = Bytes::from_static(b"this host cannot tell whose request this is");
    let body = Full::new(text)
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}
