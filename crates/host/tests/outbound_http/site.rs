//! A real server that says what reached it, and everything that a client of a component needs.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};
use wisp_host::{LockedTarget, OutboundBounds, OutboundHttp, Resolver, Resolving, TargetKind};
use wisp_wasi::{Denial, Denials, Egress, Patience};

/// How long anything may take that is expected to happen.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) type Answer = Response<WasiBody>;
type Handler = dyn Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Send + Sync;

/// Which certificates the server shows and wants.
#[derive(Clone, Copy)]
pub(crate) enum Tls {
    Http1,
    Http2,
    WithClients,
}

pub(crate) fn pem(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/outbound_http/pem")
        .join(name)
}

fn certificates(name: &str) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_file_iter(pem(name)).unwrap();
    found.map(Result::unwrap).collect()
}

fn acceptor(tls: Tls) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if let Tls::WithClients = tls {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificates("roots.pem").remove(0)).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(pem("server.key.pem")).unwrap();
    let mut config = builder
        .with_single_cert(certificates("server.pem"), key)
        .unwrap();
    config.alpn_protocols = match tls {
        Tls::Http1 => vec![b"http/1.1".to_vec()],
        Tls::Http2 | Tls::WithClients => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    TlsAcceptor::from(Arc::new(config))
}

#[derive(Default)]
struct Seen {
    accepted: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
    changed: Notify,
}

/// A running server; it ends with the test's runtime.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

pub(crate) fn body(bytes: impl Into<Bytes>) -> WasiBody {
    let full = Full::new(bytes.into());
    full.map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn text(text: impl Into<Bytes>) -> BoxFuture<'static, Answer> {
    let response = Response::new(body(text));
    Box::pin(async move { response })
}

impl Site {
    /// Says hello, at any port of 127.0.0.1.
    pub(crate) async fn hello() -> Self {
        Self::start("127.0.0.1:0", None, |_| text("hello")).await
    }

    pub(crate) async fn serve<F>(handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        Self::start("127.0.0.1:0", None, handler).await
    }

    pub(crate) async fn secure<F>(tls: Tls, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        Self::start("127.0.0.1:0", Some(tls), handler).await
    }

    pub(crate) async fn start<F>(at: &str, tls: Option<Tls>, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let handler: Arc<Handler> = Arc::new(handler);
        let acceptor = tls.map(acceptor);
        tokio::spawn({
            let seen = seen.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    seen.accepted.fetch_add(1, Ordering::SeqCst);
                    seen.open.fetch_add(1, Ordering::SeqCst);
                    let (seen, acceptor, handler) =
                        (seen.clone(), acceptor.clone(), handler.clone());
                    tokio::spawn(async move {
                        connection(stream, acceptor, seen.clone(), handler).await;
                        seen.open.fetch_sub(1, Ordering::SeqCst);
                        seen.changed.notify_waiters();
                    });
                }
            }
        });
        Self { address, seen }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections that were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.seen.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are open.
    pub(crate) async fn until_open(&self, count: usize) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.seen.changed.notified());
                changed.as_mut().enable();
                if self.seen.open.load(Ordering::SeqCst) == count {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(SOON, waiting)
            .await
            .expect("the connections stay");
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    seen: Arc<Seen>,
    handler: Arc<Handler>,
) {
    let service = service_fn(move |request| {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let answer = handler(request);
        async move { Ok::<_, HttpError>(answer.await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // Its clients go away as they like.
    let _ = match acceptor {
        None => {
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await
        }
        Some(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            builder
                .serve_connection(TokioIo::new(stream), service)
                .await
        }
    };
}

/// Tells what it was told to, in turn; the last answer again and again.
#[derive(Debug, Default)]
pub(crate) struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What a name leads to, each time that somebody asks: `"1.2.3.4 ::1"`.
    pub(crate) fn lead(&self, name: &str, answers: &[&str]) {
        let read = |text: &&str| text.split(' ').map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().rev().map(read).collect();
        self.answers
            .lock()
            .unwrap()
            .insert(name.to_owned(), answers);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Names {
    fn resolve(&self, name: &str) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.get_mut(name) {
            Some(answers) if answers.len() > 1 => Ok(answers.pop().unwrap()),
            Some(answers) => Ok(answers[0].clone()),
            None => Err(std::io::Error::other("no such name")),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// What was refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Vec<(String, String)>>);

impl Denials for Refusals {
    fn deny(&self, denial: Denial<'_>) {
        assert_eq!(denial.import, "wasi:http/outgoing-handler");
        let refusal = (denial.target.to_owned(), denial.grant.to_owned());
        self.0.lock().unwrap().push(refusal);
    }
}

/// `http://10.0.0.0/8:80` and the like: a name, `*.suffix`, `*`, or a network, always with a port.
pub(crate) fn grant(text: &str) -> LockedTarget {
    let (scheme, rest) = text.split_once("://").unwrap();
    let (host, port) = rest.rsplit_once(':').unwrap();
    let (kind, host) = match host {
        "*" => (TargetKind::Any, "*"),
        _ if host.starts_with("*.") => (TargetKind::Suffix, &host[2..]),
        _ if host.contains('/') => (TargetKind::Network, host),
        _ => (TargetKind::Name, host),
    };
    let port = port.parse().unwrap();
    LockedTarget {
        text: text.to_owned(),
        scheme: scheme.to_owned(),
        kind,
        host: host.to_owned(),
        first_port: port,
        last_port: port,
        private: false,
        roots: None,
        certificate: None,
        key: None,
    }
}

/// The client of one component.
pub(crate) struct Component {
    pub(crate) client: OutboundHttp,
    refusals: Arc<Refusals>,
    permits: Arc<Semaphore>,
    bounds: Bounds,
    pub(crate) names: Arc<Names>,
}

/// Limits of a component; the tests say only those that they are about.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    pub(crate) download: u64,
}

pub(crate) const BOUNDS: Bounds = Bounds {
    connections: 100,
    download: 1 << 20,
};

impl Component {
    pub(crate) fn granted(grants: &[LockedTarget]) -> Self {
        Self::bounded(grants, BOUNDS)
    }

    pub(crate) fn bounded(grants: &[LockedTarget], bounds: Bounds) -> Self {
        let (names, refusals) = (Names::new(), Arc::new(Refusals::default()));
        let permits = Arc::new(Semaphore::new(bounds.connections));
        let client = OutboundHttp::new(
            grants,
            OutboundBounds {
                calls: 100,
                download: bounds.download,
                connections: permits.clone(),
            },
            refusals.clone(),
            names.clone(),
        );
        Self {
            client: client.unwrap(),
            refusals,
            permits,
            bounds,
            names,
        }
    }

    pub(crate) fn refused(&self) -> Vec<(String, String)> {
        self.refusals.0.lock().unwrap().clone()
    }

    /// Waits until it has no connection.
    pub(crate) async fn until_unconnected(&self) {
        let waiting = async {
            while self.permits.available_permits() < self.bounds.connections {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, waiting)
            .await
            .expect("a connection stays");
    }

    pub(crate) async fn send(
        &self,
        request: Request<WasiBody>,
        patience: Patience,
        number: u32,
    ) -> Result<Answer, HttpError> {
        let sending = self.client.send(request, patience, number);
        tokio::time::timeout(SOON, sending)
            .await
            .expect("no answer and no error")
    }

    pub(crate) async fn head(&self, uri: &str) -> Result<Answer, HttpError> {
        let request = Request::get(uri).body(body("")).unwrap();
        self.send(request, Patience::default(), 1).await
    }

    /// The body of the answer to a GET.
    pub(crate) async fn get(&self, uri: &str) -> Result<String, HttpError> {
        read(self.head(uri).await?).await
    }
}

/// All of a body.
pub(crate) async fn read(answer: Answer) -> Result<String, HttpError> {
    let reading = answer.into_body().collect();
    let read = tokio::time::timeout(SOON, reading)
        .await
        .expect("the body stops");
    Ok(String::from_utf8(read?.to_bytes().to_vec()).unwrap())
}
