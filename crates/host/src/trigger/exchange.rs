//! One request and its answer.
//!
//! A request is checked, routed, cleaned of what its sender may not say, told where it came from, and handed over. An
//! [`Exchange`] lives from the head of the request to the last byte of the answer, in whichever future or body that is;
//! when it is dropped early, the client has gone away. Then it counts itself and writes its line into the log.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::Uri;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use wasmtime_wasi_http::WasiBody;
use wisp_wasi::Limit;

use super::body::{AnswerBody, Content, Upload, request_body};
use super::endpoint::Endpoint;
use super::forwarded::Proxies;
use super::headers;
use super::heads::Whose;
use super::peer::Peer;
use super::place::Place;
use super::problem::{Failure, Problem};
use super::respond::Respond;
use super::router::Router;
use crate::lattice::Gateway;
use crate::lattice::gateway::Unreached;
use crate::lattice::hop;
use crate::lattice::table::Onward;
use crate::pool::InvokeError;
use crate::telemetry::{AccessLine, Counters, Log, Metrics, Outcome, RequestId};

/// nginx's status for a client that went away before it had its answer; never sent.
const VANISHED: u16 = 499;

/// What all exchanges of a server share.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) router: Arc<Router<Endpoint<R>>>,
    /// The way to other hosts; `None` where there are none, and for what comes from one.
    pub(super) gateway: Option<Arc<Gateway>>,
    pub(super) proxies: Proxies,
    pub(super) log: Log,
    pub(super) metrics: Metrics,
}

/// What the log wants to know about a request whose head was handed on.
#[derive(Debug)]
pub(super) struct Description {
    method: Method,
    uri: Uri,
    version: Version,
    pub(super) client: IpAddr,
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
    pub(super) peer: Arc<Peer<R>>,
    pub(super) id: RequestId,
    started: Instant,
    pub(super) description: Option<Description>,
    is_head: bool,
    version: Version,
    pub(super) place: Place,
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
    if let Err(problem) = exchange.admit(&mut parts, body.size_hint().lower()) {
        if !body.is_end_stream() {
            exchange.peer.activity.left_unread();
        }
        return exchange.refuse(&problem);
    }
    let (body, upload) = request_body(body, exchange.body_limit(), &exchange.peer.activity);
    exchange.upload = upload;
    let request = Request::from_parts(parts, body);
    let shared = exchange.peer.shared.clone();
    let index = match &exchange.place {
        Place::Here(index) => *index,
        Place::Nowhere => return exchange.refuse(&Problem::NotFound),
        Place::There(onward, client) => {
            let (onward, client) = (onward.clone(), *client);
            return Box::pin(exchange.forward(onward, client, request)).await;
        }
    };
    let Some((_, endpoint)) = shared.router.route(index) else {
        return exchange.refuse(&Problem::NotFound);
    };
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
            place: Place::Nowhere,
            upload: None,
            status: StatusCode::OK,
            sent: 0,
            ending: Ending::Vanished,
            peer,
        }
    }

    /// Has another host answer. Where none can be reached and another version runs here, that one does.
    async fn forward(
        self,
        onward: Onward,
        client: SocketAddr,
        request: Request<WasiBody>,
    ) -> Response<AnswerBody<R>> {
        let shared = self.peer.shared.clone();
        let Some(gateway) = &shared.gateway else {
            return self.refuse(&Problem::Unreachable);
        };
        let unreached = match gateway.forward(&onward, client, request).await {
            Ok(response) => return self.hand_on(response),
            Err(unreached) => unreached,
        };
        match unreached {
            Unreached::NotSent(request) => self.take_back(&onward, *request).await,
            unreached => self.refuse(&Problem::from(&unreached)),
        }
    }

    /// Answers here what was to be answered elsewhere, if its app runs here, too.
    async fn take_back(
        mut self,
        onward: &Onward,
        request: Request<WasiBody>,
    ) -> Response<AnswerBody<R>> {
        let (mut parts, body) = request.into_parts();
        let Some(authority) = parts.uri.authority().cloned() else {
            return self.refuse(&Problem::Unreachable);
        };
        let whose = Whose::App(onward.app());
        match self.admit_here(&mut parts, authority, body.size_hint().lower(), whose) {
            Ok(()) => {}
            Err(Problem::Elsewhere) => return self.refuse(&Problem::Unreachable),
            Err(problem) => return self.refuse(&problem),
        }
        if let Some(upload) = &self.upload {
            upload.limit(self.body_limit());
        }
        let shared = self.peer.shared.clone();
        let route = self.place.here();
        let route = route.and_then(|index| shared.router.route(index));
        let Some((_, endpoint)) = route else {
            return self.refuse(&Problem::Unreachable);
        };
        let request = Request::from_parts(parts, body);
        let result = endpoint.target.respond(request, self.id).await;
        self.reply(result, &endpoint.counters)
    }

    /// Bytes that the body of the request may have; another host looks for itself.
    fn body_limit(&self) -> u64 {
        self.endpoint()
            .map_or(u64::MAX, |endpoint| endpoint.target.body_limit())
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
        if self.peer.told.is_some() {
            hop::clean_answer(&mut parts.headers);
        }
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
        if self.peer.told.is_some()
            && let Some(outcome) = problem.outcome()
        {
            outcome.write(&mut parts.headers);
        }
        self.ask_to_leave(&mut parts.headers);
        self.status = parts.status;
        Response::from_parts(parts, self.body(Content::Own(body), None))
    }

    fn endpoint(&self) -> Option<&Endpoint<R>> {
        let router = &self.peer.shared.router;
        self.place
            .here()
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
        let (app, component, route) = self.place.names(&shared.router);
        shared.log.access(AccessLine {
            app,
            component,
            id: self.id,
            method: description.method.as_str(),
            path: description.uri.path(),
            route,
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
        if let Some(endpoint) = self.endpoint() {
            endpoint.counters.end(outcome);
            shared.metrics.end();
        } else {
            let counters = match &self.place {
                Place::There(onward, _) => onward.counters(),
                _ => shared.metrics.unrouted(),
            };
            counters.begin();
            counters.end(outcome);
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
