//! Listeners with handlers, and identities from files.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::WasiBody;
use wisp_host::lattice::{
    Bounds, Caller, Handle, Identities, Identity, IdentitySettings, Kind, Listener, PeerAddress,
    Peers,
};
use wisp_host::{Log, LogFormat, LogSettings, Shutdown};

/// How long anything may take that is expected to happen.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn pem(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/lattice/pem")
        .join(name)
}

/// Where the files of a host are, and what it says of itself.
pub(crate) fn settings(host: &str, file: &str, ca: &str) -> IdentitySettings {
    IdentitySettings {
        host: host.to_owned(),
        lattice: if file == "other" { "other" } else { "test" }.to_owned(),
        generation: 1,
        ca: pem(&format!("{ca}.pem")),
        certificate: pem(&format!("{file}.pem")),
        key: pem(&format!("{file}.key")),
        revoked: HashSet::new(),
    }
}

pub(crate) fn identity(host: &str) -> Identity {
    Identity::read(&settings(host, host, "ca")).unwrap()
}

/// The same, when some hosts were revoked.
pub(crate) fn without(host: &str, revoked: &[&str]) -> Identity {
    let mut settings = settings(host, host, "ca");
    settings.revoked = revoked.iter().map(|&name| name.to_owned()).collect();
    Identity::read(&settings).unwrap()
}

pub(crate) fn text(text: impl Into<Bytes>) -> WasiBody {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(crate) fn get(path: &str) -> Request<WasiBody> {
    let uri = format!("https://shop.example{path}");
    Request::get(uri).body(text("")).unwrap()
}

type Answering =
    dyn Fn(Arc<Caller>, Request<Incoming>) -> BoxFuture<'static, Response<WasiBody>> + Send + Sync;

/// A handler, and who called it.
pub(crate) struct Handler {
    answering: Box<Answering>,
    callers: Mutex<Vec<Caller>>,
}

impl Handle for Handler {
    fn handle(
        self: Arc<Self>,
        caller: Arc<Caller>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Response<WasiBody>> {
        self.callers.lock().unwrap().push((*caller).clone());
        (self.answering)(caller, request)
    }
}

/// A host that listens.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    pub(crate) identities: Identities,
    pub(crate) shutdown: Shutdown,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    handler: Arc<Handler>,
}

impl Host {
    /// A host whose requests are handled so.
    pub(crate) fn start<A>(
        identity: Identity,
        answering: impl Fn(Arc<Caller>, Request<Incoming>) -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: Future<Output = Response<WasiBody>> + Send + 'static,
    {
        let handler = Arc::new(Handler {
            answering: Box::new(move |caller, request| Box::pin(answering(caller, request))),
            callers: Mutex::default(),
        });
        let format = LogSettings {
            format: LogFormat::Json,
            access: false,
            color: false,
        };
        let log = Log::writing_to(&format, 0, Box::new(std::io::sink()));
        let identities = Identities::new(identity);
        let bounds = Bounds {
            header_bytes: 65_536,
            connections: 100,
        };
        let listener =
            Listener::new(identities.clone(), bounds, log).with(Kind::Request, handler.clone());
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let serving = tokio::spawn(Arc::new(listener).serve(socket, shutdown.clone()));
        Self {
            address,
            identities,
            shutdown,
            serving,
            handler,
        }
    }

    /// A host that says who called.
    pub(crate) fn polite(identity: Identity) -> Self {
        Self::start(identity, |caller, _| async move {
            Response::new(text(caller.host.clone()))
        })
    }

    pub(crate) fn callers(&self) -> Vec<Caller> {
        self.handler.callers.lock().unwrap().clone()
    }

    /// This host as others know it, under a name.
    pub(crate) fn known_as(&self, host: &str, workers: usize) -> PeerAddress {
        PeerAddress {
            host: host.to_owned(),
            address: self.address.to_string(),
            workers,
        }
    }
}

/// The connections of a host.
pub(crate) fn peers(identity: Identity) -> (Peers, Identities) {
    let identities = Identities::new(identity);
    (Peers::new(identities.clone()), identities)
}

/// The text of a body.
pub(crate) async fn read<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
