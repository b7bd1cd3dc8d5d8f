//! The tests that hold for links of every kind, between two hosts that speak over a socket: the first component is on one, all others are on another.

#[path = "calls.rs"]
mod calls;
#[path = "streams.rs"]
mod streams;

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wisp_host::lattice::{
    AppSettings, IdentitySettings, LatticeSettings, PeerAddress, TableSettings,
};
use wisp_host::{HostError, Shutdown};

use super::app::{Manner, Part, Served};
use super::http_support::Client;

/// Pieces of a stream that its writer has sent before anybody reads: one for each host.
const ON_THE_WAY: RangeInclusive<u16> = 1..=2;

/// Who a host is; the certificates are those of the tests of the lattice.
pub(crate) fn identity(host: &str) -> LatticeSettings {
    let pem = |name: &str| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lattice/pem");
        folder.join(name)
    };
    LatticeSettings {
        identity: IdentitySettings {
            host: host.to_owned(),
            lattice: "test".to_owned(),
            generation: 1,
            ca: pem("ca.pem"),
            certificate: pem(&format!("{host}.pem")),
            key: pem(&format!("{host}.key")),
            revoked: HashSet::new(),
        },
        table: None,
    }
}

/// A table that says that `other` runs on the host `b`, which is there.
pub(crate) fn table(address: SocketAddr) -> TableSettings {
    TableSettings {
        number: 1,
        peers: vec![PeerAddress {
            host: "b".to_owned(),
            address: address.to_string(),
            workers: 1,
        }],
        apps: vec![AppSettings {
            app: "other".to_owned(),
            share: 100,
            here: false,
            hosts: vec!["b".to_owned()],
            routes: Vec::new(),
        }],
    }
}

/// Two hosts.
pub(crate) struct App {
    first: Served,
    second: Served,
    shutdown: Shutdown,
    serving: JoinHandle<Result<(), HostError>>,
}

impl App {
    pub(crate) fn serve(parts: &[Part]) -> Self {
        let (front, rest) = parts.split_at(1);
        let first = Served::joined(front, Manner::Apart, Some(identity("a")));
        let second = Served::joined(rest, Manner::Offering, Some(identity("b")));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        first.host().route(&table(listener.local_addr().unwrap()));
        let shutdown = Shutdown::new();
        let serving = tokio::spawn({
            let (host, shutdown) = (second.host().clone(), shutdown.clone());
            async move { host.serve_hosts(listener, shutdown).await }
        });
        Self {
            first,
            second,
            shutdown,
            serving,
        }
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
        self.shutdown.close();
        self.serving.await.unwrap().unwrap();
        self.second.end().await;
    }
}
