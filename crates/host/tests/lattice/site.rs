//! A host with handlers in place of components: it answers clients and other hosts, and sends on what it does not run.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::WasiBody;
use wisp_host::lattice::{
    AppSettings, Bounds, Gateway, Kind, LatticeSettings, Listener, PeerAddress, RouteSettings,
    TableSettings,
};
use wisp_host::trigger::Respond;
use wisp_host::trigger::http::Server;
use wisp_host::trigger::router::{Route, Router};
use wisp_host::{
    HttpSettings, InvokeError, Log, LogFormat, LogSettings, Metrics, RequestId, Shutdown,
};

use crate::support::settings;

pub(crate) type Answer = Result<Response<WasiBody>, InvokeError>;

/// An app with one handler, which counts how often it is asked.
pub(crate) struct App {
    name: &'static str,
    path: &'static str,
    handler: Box<dyn Fn(Request<WasiBody>) -> BoxFuture<'static, Answer> + Send + Sync>,
    asked: Arc<AtomicUsize>,
}

impl App {
    pub(crate) fn new<A>(
        name: &'static str,
        path: &'static str,
        handler: impl Fn(Request<WasiBody>) -> A + Send + Sync + 'static,
    ) -> Self
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        Self {
            name,
            path,
            handler: Box::new(move |request| Box::pin(handler(request))),
            asked: Arc::default(),
        }
    }
}

impl Respond for App {
    fn respond(
        &self,
        request: Request<WasiBody>,
        _: RequestId,
    ) -> impl Future<Output = Answer> + Send {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.handler)(request)
    }

    fn app(&self) -> &str {
        self.name
    }

    fn component(&self) -> &'static str {
        "web"
    }

    fn body_limit(&self) -> u64 {
        1 << 20
    }

    fn head_limit(&self) -> u64 {
        64 << 10
    }

    fn response_limit(&self) -> u64 {
        1 << 30
    }
}

/// A running host.
pub(crate) struct Site {
    name: &'static str,
    pub(crate) clients: SocketAddr,
    hosts: SocketAddr,
    pub(crate) shutdown: Shutdown,
    gateway: Arc<Gateway>,
    asked: Arc<AtomicUsize>,
    log: Log,
    page: Page,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const HTTP: HttpSettings = HttpSettings {
    tls: None,
    header_bytes: 65_536,
    header_timeout_ms: 30_000,
    keep_alive_ms: 30_000,
    max_connections: 1000,
    trusted_proxies: Vec::new(),
};

impl Site {
    /// A host with this name, and maybe an app.
    pub(crate) fn start(name: &'static str, app: Option<App>) -> Self {
        let page = Page::default();
        let format = LogSettings {
            format: LogFormat::Json,
            access: true,
            color: false,
        };
        let log = Log::writing_to(&format, 0, Box::new(page.clone()));
        let asked = app
            .as_ref()
            .map(|app| app.asked.clone())
            .unwrap_or_default();
        let leading = app
            .into_iter()
            .map(|app| Route::new(app.path, &[], &[], Arc::new(app)));
        let router = Router::new(leading.collect()).unwrap();
        let metrics = Metrics::default();
        let lattice = LatticeSettings {
            identity: settings(name, name, "ca"),
            table: None,
        };
        let gateway = Gateway::new(&lattice, log.clone(), metrics.clone()).unwrap();
        let server = Server::new(&HTTP, router, log.clone(), metrics)
            .unwrap()
            .with_gateway(gateway.clone());
        let bounds = Bounds {
            header_bytes: 65_536,
            connections: 100,
        };
        let listener = Listener::new(gateway.identities().clone(), bounds, log.clone())
            .with(Kind::Request, server.arrivals());
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (for_clients, for_hosts) = (bind(), bind());
        let addresses = [&for_clients, &for_hosts].map(|socket| socket.local_addr().unwrap());
        let shutdown = Shutdown::new();
        let (first, second) = (shutdown.clone(), shutdown.clone());
        let tasks = vec![
            tokio::spawn(async move { server.serve(for_clients, first).await.unwrap() }),
            tokio::spawn(async move {
                Arc::new(listener).serve(for_hosts, second).await.unwrap();
            }),
        ];
        Self {
            name,
            clients: addresses[0],
            hosts: addresses[1],
            shutdown,
            gateway,
            asked,
            log,
            page,
            tasks,
        }
    }

    /// How often its app was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn log(&self) -> String {
        self.log.flush();
        String::from_utf8(self.page.0.lock().unwrap().clone()).unwrap()
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.shutdown.close();
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
    }

    /// Where other hosts reach it.
    pub(crate) fn peer(&self) -> PeerAddress {
        PeerAddress {
            host: self.name.to_owned(),
            address: self.hosts.to_string(),
            workers: 1,
        }
    }

    /// Tells it who runs the apps.
    pub(crate) fn told(&self, peers: &[&Self], apps: Vec<AppSettings>) {
        self.gateway.tell(&TableSettings {
            number: 1,
            peers: peers.iter().map(|site| site.peer()).collect(),
            apps,
        });
    }

    /// A connection of a client.
    pub(crate) async fn client(&self) -> http2::SendRequest<WasiBody> {
        let socket = TcpStream::connect(self.clients).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends a request as a client does.
    pub(crate) async fn ask(&self, request: Request<WasiBody>) -> Response<hyper::body::Incoming> {
        let mut client = self.client().await;
        client.send_request(request).await.unwrap()
    }
}

/// An app of a table: where it runs, and its share.
pub(crate) fn runs(app: &str, path: &str, share: u32, hosts: &[&str]) -> AppSettings {
    AppSettings {
        app: app.to_owned(),
        share,
        here: hosts.contains(&"here"),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        routes: vec![RouteSettings {
            route: path.to_owned(),
            methods: Vec::new(),
            hosts: Vec::new(),
            convention: wisp_host::Convention::Wisp,
            timeout_ms: 2000,
        }],
    }
}

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Request<WasiBody> {
    Request::post(format!("http://shop.example{path}"))
        .body(crate::support::text(body))
        .unwrap()
}
