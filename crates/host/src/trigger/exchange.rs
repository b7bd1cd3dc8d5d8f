//! One request and its answer.
//!
//! A request is checked, routed, cleaned of what its sender may not say, told where it came from, and handed over. An
//! [`Exchange`] lives from the head of the request to the last byte of the answer, in whichever future or body that is;
//! when it is dropped early, the client has gone away. Then it counts itself and writes its line into the log.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, Scheme, Uri};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use wasmtime_wasi_http::WasiBody;
use wisp_wasi::Limit;

use super::activity::Activity;
use super::body::{AnswerBody, Content, Upload, request_body};
use super::endpoint::{self, Endpoint};
use super::forwarded::{self, Proxies};
use super::headers;
use super::manner::{self, Manner, Told};
use super::problem::{Failure, Problem};
use super::respond::Respond;
use super::router::{Found, Router};
use crate::pool::InvokeError;
use crate::shutdown::Shutdown;
use crate::telemetry::{AccessLine, Counters, Log, Metrics, Outcome, RequestId};

/// nginx's status for a client that went away before it had its answer; never sent.
const VANISHED: u16 = 499;

/// What all exchanges of a server share.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) router: Router<Endpoint<R>>,
    pub(super) proxies: Proxies,
    pub(super) log: Log,
    pub(super) metrics: Metrics,
}

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Peer<R> {
    shared: Arc<Shared<R>>,
    shutdown: Shutdown,
    activity: Arc<Activity>,
    address: IpAddr,
    port: u16,
    address_value: HeaderValue,
    trusted: bool,
    scheme: Scheme,
    /// The last host that was asked for: on one connection it is nearly always the same.
    host: Mutex<Option<(HeaderValue, Authority)>>,
}

impl<R: Respond> Peer<R> {
    pub(super) fn new(
        shared: Arc<Shared<R>>,
        shutdown: Shutdown,
        activity: Arc<Activity>,
        address: SocketAddr,
        scheme: Scheme,
    ) -> Self {
        let (address, port) = (address.ip().to_canonical(), address.port());
        let trusted = shared.proxies.trusts(address);
        let address_value = headers::text_value(&address.to_string());
        Self {
            shared,
            shutdown,
            activity,
            address,
            port,
            address_value,
            trusted,
            scheme,
            host: Mutex::new(None),
        }
    }

    /// The authority that a `host` header names.
    fn authority(&self, value: &HeaderValue) -> Option<Authority> {
        let mut last = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, authority)) = &*last
            && seen == value
        {
            return Some(authority.clone());
        }
        let authority = Authority::try_from(value.as_bytes())
            .ok()
            .filter(is_plain)?;
        // A clone would keep the buffer that the whole head was read into.
        let copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        *last = Some((copy, authority.clone()));
        Some(authority)
    }
}

fn is_plain(authority: &Authority) -> bool {
    !authority.as_str().contains('@') && !authority.host().is_empty()
}

/// What the log wants to know about a request whose head was handed on.
#[derive(Debug)]
struct Description {
    method: Method,
    uri: Uri,
    version: Version,
    client: IpAddr,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// Nobody waited for the end.
    Vanished,
    /// The last byte was handed on.
    Complete,
    /// The answer broke off.
    Aborted,
}

/// A request that is not yet answered to its end.
#[derive(Debug)]
pub(super) struct Exchange<R: Respond> {
    peer: Arc<Peer<R>>,
    id: RequestId,
    started: Instant,
    description: Option<Description>,
    is_head: bool,
    version: Version,
    route: Option<usize>,
    upload: Option<Arc<Upload>>,
    status: StatusCode,
    sent: u64,
    ending: Ending,
}

/// Answers one request.
pub(super) async fn answer<R: Respond>(
    peer: Arc<Peer<R>>,
    request: Request<Incoming>,
) -> Response<AnswerBody<R>> {
    let mut exchange = Exchange::begin(peer, &request);
    let (mut parts, body) = request.into_parts();
    if let Err(problem) = exchange.admit(&mut parts, &body) {
        if !body.is_end_stream() {
            exchange.peer.activity.left_unread();
        }
        return exchange.refuse(&problem);
    }
    let shared = exchange.peer.shared.clone();
    let Some((_, endpoint)) = exchange.route.and_then(|index| shared.router.route(index)) else {
        return exchange.refuse(&Problem::NotFound);
    };
    let (body, upload) = request_body(body, endpoint.target.body_limit(), &exchange.peer.activity);
    exchange.upload = upload;
    let request = Request::from_parts(parts, body);
    // hyper keeps room for this future as long as the connection lives, and most connections are idle.
    let responding = Box::pin(endpoint.target.respond(request, exchange.id));
    let result = responding.await;
    exchange.reply(result, &endpoint.counters)
}

impl<R: Respond> Exchange<R> {
    fn begin(peer: Arc<Peer<R>>, request: &Request<Incoming>) -> Self {
        peer.activity.begin();
        let given = if peer.trusted {
            request.headers().get(headers::REQUEST_ID)
        } else {
            None
        };
        let id = given
            .and_then(|given| RequestId::parse(given.as_bytes()))
            .unwrap_or_else(RequestId::next);
        let description = peer.shared.log.wants_access().then(|| Description {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            client: peer.address,
        });
        Self {
            id,
            started: Instant::now(),
            description,
            is_head: *request.method() == Method::HEAD,
            version: request.version(),
            route: None,
            upload: None,
            status: StatusCode::OK,
            sent: 0,
            ending: Ending::Vanished,
            peer,
        }
    }

    /// Finds the route, and makes of the head what the guest gets.
    fn admit(&mut self, parts: &mut Parts, body: &Incoming) -> Result<(), Problem> {
        if parts.method == Method::CONNECT || parts.method == Method::TRACE {
            return Err(Problem::NotImplemented);
        }
        let authority = self.authority(parts)?;
        let peer = self.peer.clone();
        let found = match peer
            .shared
            .router
            .find(&parts.method, authority.host(), parts.uri.path())
        {
            Found::Route(found) => found,
            Found::OtherMethods(methods) => return Err(Problem::MethodNotAllowed(methods)),
            Found::Nothing => return Err(Problem::NotFound),
        };
        self.route = Some(found.index());
        found.target().counters.begin();
        let endpoint = found.target();
        if body.size_hint().lower() > endpoint.target.body_limit() {
            endpoint.counters.exceeded(Limit::Body, 1);
            return Err(Problem::TooLarge);
        }
        if endpoint
            .head_limit
            .is_some_and(|limit| endpoint::head_length(parts) > limit)
        {
            endpoint.counters.exceeded(Limit::Headers, 1);
            return Err(Problem::HeadTooLarge);
        }
        let (client, scheme) = self.client(parts);
        headers::clean_request(&mut parts.headers, peer.trusted);
        parts
            .headers
            .insert(headers::REQUEST_ID, headers::digits_value(self.id));
        match &endpoint.manner {
            Manner::Wisp(words) => {
                let address = self.address_value(client.ip());
                parts.headers.insert(headers::CLIENT_ADDRESS, address);
                words.tell(&found, &mut parts.headers);
            }
            Manner::Spin(words) => {
                let url = manner::full_url(scheme.as_str(), authority.as_str(), &parts.uri);
                let told = Told { url: &url, client };
                words.tell(&found, &mut parts.headers, &told);
            }
        }
        parts.extensions.clear();
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(scheme);
        uri.path_and_query = parts.uri.path_and_query().cloned();
        uri.authority = Some(authority);
        parts.uri = Uri::from_parts(uri)
            .map_err(|_| Problem::BadRequest("the target of the request is not valid"))?;
        Ok(())
    }

    /// The client as far as we believe what we are told, and the scheme that it used.
    fn client(&mut self, parts: &Parts) -> (SocketAddr, Scheme) {
        let peer = &self.peer;
        if !peer.trusted {
            let client = SocketAddr::new(peer.address, peer.port);
            return (client, peer.scheme.clone());
        }
        let client = peer.shared.proxies.client(peer.address, &parts.headers);
        if let Some(description) = &mut self.description {
            description.client = client;
        }
        let scheme = forwarded::scheme(&parts.headers).unwrap_or_else(|| peer.scheme.clone());
        // A proxy tells no port, and its own is not the client's.
        (SocketAddr::new(client, 0), scheme)
    }

    fn address_value(&self, client: IpAddr) -> HeaderValue {
        if client == self.peer.address {
            return self.peer.address_value.clone();
        }
        headers::text_value(&client.to_string())
    }

    /// The authority that is asked for; what the target names wins over the `host` header.
    fn authority(&self, parts: &mut Parts) -> Result<Authority, Problem> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let (host, another) = (hosts.next(), hosts.next());
        if another.is_some() {
            return Err(Problem::BadRequest("there is more than one host header"));
        }
        if let Some(authority) = parts.uri.authority() {
            if host.is_none() && parts.version == Version::HTTP_11 {
                return Err(Problem::BadRequest("there is no host header"));
            }
            let authority = authority.clone();
            if !is_plain(&authority) {
                return Err(Problem::BadRequest("the host is not valid"));
            }
            if host.is_some() {
                parts
                    .headers
                    .insert(header::HOST, headers::text_value(authority.as_str()));
            }
            return Ok(authority);
        }
        match host {
            Some(host) => self
                .peer
                .authority(host)
                .ok_or(Problem::BadRequest("the host header is not valid")),
            None if parts.version == Version::HTTP_10 => Ok(Authority::from_static("localhost")),
            None => Err(Problem::BadRequest("there is no host header")),
        }
    }

    /// Hands on what the guest answered, or says why there is nothing.
    fn reply(
        self,
        result: Result<Response<WasiBody>, InvokeError>,
        counters: &Counters,
    ) -> Response<AnswerBody<R>> {
        if let Some(upload) = &self.upload
            && upload.is_exceeded()
        {
            counters.exceeded(Limit::Body, 1);
            return self.refuse(&Problem::TooLarge);
        }
        let failure = match result {
            Ok(response) if !response.status().is_informational() => {
                return self.hand_on(response);
            }
            Ok(_) => Failure::Broken,
            Err(error) => Failure::from(&error),
        };
        match failure {
            Failure::Overloaded => counters.overloaded(),
            Failure::Timeout => counters.timed_out(),
            // The pool counts these.
            Failure::CpuTime => {}
            Failure::Broken => counters.failed(),
        }
        self.refuse(&Problem::Invocation(failure))
    }

    fn hand_on(mut self, response: Response<WasiBody>) -> Response<AnswerBody<R>> {
        let (mut parts, body) = response.into_parts();
        headers::clean_response(&mut parts.headers);
        self.ask_to_leave(&mut parts.headers);
        self.status = parts.status;
        if parts.status == StatusCode::NO_CONTENT {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        let length = parts.headers.get(header::CONTENT_LENGTH);
        let promised = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if !self.is_head && promised.is_some_and(|promised| promised > self.response_limit()) {
            self.response_exceeded();
            return self.refuse(&Problem::ResponseTooLarge);
        }
        Response::from_parts(parts, self.body(Content::Guest(body), promised))
    }

    fn refuse(mut self, problem: &Problem) -> Response<AnswerBody<R>> {
        let (mut parts, body) = problem.response(self.id).into_parts();
        self.ask_to_leave(&mut parts.headers);
        self.status = parts.status;
        Response::from_parts(parts, self.body(Content::Own(body), None))
    }

    fn endpoint(&self) -> Option<&Endpoint<R>> {
        let router = &self.peer.shared.router;
        self.route
            .and_then(|index| router.route(index))
            .map(|(_, endpoint)| endpoint)
    }

    /// Bytes that the body of the answer may have.
    pub(super) fn response_limit(&self) -> u64 {
        self.endpoint()
            .map_or(u64::MAX, |endpoint| endpoint.target.response_limit())
    }

    /// The answer is longer than it may be.
    pub(super) fn response_exceeded(&self) {
        if let Some(endpoint) = self.endpoint() {
            endpoint.counters.exceeded(Limit::Response, 1);
            let (target, limit) = (&endpoint.target, self.response_limit());
            let message = format!(
                "the response is longer than `limits.response` allows, which is {limit} bytes"
            );
            let log = &self.peer.shared.log;
            log.failure(target.app(), target.component(), self.id, &message);
        }
    }

    /// The body of the answer, where there may be one.
    fn body(self, content: Content, promised: Option<u64>) -> AnswerBody<R> {
        if !self.is_head
            && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&self.status)
        {
            return AnswerBody::new(content, promised, self);
        }
        // In HTTP/1 hyper sends no body then, but takes its length for the head; in HTTP/2 it would send it.
        let content = if self.version == Version::HTTP_2 {
            Content::Own(Bytes::new())
        } else {
            content
        };
        AnswerBody::new(content, Some(0), self)
    }

    /// While the host drains, clients should come back on another connection. HTTP/2 has its own way to say so.
    fn ask_to_leave(&self, headers: &mut http::HeaderMap) {
        if self.version < Version::HTTP_2 && self.peer.shutdown.is_ending() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Bytes of the answer were handed on; gives the sum.
    pub(super) fn sent(&mut self, bytes: u64) -> u64 {
        self.sent += bytes;
        self.sent
    }

    /// The answer has reached its end.
    pub(super) fn complete(&mut self) {
        if self.ending == Ending::Vanished {
            self.ending = Ending::Complete;
        }
    }

    /// The answer breaks off.
    pub(super) fn abort(&mut self) {
        self.ending = Ending::Aborted;
    }

    fn write_line(&self, description: &Description, outcome: Outcome) {
        let shared = &self.peer.shared;
        let route = self.route.and_then(|index| shared.router.route(index));
        shared.log.access(AccessLine {
            app: route.map(|(_, endpoint)| endpoint.target.app()),
            component: route.map(|(_, endpoint)| endpoint.target.component()),
            id: self.id,
            method: description.method.as_str(),
            path: description.uri.path(),
            route: route.map(|(text, _)| text),
            status: outcome.status,
            aborted: outcome.aborted,
            duration: outcome.duration,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            client: description.client,
            protocol: protocol(description.version),
        });
    }
}

impl<R: Respond> Drop for Exchange<R> {
    fn drop(&mut self) {
        let outcome = Outcome {
            status: if self.ending == Ending::Vanished {
                VANISHED
            } else {
                self.status.as_u16()
            },
            aborted: self.ending == Ending::Aborted,
            duration: self.started.elapsed(),
            bytes_in: self.upload.as_ref().map_or(0, |upload| upload.received()),
            bytes_out: self.sent,
        };
        let shared = &self.peer.shared;
        if let Some((_, endpoint)) = self.route.and_then(|index| shared.router.route(index)) {
            endpoint.counters.end(outcome);
        } else {
            shared.metrics.unrouted().begin();
            shared.metrics.unrouted().end(outcome);
        }
        if let Some(description) = &self.description {
            self.write_line(description, outcome);
        }
        self.peer.activity.end();
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        _ => "HTTP/2",
    }
}
