//! An object on its way from a guest, piece by piece; the next piece is asked for when the store has taken the one before.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::store::{BlobError, BlobWriter, Place};
use super::told;
use crate::capability::Grantee;

/// Bytes that a guest may write at once.
const PERMIT: usize = 256 << 10;

type Turn = (Box<dyn BlobWriter>, Result<(), BlobError>);

enum Progress {
    Idle(Box<dyn BlobWriter>),
    Going(Pin<Box<dyn Future<Output = Turn> + Send>>),
    /// What the guest is told, on the stream and once more when it says `finish`.
    Failed(String),
}

/// A value that is written.
pub(super) struct Writing {
    progress: Mutex<Progress>,
    grantee: Arc<Grantee>,
}

impl fmt::Debug for Writing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writing").finish_non_exhaustive()
    }
}

fn failed(told: &str) -> StreamError {
    StreamError::LastOperationFailed(wasmtime::Error::msg(told.to_owned()))
}

impl Writing {
    pub(super) fn new(writer: Box<dyn BlobWriter>, grantee: Arc<Grantee>) -> Arc<Self> {
        Arc::new(Self {
            progress: Mutex::new(Progress::Idle(writer)),
            grantee,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bytes: Bytes) -> Result<(), StreamError> {
        let mut progress = self.lock();
        let gone = Progress::Failed(String::new());
        let mut writer = match std::mem::replace(&mut *progress, gone) {
            Progress::Idle(writer) => writer,
            Progress::Going(_) => return Err(StreamError::trap("written without having asked")),
            failed @ Progress::Failed(_) => {
                *progress = failed;
                return Err(StreamError::Closed);
            }
        };
        *progress = Progress::Going(Box::pin(async move {
            let written = writer.write(bytes).await;
            (writer, written)
        }));
        drop(progress);
        // Begins now, whether or not the guest waits for it.
        self.is_settled();
        match &*self.lock() {
            Progress::Failed(told) => Err(failed(told)),
            _ => Ok(()),
        }
    }

    /// Resolves when nothing is on its way to the store any more.
    fn poll_settled(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut progress = self.lock();
        if let Progress::Going(turn) = &mut *progress {
            let (writer, written) = ready!(turn.as_mut().poll(context));
            *progress = match written {
                Ok(()) => Progress::Idle(writer),
                Err(error) => Progress::Failed(told(&self.grantee, error)),
            };
        }
        Poll::Ready(())
    }

    async fn settled(&self) {
        std::future::poll_fn(|context| self.poll_settled(context)).await;
    }

    fn is_settled(&self) -> bool {
        futures::FutureExt::now_or_never(self.settled()).is_some()
    }

    /// Puts the value in its place.
    pub(super) async fn finish(&self, place: Place) -> Result<(), String> {
        self.settled().await;
        let gone = Progress::Failed("the value was finished before".into());
        let progress = std::mem::replace(&mut *self.lock(), gone);
        match progress {
            Progress::Idle(writer) => {
                let finished = writer.finish(place).await;
                finished.map_err(|error| told(&self.grantee, error))
            }
            Progress::Failed(told) => Err(told),
            Progress::Going(_) => Err("the value is still being written".into()),
        }
    }
}

/// The stream through which a guest writes a value.
#[derive(Debug)]
pub(super) struct Body(pub(super) Arc<Writing>);

#[wasmtime_wasi::async_trait]
impl Pollable for Body {
    async fn ready(&mut self) {
        self.0.settled().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Body {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let settled = self.0.is_settled();
        match &*self.0.lock() {
            Progress::Failed(told) => Err(failed(told)),
            _ => Ok(if settled { PERMIT } else { 0 }),
        }
    }
}
