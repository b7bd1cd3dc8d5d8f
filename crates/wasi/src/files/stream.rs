//! Streams into files that stop where a limit is.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::guard::{Ground, Refusal, length};

/// A stream of WASI 0.2 that writes to a file.
pub(super) struct BoundedOutput {
    inner: DynOutputStream,
    file: Arc<File>,
    ground: Ground,
    /// `None` appends.
    position: Option<u64>,
    /// The folder has to be counted before more is written.
    uncounted: bool,
    failed: Option<Refusal>,
}

impl BoundedOutput {
    pub(super) fn new(
        inner: DynOutputStream,
        file: Arc<File>,
        ground: Ground,
        position: Option<u64>,
    ) -> Self {
        Self {
            inner,
            file,
            ground,
            position,
            uncounted: false,
            failed: None,
        }
    }

    fn place(&self) -> Result<(u64, u64), Refusal> {
        let size = length(&self.file)?;
        Ok((size, self.position.unwrap_or(size)))
    }

    fn room(&mut self, permit: usize) -> Result<usize, Refusal> {
        if let Some(refusal) = self.failed.take() {
            return Err(refusal);
        }
        let (size, position) = self.place()?;
        let wanted = u64::try_from(permit).unwrap_or(u64::MAX);
        let room = self.ground.room(size, position, wanted)?;
        self.uncounted = room.is_none();
        Ok(room.map_or(0, |room| usize::try_from(room).unwrap_or(permit)))
    }
}

/// The error of the system that a refusal looks like: guests get streams' errors from those.
pub(super) fn system_error(refusal: Refusal) -> io::Error {
    let errno = match refusal {
        Refusal::Quota => rustix::io::Errno::DQUOT,
        Refusal::FileTooLarge => rustix::io::Errno::FBIG,
        Refusal::InsufficientSpace => rustix::io::Errno::NOSPC,
        Refusal::NotPermitted => rustix::io::Errno::PERM,
        Refusal::CrossDevice => rustix::io::Errno::XDEV,
        Refusal::Io => rustix::io::Errno::IO,
    };
    errno.into()
}

#[async_trait]
impl OutputStream for BoundedOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let written = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if let Ok((size, position)) = self.place() {
            self.ground.grow(size, position, written);
        }
        self.inner.write(bytes)?;
        if let Some(position) = &mut self.position {
            *position = position.saturating_add(written);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let permit = self.inner.check_write()?;
        if permit == 0 {
            return Ok(0);
        }
        self.room(permit)
            .map_err(|refusal| StreamError::LastOperationFailed(system_error(refusal).into()))
    }

    /// Checked and written piece by piece, and without asking for room once everything is written.
    async fn blocking_write_and_flush(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            let permit = self.write_ready().await?;
            let piece = bytes.split_to(bytes.len().min(permit));
            self.write(piece)?;
        }
        self.inner.flush()?;
        self.inner.ready().await;
        self.inner.check_write().map(|_| ())
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait]
impl Pollable for BoundedOutput {
    async fn ready(&mut self) {
        self.inner.ready().await;
        if std::mem::take(&mut self.uncounted) {
            self.failed = self.ground.count().await.err();
        }
    }
}
