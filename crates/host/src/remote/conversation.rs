//! A call with streams, at the end where it is made: it goes on after its result.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wasmtime_wasi_http::WasiBody;

use super::MOST_STREAMS;
use super::attempt::{Missed, failed};
use super::caller::Remote;
use super::envelope::{Outcome, Refusal};
use super::error::CallError;
use super::frame::{Frame, Frames, MOST_VALUES};
use super::streams::{self, Sender, Streams};
use crate::link::{Begun, Crossing};
use crate::value::each_handle;

/// Ends a conversation when it is dropped, unless it was let go.
struct Held(Option<JoinHandle<()>>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

type Reply = oneshot::Sender<Result<Crossing, CallError>>;

impl Remote {
    /// Calls another host, and goes on after the result while streams are open.
    pub(super) async fn conversation(
        self: &Arc<Self>,
        begun: Begun,
        absent: Refusal,
    ) -> Result<Crossing, CallError> {
        let fate = begun.fate.clone();
        let (reply, returned) = oneshot::channel();
        let mut task = Held(Some(tokio::spawn(
            self.clone().converse(begun, absent, reply),
        )));
        let result = returned.await.unwrap_or_else(|_| {
            Err(CallError::MayHaveRun(
                "the call ended without a word".to_owned(),
            ))
        });
        match &result {
            Ok(_) => task.0 = None,
            Err(error) => fate.lose(error.to_string()),
        }
        result
    }

    async fn converse(self: Arc<Self>, begun: Begun, absent: Refusal, reply: Reply) {
        let host_and_frames = self.open(&begun, &absent).await;
        match host_and_frames {
            Ok((host, sender, frames)) => {
                let talk = Talk {
                    remote: &self,
                    host,
                    frames,
                    streams: Streams::new(sender, &begun.fate),
                };
                talk.go_on(begun, reply).await;
            }
            // Who waited may have gone.
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Finds a host that takes the call; no stream has been read until then.
    async fn open(
        &self,
        begun: &Begun,
        absent: &Refusal,
    ) -> Result<(String, Sender, Frames<WasiBody>), CallError> {
        streams::check(begun.arguments.chunks.len()).map_err(CallError::NotSent)?;
        let attempt = self.attempt(&begun.arguments.values, begun.errand, absent)?;
        let (mut missed, mut tried) = (self.nowhere(absent), Vec::new());
        while let Some(host) = self.next(&attempt, &tried) {
            let (sender, body) = streams::sending();
            let values = Frame::Values(attempt.values.clone());
            sender.send_all(&[self.head(&attempt)?, values]).await;
            let sent = self.send(&attempt, &host, body);
            match self.in_time(&attempt, &host, sent).await {
                Ok(response) => return Ok((host, sender, Frames::new(response.into_body()))),
                Err(Missed { error, elsewhere }) if elsewhere => missed = error,
                Err(Missed { error, .. }) => return Err(error),
            }
            tried.push(host);
        }
        Err(missed)
    }
}

/// A call that another host has taken, with its streams.
struct Talk<'a> {
    remote: &'a Remote,
    host: String,
    frames: Frames<WasiBody>,
    streams: Streams,
}

impl Talk<'_> {
    async fn go_on(mut self, begun: Begun, reply: Reply) {
        let fate = begun.fate.clone();
        self.leave(begun.arguments);
        let (mut reply, mut over) = (Some(reply), false);
        loop {
            let returned = reply.is_none();
            let frame = tokio::select! {
                biased;
                reason = fate.until_lost() => {
                    let reason = reason.to_owned();
                    return self.streams.lose(&reason).await;
                }
                frame = self.frames.next(MOST_VALUES), if !over => frame,
                () = self.streams.ended(), if returned => return,
            };
            let problem = match frame {
                Ok(Some(Frame::Outcome(bytes))) if !returned => {
                    let result = self.returned(&bytes).await;
                    let failed = result.is_err();
                    if let Some(reply) = reply.take() {
                        let _ = reply.send(result);
                    }
                    if failed {
                        return;
                    }
                    continue;
                }
                Ok(Some(frame)) => match self.streams.take(frame) {
                    Ok(()) => continue,
                    Err(streams::Unruly) => "it does not keep to the rules of streams".to_owned(),
                },
                Ok(None) | Err(_) if returned && self.streams.all_is_said() => {
                    // The guest has not taken all of it yet.
                    over = true;
                    continue;
                }
                Ok(None) => "it ended before its streams did".to_owned(),
                Err(error) => error.to_string(),
            };
            let problem = format!("host {}: {problem}", self.host);
            if let Some(reply) = reply.take() {
                let _ = reply.send(Err(CallError::MayHaveRun(problem.clone())));
            }
            return self.streams.lose(&problem).await;
        }
    }

    fn leave(&mut self, arguments: Crossing) {
        let Crossing { mut values, chunks } = arguments;
        let mut chunks = chunks.into_iter();
        let parameters = self.remote.signature.parameters().iter();
        for ((_, ty), value) in parameters.zip(&mut values) {
            let streams = &mut self.streams;
            // Nothing here fails.
            let _ = each_handle(ty, value, &mut |ty, _| {
                if let Some(chunks) = chunks.next() {
                    streams.write(ty, chunks);
                }
                Ok(())
            });
        }
    }

    /// The result, with its streams.
    async fn returned(&mut self, outcome: &[u8]) -> Result<Crossing, CallError> {
        let host = &self.host;
        let unclear = |problem: &str| CallError::MayHaveRun(format!("host {host}: {problem}"));
        match Outcome::read(outcome) {
            Ok(Outcome::Returned) => {}
            Ok(other) => return Err(failed(host, other).error),
            Err(error) => return Err(unclear(&error.to_string())),
        }
        let result = self.remote.result(host, &mut self.frames).await;
        let mut result = result.map_err(|missed| missed.error)?;
        let mut chunks = Vec::new();
        if let (Some(ty), Some(value)) = (self.remote.signature.result(), &mut result) {
            let streams = &mut self.streams;
            let _ = each_handle(ty, value, &mut |ty, _| {
                if chunks.len() < MOST_STREAMS {
                    chunks.push(streams.read(ty));
                }
                Ok(())
            });
        }
        Ok(Crossing {
            values: result.into_iter().collect(),
            chunks,
        })
    }
}
