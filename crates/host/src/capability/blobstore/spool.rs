//! A value on its way into a container: a file that grows as the guest writes, and is put in its place when that says so.

use std::fs::File;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::error::BlobError;
use super::folder::Blobs;

/// Bytes that a guest may write at once.
const PERMIT: usize = 256 << 10;

/// A file in `.incoming`, removed when nothing became of it.
#[derive(Debug)]
struct Incoming {
    blobs: Arc<Blobs>,
    file: File,
    name: String,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.blobs.discard(&self.name);
    }
}

/// How much a component may write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) file: u64,
    pub(super) store: u64,
}

/// What has arrived of a value, and what is on its way to the disk.
#[derive(Debug, Default)]
struct Progress {
    incoming: Option<Arc<Incoming>>,
    written: u64,
    pending: Option<JoinHandle<io::Result<()>>>,
    failure: Option<BlobError>,
}

/// A value that is written.
#[derive(Debug)]
pub(super) struct Spool {
    blobs: Arc<Blobs>,
    room: Room,
    progress: Mutex<Progress>,
}

impl Drop for Spool {
    fn drop(&mut self) {
        let written = self.lock().written;
        self.blobs.spooled.fetch_sub(written, Ordering::AcqRel);
    }
}

impl Spool {
    pub(super) fn new(blobs: Arc<Blobs>, room: Room) -> Arc<Self> {
        Arc::new(Self {
            blobs,
            room,
            progress: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the file, if it is not there yet. Blocks.
    pub(super) fn begin(&self) -> Result<(), BlobError> {
        let mut progress = self.lock();
        if progress.incoming.is_none() {
            let (file, name) = self.blobs.begin()?;
            let blobs = self.blobs.clone();
            progress.incoming = Some(Arc::new(Incoming { blobs, file, name }));
        }
        Ok(())
    }

    /// Counts bytes that are about to be written.
    fn admit(&self, progress: &mut Progress, length: u64) -> Result<(), BlobError> {
        if progress.written.saturating_add(length) > self.room.file {
            return Err(BlobError::TooLarge(self.room.file));
        }
        let before = self.blobs.spooled.fetch_add(length, Ordering::AcqRel);
        if before.saturating_add(length) > self.room.store {
            self.blobs.spooled.fetch_sub(length, Ordering::AcqRel);
            return Err(BlobError::Full(self.room.store));
        }
        progress.written += length;
        Ok(())
    }

    fn write(&self, bytes: Bytes) -> Result<(), StreamError> {
        let mut progress = self.lock();
        if progress.pending.is_some() {
            return Err(StreamError::trap("written without having asked"));
        }
        if progress.failure.is_some() {
            return Err(StreamError::Closed);
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Err(failure) = self.admit(&mut progress, length) {
            let told = failure.to_string();
            progress.failure = Some(failure);
            return Err(StreamError::LastOperationFailed(wasmtime::Error::msg(told)));
        }
        let incoming = progress.incoming.clone();
        progress.pending = Some(tokio::task::spawn_blocking(move || match incoming {
            Some(incoming) => (&incoming.file).write_all(&bytes),
            None => Err(io::ErrorKind::NotFound.into()),
        }));
        Ok(())
    }

    /// Resolves when nothing is on its way to the disk any more.
    fn poll_settled(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut progress = self.lock();
        if let Some(pending) = &mut progress.pending {
            let written = ready!(Pin::new(pending).poll(context));
            progress.pending = None;
            if let Err(error) = written.unwrap_or_else(|gone| Err(io::Error::other(gone))) {
                progress.failure = Some(error.into());
            }
        }
        Poll::Ready(())
    }

    async fn settled(&self) {
        std::future::poll_fn(|context| self.poll_settled(context)).await;
    }

    /// Puts the value in its place.
    pub(super) async fn finish(self: Arc<Self>, place: (String, String)) -> Result<(), BlobError> {
        self.settled().await;
        let finished = tokio::task::spawn_blocking(move || {
            if let Some(failure) = self.lock().failure.take() {
                return Err(failure);
            }
            self.begin()?;
            let Some(incoming) = self.lock().incoming.clone() else {
                return Err(BlobError::NoFile);
            };
            let from = (&incoming.file, incoming.name.as_str());
            let place = (place.0.as_str(), place.1.as_str());
            self.blobs.commit(from, place, self.room.store)
        });
        finished
            .await
            .unwrap_or_else(|gone| Err(io::Error::other(gone).into()))
    }

    /// Copies an object here. Blocks.
    pub(super) fn copy_from(&self, source: &File) -> Result<(), BlobError> {
        let size = source.metadata()?.len();
        self.begin()?;
        let mut progress = self.lock();
        self.admit(&mut progress, size)?;
        if let Some(incoming) = &progress.incoming {
            let copied = io::copy(&mut io::Read::take(source, size), &mut &incoming.file)?;
            if copied != size {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }
}

/// The stream through which a guest writes a value.
#[derive(Debug)]
pub(super) struct Body(pub(super) Arc<Spool>);

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
        let settled = futures::FutureExt::now_or_never(self.0.settled()).is_some();
        let mut progress = self.0.lock();
        match &progress.failure {
            Some(failure) => {
                let told = failure.to_string();
                // Kept for `finish`, which says it again.
                progress.pending = None;
                Err(StreamError::LastOperationFailed(wasmtime::Error::msg(told)))
            }
            None => Ok(if settled { PERMIT } else { 0 }),
        }
    }
}
