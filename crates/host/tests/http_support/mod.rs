//! A server with real handlers on a real socket, and a client that sees every byte.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unnecessary_wraps,
    reason = "each test binary uses its own part"
)]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};
use wisp_host::trigger::Respond;
use wisp_host::trigger::http::Server;
use wisp_host::trigger::router::{Route, Router};
use wisp_host::{
    HostError, HttpSettings, InvokeError, Log, LogFormat, LogSettings, Metrics, RequestId, Shutdown,
};

pub type Answer = Result<Response<WasiBody>, InvokeError>;
type Handler = dyn Fn(Request<WasiBody>, RequestId) -> BoxFuture<'static, Answer> + Send + Sync;

/// How long anything may take that is expected to happen.
pub const SOON: Duration = Duration::from_secs(20);

/// A handler with a name and a limit.
pub struct Service {
    component: &'static str,
    limit: u64,
    handler: Box<Handler>,
}

impl Service {
    pub fn new<F, A>(handler: F) -> Self
    where
        F: Fn(Request<WasiBody>) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let handler = Box::new(move |request, _| -> BoxFuture<'static, Answer> {
            Box::pin(handler(request))
        });
        Self {
            component: "service",
            limit: 16 << 20,
            handler,
        }
    }

    pub fn named(self, component: &'static str) -> Self {
        Self { component, ..self }
    }

    pub fn limited(self, limit: u64) -> Self {
        Self { limit, ..self }
    }
}

impl Respond for Service {
    fn respond(
        &self,
        request: Request<WasiBody>,
        id: RequestId,
    ) -> impl Future<Output = Answer> + Send {
        (self.handler)(request, id)
    }

    fn app(&self) -> &'static str {
        "app"
    }

    fn component(&self) -> &str {
        self.component
    }

    fn body_limit(&self) -> u64 {
        self.limit
    }

    fn head_limit(&self) -> u64 {
        64 << 10
    }

    fn response_limit(&self) -> u64 {
        1 << 30
    }
}

pub fn body(bytes: impl Into<Bytes>) -> WasiBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub fn text(text: impl Into<Bytes>) -> Answer {
    Ok(Response::new(body(text)))
}

/// Says hello.
pub fn hello() -> Service {
    Service::new(|_| async { text("hello") })
}

/// Answers with what it was sent, while it is sent.
pub fn echo() -> Service {
    Service::new(|request| async { Ok(Response::new(request.into_body())) })
}

/// Answers with the target and the headers as it sees them, one on each line.
pub fn mirror() -> Service {
    Service::new(|request| async move {
        let mut lines = vec![format!("{} {}", request.method(), request.uri())];
        for (name, value) in request.headers() {
            lines.push(format!(
                "{name}: {}",
                String::from_utf8_lossy(value.as_bytes())
            ));
        }
        text(lines.join("\n"))
    })
}

/// Answers with the error that `kind` makes.
pub fn failing(kind: impl Fn() -> InvokeError + Send + Sync + 'static) -> Service {
    Service::new(move |_| std::future::ready(Err(kind())))
}

/// A body whose frames come from a channel; it breaks off with an error when told so.
pub fn streamed() -> (
    tokio::sync::mpsc::UnboundedSender<Result<Bytes, HttpError>>,
    WasiBody,
) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let frames = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let frames = futures::StreamExt::map(frames, |item: Result<Bytes, HttpError>| {
        item.map(http_body::Frame::data)
    });
    (
        sender,
        http_body_util::StreamBody::new(frames).boxed_unsync(),
    )
}

/// What was logged.
#[derive(Clone, Default)]
pub struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A running server.
pub struct Site {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    pub metrics: Metrics,
    pub serving: JoinHandle<Result<(), HostError>>,
    log: Log,
    page: Page,
}

pub fn settings() -> HttpSettings {
    HttpSettings {
        tls: None,
        header_bytes: 65_536,
        header_timeout_ms: 30_000,
        keep_alive_ms: 30_000,
        max_connections: 1000,
        trusted_proxies: Vec::new(),
    }
}

impl Site {
    /// Serves routes like `GET /path`, or `/path` for any method, with the usual settings.
    pub fn start(routes: Vec<(&str, Service)>) -> Self {
        Self::with(&settings(), routes)
    }

    pub fn with(settings: &HttpSettings, routes: Vec<(&str, Service)>) -> Self {
        let routes = routes.into_iter().map(|(route, service)| {
            let (methods, path) = route.split_once(' ').unwrap_or(("", route));
            let methods: Vec<_> = methods
                .split(',')
                .filter(|method| !method.is_empty())
                .map(str::to_owned)
                .collect();
            Route::new(path, &methods, &[], Arc::new(service))
        });
        let table = Router::new(routes.collect()).unwrap();
        let page = Page::default();
        let format = LogSettings {
            format: LogFormat::Json,
            access: true,
            color: false,
        };
        let log = Log::writing_to(&format, 0, Box::new(page.clone()));
        let metrics = Metrics::default();
        let server = Server::new(settings, table, log.clone(), metrics.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let serving = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { server.serve(listener, shutdown).await }
        });
        Self {
            address,
            shutdown,
            metrics,
            serving,
            log,
            page,
        }
    }

    pub async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, request: &str) -> Reply {
        let mut client = self.connect().await;
        client.send(request).await;
        client.reply().await
    }

    /// Log lines so far that have this kind.
    pub fn lines(&self, kind: &str) -> Vec<serde_json::Value> {
        self.log.flush();
        let text = String::from_utf8(self.page.0.lock().unwrap().clone()).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["kind"] == kind).collect()
    }

    /// Waits until a condition holds.
    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let holds = async {
            while !condition(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, holds)
            .await
            .expect("the condition never held");
    }

    /// Waits for the server to end.
    pub async fn ended(self) -> Self {
        let Self {
            address,
            shutdown,
            metrics,
            serving,
            log,
            page,
        } = self;
        tokio::time::timeout(SOON, serving)
            .await
            .expect("the server did not end")
            .unwrap()
            .unwrap();
        Self {
            address,
            shutdown,
            metrics,
            serving: tokio::spawn(async { Ok(()) }),
            log,
            page,
        }
    }
}

/// The answer to one request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Trailers of a chunked body.
    pub trailers: Vec<String>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem
    }
}

/// A client of HTTP/1 that sees every byte.
pub struct Client<S> {
    pub stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
    }

    /// Reads more; false at the end, also when the connection was reset.
    async fn more(&mut self) -> bool {
        let reading = tokio::time::timeout(SOON, self.stream.read_buf(&mut self.read));
        reading.await.expect("nothing came").unwrap_or(0) > 0
    }

    /// Takes everything up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self
                .read
                .windows(end.len())
                .position(|window| window == end.as_bytes())
            {
                let taken = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            assert!(
                self.more().await,
                "closed before {end:?}, after {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(
                self.more().await,
                "closed after {} of {count} bytes",
                self.read.len()
            );
        }
        self.read.drain(..count).collect()
    }

    /// The next chunk of a chunked body; empty at its end, before the trailers.
    pub async fn chunk(&mut self) -> Vec<u8> {
        let size = usize::from_str_radix(self.until("\r\n").await.trim_end(), 16).unwrap();
        let chunk = self.exactly(size).await;
        if size > 0 {
            self.until("\r\n").await;
        }
        chunk
    }

    /// Reads the answer to anything but HEAD.
    pub async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        if reply.header("transfer-encoding") == Some("chunked") {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                reply.body.extend(chunk);
            }
            loop {
                let line = self.until("\r\n").await;
                if line == "\r\n" {
                    break;
                }
                reply.trailers.push(line.trim_end().to_owned());
            }
        } else if let Some(length) = reply
            .header("content-length")
            .map(|length| length.parse().unwrap())
        {
            reply.body = self.exactly(length).await;
        }
        reply
    }

    pub async fn head(&mut self) -> Reply {
        let head = self.until("\r\n\r\n").await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head,
            body: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// Reads until the server closes; gives what came.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    /// Whether the server closes without another byte.
    pub async fn is_closed(&mut self) -> bool {
        self.rest().await.is_empty()
    }
}
