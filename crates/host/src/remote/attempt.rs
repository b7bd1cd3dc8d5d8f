//! Attempts at one call: what is said to another host, and what is known of each answer and of each silence.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::WasiBody;

use super::caller::{Origin, Remote};
use super::envelope::{self, Head, Outcome, Refusal};
use super::error::CallError;
use super::frame::{Frame, Frames, MOST_VALUES, MOST_WORDS};
use super::{Carrier, MEDIA_TYPE};
use crate::errand::Errand;
use crate::telemetry::{RequestId, Trace};
use crate::value::{self, Value};

/// Hosts that are asked for one call.
const MOST_ATTEMPTS: usize = 3;
/// What nobody answered in time is given up so long after the deadline, there and here, so that who was in time can say so.
const GRACE: Duration = Duration::from_millis(20);

/// One call, the same in all attempts.
pub(super) struct Attempt<'a> {
    carrier: &'a Arc<dyn Carrier>,
    key: RequestId,
    trace: Trace,
    deadline: Instant,
    errand: Errand,
    pub(super) values: Bytes,
}

/// Why an attempt gave nothing.
pub(super) struct Missed {
    pub(super) error: CallError,
    /// Whether another host may be asked.
    pub(super) elsewhere: bool,
}

impl Missed {
    fn last(error: CallError) -> Self {
        Self {
            error,
            elsewhere: false,
        }
    }

    /// It was refused, and nothing ran.
    fn refused(host: &str, refusal: &Refusal) -> Self {
        Self {
            error: CallError::NotSent(format!("host {host}: {}", refusal.message)),
            elsewhere: refusal.is_of_this_host_alone(),
        }
    }
}

impl Remote {
    pub(super) fn attempt<'a>(
        &'a self,
        values: &[Value],
        errand: Errand,
        absent: &Refusal,
    ) -> Result<Attempt<'a>, CallError> {
        let Some(carrier) = self.directory.carrier() else {
            let message = format!("{}, and this host is in no lattice", absent.message);
            return Err(CallError::NotSent(message));
        };
        let mut bytes = Vec::new();
        let parameters = self.signature.parameters().iter();
        for ((_, ty), value) in parameters.zip(values) {
            value::encode(ty, value, &mut bytes)
                .map_err(|error| CallError::NotSent(error.to_string()))?;
        }
        let key = RequestId::next();
        let trace = errand
            .trace
            .unwrap_or_else(|| Trace::of(errand.request.unwrap_or(key)));
        let latest = Instant::now() + self.origin.timeout;
        Ok(Attempt {
            carrier,
            key,
            trace: trace.next(),
            deadline: errand
                .deadline
                .map_or(latest, |deadline| deadline.min(latest)),
            errand,
            values: bytes.into(),
        })
    }

    /// The host to ask next.
    pub(super) fn next(&self, attempt: &Attempt<'_>, tried: &[String]) -> Option<String> {
        let enough = tried.len() >= MOST_ATTEMPTS;
        let next = (!enough).then(|| attempt.carrier.next(&self.target.app, tried));
        next.flatten()
    }

    /// What is known when no host was asked.
    pub(super) fn nowhere(&self, absent: &Refusal) -> CallError {
        let app = &self.target.app;
        CallError::NotSent(format!("{}, and no other host runs {app}", absent.message))
    }

    pub(super) fn head(&self, attempt: &Attempt<'_>) -> Result<Frame, CallError> {
        let patience = attempt.deadline.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            let message = "no time is left before the deadline";
            return Err(CallError::NotSent(message.to_owned()));
        }
        let Origin { app, component, .. } = &self.origin;
        let head = Head {
            version: envelope::VERSION,
            target: self.target.clone(),
            caller: envelope::Caller {
                app: app.to_string(),
                component: component.to_string(),
            },
            key: attempt.key.to_string(),
            // The end of the caller's time is the caller's to tell.
            patience_us: u64::try_from((patience + GRACE).as_micros()).unwrap_or(u64::MAX),
            request: attempt.errand.request.map(|id| id.to_string()),
            traceparent: Some(attempt.trace.to_string()),
            hops: attempt.errand.hops,
        };
        Ok(Frame::Head(head.write()))
    }

    /// Calls another host, and waits for the whole answer.
    pub(super) async fn away(
        &self,
        arguments: &[Value],
        errand: Errand,
        absent: &Refusal,
    ) -> Result<Option<Value>, CallError> {
        let attempt = self.attempt(arguments, errand, absent)?;
        let (mut missed, mut tried) = (self.nowhere(absent), Vec::new());
        while let Some(host) = self.next(&attempt, &tried) {
            let mut body = BytesMut::new();
            self.head(&attempt)?.write_behind(&mut body);
            Frame::Values(attempt.values.clone()).write_behind(&mut body);
            let body = Full::new(body.freeze()).map_err(|never| match never {});
            let asked = self.ask(&attempt, &host, body.boxed_unsync());
            match self.in_time(&attempt, &host, asked).await {
                Ok(result) => return Ok(result),
                Err(Missed { error, elsewhere }) if elsewhere => missed = error,
                Err(Missed { error, .. }) => return Err(error),
            }
            tried.push(host);
        }
        Err(missed)
    }

    pub(super) async fn in_time<T>(
        &self,
        attempt: &Attempt<'_>,
        host: &str,
        asked: impl Future<Output = Result<T, Missed>>,
    ) -> Result<T, Missed> {
        let asked = timeout_at(attempt.deadline + GRACE, asked).await;
        asked.unwrap_or_else(|_| Err(Missed::last(out_of_time(host))))
    }

    /// One attempt of which all is in one message.
    async fn ask(
        &self,
        attempt: &Attempt<'_>,
        host: &str,
        body: WasiBody,
    ) -> Result<Option<Value>, Missed> {
        let response = self.send(attempt, host, body).await?;
        let mut frames = Frames::new(response.into_body());
        self.answer(host, &mut frames).await
    }

    /// Sends a call; gives the answer of a host that takes it.
    pub(super) async fn send(
        &self,
        attempt: &Attempt<'_>,
        host: &str,
        body: WasiBody,
    ) -> Result<Response<WasiBody>, Missed> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        request.headers_mut().insert(CONTENT_TYPE, media_type);
        let response = attempt.carrier.send(&self.target.app, host, request).await;
        let response = response.map_err(|unanswered| {
            let message = format!("host {host}: {}", unanswered.reason);
            if unanswered.may_have_run {
                self.unclear(message)
            } else {
                Missed {
                    error: CallError::NotSent(message),
                    elsewhere: true,
                }
            }
        })?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::MISDIRECTED_REQUEST => {
                let mut frames = Frames::new(response.into_body());
                match self.outcome(host, &mut frames).await? {
                    Outcome::Refused(refusal) => Err(Missed::refused(host, &refusal)),
                    _ => Err(self.unclear(format!("host {host} refused without a reason"))),
                }
            }
            status => Err(Missed {
                error: CallError::NotSent(format!("host {host} answered {status} to a call")),
                elsewhere: true,
            }),
        }
    }

    fn unclear(&self, message: String) -> Missed {
        Missed {
            error: CallError::MayHaveRun(message),
            elsewhere: self.idempotent,
        }
    }

    async fn outcome(&self, host: &str, frames: &mut Frames<WasiBody>) -> Result<Outcome, Missed> {
        let problem = match frames.next(MOST_VALUES).await {
            Ok(Some(Frame::Outcome(bytes))) if bytes.len() <= MOST_WORDS => {
                match Outcome::read(&bytes) {
                    Ok(outcome) => return Ok(outcome),
                    Err(error) => error.to_string(),
                }
            }
            Ok(Some(_)) => "it said something else than what became of the call".to_owned(),
            Ok(None) => "it ended without saying what became of the call".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(self.unclear(format!("host {host}: {problem}")))
    }

    /// What became of a call, with the result that follows.
    async fn answer(
        &self,
        host: &str,
        frames: &mut Frames<WasiBody>,
    ) -> Result<Option<Value>, Missed> {
        match self.outcome(host, frames).await? {
            Outcome::Returned => self.result(host, frames).await,
            other => Err(failed(host, other)),
        }
    }

    pub(super) async fn result(
        &self,
        host: &str,
        frames: &mut Frames<WasiBody>,
    ) -> Result<Option<Value>, Missed> {
        let lost = |problem: String| {
            // It did run, and what it gave cannot be had.
            Missed::last(CallError::MayHaveRun(format!("host {host}: {problem}")))
        };
        match frames.next(MOST_VALUES).await {
            Ok(Some(Frame::Values(bytes))) => {
                let types = self.signature.result().into_iter();
                let values = value::decode(types, bytes);
                values
                    .map(|mut values| values.pop())
                    .map_err(|error| lost(error.to_string()))
            }
            Ok(_) => Err(lost("the result is missing".to_owned())),
            Err(error) => Err(lost(error.to_string())),
        }
    }
}

fn out_of_time(host: &str) -> CallError {
    CallError::TimedOut(format!("host {host} gave no answer before the deadline"))
}

pub(super) fn failed(host: &str, outcome: Outcome) -> Missed {
    match outcome {
        Outcome::Refused(refusal) => Missed::refused(host, &refusal),
        Outcome::TimedOut { message } => {
            Missed::last(CallError::TimedOut(format!("host {host}: {message}")))
        }
        Outcome::Failed { message } => {
            Missed::last(CallError::Guest(format!("host {host}: {message}")))
        }
        Outcome::Returned => Missed::last(CallError::MayHaveRun("twice answered".to_owned())),
    }
}
