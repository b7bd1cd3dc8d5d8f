//! The tests that hold for links of every kind, between two hosts: the first component is on one, all others are on another.

#[path = "calls.rs"]
mod calls;
#[path = "streams.rs"]
mod streams;

use std::ops::RangeInclusive;
use std::sync::Arc;

use futures::FutureExt;
use tokio::net::TcpStream;
use wasmtime_wasi_http::WasiBody;
use wisp_host::Host;
use wisp_host::remote::{Carried, Carrier};

use super::app::{Manner, Part, Served};
use super::http_support::Client;

/// Pieces of a stream that its writer has sent before anybody reads: one for each host.
const ON_THE_WAY: RangeInclusive<u16> = 1..=2;

/// Takes requests to a host of the same process, body by body.
#[derive(Debug)]
pub(crate) struct Neighbour(pub(crate) Arc<Host>);

impl Carrier for Neighbour {
    fn next(&self, app: &str, tried: &[String]) -> Option<String> {
        (app == "other" && tried.is_empty()).then(|| "second".into())
    }

    fn is_elsewhere(&self, app: &str) -> bool {
        app == "other"
    }

    fn send(&self, host: &str, request: http::Request<WasiBody>) -> Carried {
        assert_eq!(host, "second");
        let desk = self.0.desk();
        async move { Ok(desk.answer("first", request).await) }.boxed()
    }
}

/// Two hosts.
pub(crate) struct App {
    first: Served,
    second: Served,
}

impl App {
    pub(crate) fn serve(parts: &[Part]) -> Self {
        let (front, rest) = parts.split_at(1);
        let second = Served::new(rest, Manner::Offering);
        let first = Served::new(front, Manner::Apart);
        let neighbour = Neighbour(second.host().clone());
        first.host().carry_calls(Arc::new(neighbour));
        Self { first, second }
    }

    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        self.first.connect().await
    }

    pub(crate) async fn status(&self) -> u16 {
        self.first.status().await
    }

    pub(crate) async fn idle(&self, component: &str) {
        self.second.idle(component).await;
    }

    pub(crate) async fn end(self) {
        self.first.end().await;
        self.second.end().await;
    }
}
