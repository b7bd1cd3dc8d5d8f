//! Calls of components on other hosts, over the connections that hosts have between each other.
//!
//! What a call is, `remote` knows. Here it is one request of its own kind to a host that is chosen as one for a request of a client is; what its
//! head and body say, nobody looks at on the way. A call that came from another host is answered here or refused, and never sent on.

use std::sync::{Arc, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use wasmtime_wasi_http::WasiBody;

use super::Kind;
use super::choice::{Peer, choose};
use super::gateway::Gateway;
use super::listener::{Caller, Handle};
use super::peer::Fate;
use crate::remote::{Carried, Carrier, Desk, Unanswered};

/// Takes calls to other hosts.
#[derive(Debug)]
pub(crate) struct Calls(pub(crate) Arc<Gateway>);

impl Carrier for Calls {
    fn next(&self, app: &str, tried: &[String]) -> Option<String> {
        let next = self.0.callee(app, tried);
        next.map(|peer| peer.address.host.clone())
    }

    fn is_elsewhere(&self, app: &str) -> bool {
        !self.0.running(app).is_empty()
    }

    fn send(&self, app: &str, host: &str, request: Request<WasiBody>) -> Carried {
        let (gateway, app, host) = (self.0.clone(), app.to_owned(), host.to_owned());
        async move { gateway.call(&app, &host, request).await }.boxed()
    }
}

impl Gateway {
    /// The other hosts that run an app.
    fn running(&self, app: &str) -> Vec<Arc<Peer>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let running = table.as_ref().and_then(|table| table.running.get(app));
        running.cloned().unwrap_or_default()
    }

    /// One of them that was not tried.
    fn callee(&self, app: &str, tried: &[String]) -> Option<Arc<Peer>> {
        let running = self.running(app);
        let was_tried = |peer: &&Arc<Peer>| tried.contains(&peer.address.host);
        let tried: Vec<_> = running.iter().filter(was_tried).cloned().collect();
        choose(&running, &tried, |below| self.random(below))
    }

    async fn call(
        &self,
        app: &str,
        host: &str,
        request: Request<WasiBody>,
    ) -> Result<Response<WasiBody>, Unanswered> {
        let mut running = self.running(app).into_iter();
        let Some(peer) = running.find(|peer| peer.address.host == host) else {
            return Err(Unanswered {
                may_have_run: false,
                reason: "it is no longer there".into(),
            });
        };
        let on_its_way = peer.begin();
        match self.peers().send(&peer.address, Kind::Call, request).await {
            Ok(response) => Ok(self.heard(response, on_its_way).0),
            Err(unanswered) => {
                self.failed(&peer, &unanswered);
                Err(Unanswered {
                    may_have_run: unanswered.fate == Fate::MayHaveRun,
                    reason: unanswered.reason,
                })
            }
        }
    }
}

impl Handle for Desk {
    fn handle(
        self: Arc<Self>,
        caller: Arc<Caller>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Response<WasiBody>> {
        async move { self.answer(&caller.host, request).await }.boxed()
    }
}
