//! The end of a call where it runs: reads it, looks up what is called, and calls it as a bridged link does.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout, timeout_at};
use wasmtime_wasi_http::WasiBody;

use super::envelope::{Head, Outcome, Reason, Refusal};
use super::frame::{Frame, FrameError, Frames, MOST_VALUES};
use super::streams::{self, Streams};
use super::{Directory, MEDIA_TYPE, MOST_STREAMS};
use crate::link::{Answers, Begun, Crossing, Here, Returned, goes_on};
use crate::pool::InvokeError;
use crate::telemetry::{Log, RequestId};
use crate::value::{self, Fate, Signature, Value, each_handle};

/// What is said when nobody waits any more.
const OVER: &str = "the caller's time was over";
/// How long a call may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the calls of other hosts.
#[derive(Debug)]
pub struct Desk {
    directory: Arc<Directory>,
    log: Log,
}

/// A call that was read and may be made.
struct Accepted {
    head: Head,
    here: Arc<Here>,
    arguments: Vec<Value>,
}

impl Desk {
    pub(crate) fn new(directory: Arc<Directory>, log: Log) -> Arc<Self> {
        Arc::new(Self { directory, log })
    }

    /// Answers a call of the host with this name. Dropping the future, or the body of the answer, ends the call.
    pub async fn answer<B>(self: Arc<Self>, host: &str, request: Request<B>) -> Response<WasiBody>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin + 'static,
    {
        let mut frames = Frames::new(request.into_body());
        let slow = || Err(malformed("it took too long to say what is called"));
        let accepted = timeout(PATIENCE, self.accept(&mut frames)).await;
        match accepted.unwrap_or_else(|_| slow()) {
            Ok(accepted) if streams::pass(&accepted.here.function.signature) => {
                self.converse(host.to_owned(), accepted, frames)
            }
            Ok(accepted) => {
                let outcome = self.call(host, accepted).await;
                answered(StatusCode::OK, &outcome)
            }
            Err(refusal) => refused(refusal),
        }
    }

    async fn accept<B>(&self, frames: &mut Frames<B>) -> Result<Accepted, Refusal>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
    {
        let unread = |error: FrameError| malformed(&error.to_string());
        let head = match frames.next(0).await.map_err(unread)? {
            Some(Frame::Head(head)) => Head::read(&head)?,
            _ => return Err(malformed("it does not begin with a head")),
        };
        let here = self.directory.find(&head.target, &head.caller.app)?;
        let most = here.callee.most_argument_bytes();
        let most = usize::try_from(most).map_or(MOST_VALUES, |most| most.min(MOST_VALUES));
        let Some(Frame::Values(values)) = frames.next(most).await.map_err(unreadable)? else {
            return Err(malformed("it has no arguments"));
        };
        let parameters = here.function.signature.parameters().iter();
        let arguments = value::decode(parameters.map(|(_, ty)| ty), values)
            .map_err(|error| malformed(&format!("its arguments: {error}")))?;
        Ok(Accepted {
            head,
            here,
            arguments,
        })
    }

    /// Makes a call that passes no streams; gives what became of it, as frames.
    async fn call(&self, host: &str, accepted: Accepted) -> Vec<Frame> {
        let Accepted {
            head,
            here,
            arguments,
        } = accepted;
        let (errand, signature) = (head.errand(), here.function.signature.clone());
        let deadline = errand.deadline.unwrap_or_else(Instant::now);
        let result = if goes_on(&signature) {
            let begun = Begun {
                arguments: Crossing {
                    values: arguments,
                    chunks: Vec::new(),
                },
                fate: Arc::new(Fate::default()),
                errand,
            };
            let returned = timeout_at(deadline, here.begin(begun)).await;
            returned.map(|result| result.map(|mut result| result.values.pop()))
        } else {
            timeout_at(deadline, here.call(arguments, errand)).await
        };
        match result {
            Ok(Ok(result)) => returned(&signature, result.as_ref()),
            Ok(Err(error)) => self.failed(host, &head, &outcome(&error)),
            Err(_) => self.failed(host, &head, &Outcome::timed_out(OVER)),
        }
    }

    /// The same outcome, written to the log of this host, where the component is.
    fn failed(&self, host: &str, head: &Head, outcome: &Outcome) -> Vec<Frame> {
        let (Outcome::Failed { message } | Outcome::TimedOut { message }) = outcome else {
            return vec![Frame::Outcome(outcome.write())];
        };
        let Head {
            target,
            caller,
            request,
            key,
            ..
        } = head;
        let message = format!(
            "{}#{}, called by {}/{} of host {host} as {key}: {message}",
            target.interface, target.function, caller.app, caller.component
        );
        let id = request
            .as_ref()
            .and_then(|id| RequestId::parse(id.as_bytes()));
        match id {
            Some(id) => self
                .log
                .failure(&target.app, &target.component, id, &message),
            None => self.log.fault(&target.app, &target.component, &message),
        }
        vec![Frame::Outcome(outcome.write())]
    }
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(Reason::Malformed, message)
}

fn unreadable(error: FrameError) -> Refusal {
    match error {
        FrameError::Large(..) => Refusal::new(Reason::Large, format!("the arguments: {error}")),
        other => malformed(&other.to_string()),
    }
}

/// What became of a call that failed.
fn outcome(error: &wasmtime::Error) -> Outcome {
    let busy = |message: String| Outcome::Refused(Refusal::new(Reason::Busy, message));
    match error.downcast_ref::<InvokeError>() {
        Some(
            known @ (InvokeError::Overloaded
            | InvokeError::Instantiate(_)
            | InvokeError::Library
            | InvokeError::Load(_)),
        ) => busy(known.to_string()),
        Some(InvokeError::Timeout) => Outcome::timed_out(InvokeError::Timeout.to_string()),
        Some(known) => Outcome::failed(known.to_string()),
        None => Outcome::failed(format!("{error:#}")),
    }
}

/// A result, as frames.
fn returned(signature: &Signature, result: Option<&Value>) -> Vec<Frame> {
    let mut bytes = Vec::new();
    if let (Some(ty), Some(value)) = (signature.result(), result)
        && let Err(error) = value::encode(ty, value, &mut bytes)
    {
        return vec![Frame::Outcome(Outcome::failed(error.to_string()).write())];
    }
    if bytes.len() > MOST_VALUES {
        let message = "its result is too large to be sent to another host";
        return vec![Frame::Outcome(Outcome::failed(message).write())];
    }
    vec![
        Frame::Outcome(Outcome::Returned.write()),
        Frame::Values(bytes.into()),
    ]
}

fn response(status: StatusCode, body: WasiBody) -> Response<WasiBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

fn answered(status: StatusCode, frames: &[Frame]) -> Response<WasiBody> {
    let mut bytes = BytesMut::new();
    for frame in frames {
        frame.write_behind(&mut bytes);
    }
    let body = Full::new(bytes.freeze()).map_err(|never| match never {});
    response(status, body.boxed_unsync())
}

fn refused(refusal: Refusal) -> Response<WasiBody> {
    let outcome = Frame::Outcome(Outcome::Refused(refusal).write());
    answered(StatusCode::MISDIRECTED_REQUEST, &[outcome])
}

impl Desk {
    /// Makes a call that passes streams: it goes on beside its answer.
    fn converse<B>(
        self: Arc<Self>,
        host: String,
        accepted: Accepted,
        frames: Frames<B>,
    ) -> Response<WasiBody>
    where
        B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin + 'static,
    {
        let Accepted {
            head,
            here,
            mut arguments,
        } = accepted;
        let signature = here.function.signature.clone();
        let (sender, body) = streams::sending();
        let fate = Arc::new(Fate::default());
        let mut streams = Streams::new(sender.clone(), &fate);
        let mut chunks = Vec::new();
        for ((_, ty), value) in signature.parameters().iter().zip(&mut arguments) {
            // Nothing here fails.
            let _ = each_handle(ty, value, &mut |ty, _| {
                if chunks.len() < MOST_STREAMS {
                    chunks.push(streams.read(ty));
                }
                Ok(())
            });
        }
        let errand = head.errand();
        let deadline = errand.deadline.unwrap_or_else(Instant::now);
        let begun = Begun {
            arguments: Crossing {
                values: arguments,
                chunks,
            },
            fate: fate.clone(),
            errand,
        };
        let talk = Talk {
            desk: self,
            host,
            head,
            signature,
            sender,
            streams,
            frames,
            fate,
        };
        tokio::spawn(talk.go_on(here.begin(begun), deadline));
        response(StatusCode::OK, body)
    }
}

/// A call with streams, while it goes on.
struct Talk<B> {
    desk: Arc<Desk>,
    host: String,
    head: Head,
    signature: Signature,
    sender: streams::Sender,
    streams: Streams,
    frames: Frames<B>,
    fate: Arc<Fate>,
}

impl<B> Talk<B>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Send + Unpin + 'static,
{
    async fn go_on(mut self, call: Returned, deadline: Instant) {
        let mut call = std::pin::pin!(timeout_at(deadline, call));
        let (mut open, mut over) = (true, false);
        loop {
            let (fate, returned) = (self.fate.clone(), !open);
            let frame = tokio::select! {
                biased;
                result = &mut call, if open => {
                    open = false;
                    let went = match result {
                        Ok(Ok(result)) => self.return_to_caller(result).await,
                        Ok(Err(error)) => Err(outcome(&error)),
                        Err(_) => Err(Outcome::timed_out(OVER)),
                    };
                    if let Err(outcome) = went {
                        let frames = self.desk.failed(&self.host, &self.head, &outcome);
                        return self.sender.send_all(&frames).await;
                    }
                    continue;
                }
                reason = fate.until_lost() => {
                    // The call is about to say what went wrong, if it was that.
                    if open && let Ok(Err(error)) = call.as_mut().await {
                        let frames = self.desk.failed(&self.host, &self.head, &outcome(&error));
                        return self.sender.send_all(&frames).await;
                    }
                    return self.streams.lose(reason).await;
                }
                frame = self.frames.next(MOST_VALUES), if !over => frame,
                () = self.streams.ended(), if returned => return,
            };
            let problem = match frame {
                Ok(Some(frame)) => match self.streams.take(frame) {
                    Ok(()) => continue,
                    Err(streams::Unruly) => {
                        "the caller does not keep to the rules of streams".to_owned()
                    }
                },
                Ok(None) | Err(_) if returned && self.streams.all_is_said() => {
                    // The guest has not taken all of it yet.
                    over = true;
                    continue;
                }
                Ok(None) => {
                    "the caller went away before the streams of the call had ended".to_owned()
                }
                Err(error) => error.to_string(),
            };
            return self
                .streams
                .lose(&format!("host {}: {problem}", self.host))
                .await;
        }
    }

    /// Sends the result, and then what its streams give.
    async fn return_to_caller(&mut self, result: Crossing) -> Result<(), Outcome> {
        let Crossing { mut values, chunks } = result;
        streams::check(chunks.len()).map_err(Outcome::failed)?;
        let mut value = values.pop();
        let frames = returned(&self.signature, value.as_ref());
        if frames.len() == 1 {
            self.fate.lose("the result could not be sent");
        }
        self.sender.send_all(&frames).await;
        let mut chunks = chunks.into_iter();
        if let (Some(ty), Some(value)) = (self.signature.result(), &mut value) {
            let streams = &mut self.streams;
            let _ = each_handle(ty, value, &mut |ty, _| {
                if let Some(chunks) = chunks.next() {
                    streams.write(ty, chunks);
                }
                Ok(())
            });
        }
        Ok(())
    }
}
