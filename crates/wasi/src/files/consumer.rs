//! Streams of WASI 0.3 into files that stop where a limit is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult};
use wasmtime_wasi::p3::bindings::filesystem::types::ErrorCode;

use super::guard::{Ground, Refusal, length};

/// Bytes that are written in one piece.
const PIECE: usize = 64 << 10;

type Writing = Pin<Box<dyn Future<Output = Result<usize, ErrorCode>> + Send>>;

/// Takes a stream and writes it to a file.
pub(super) struct BoundedConsumer {
    file: Arc<File>,
    ground: Ground,
    /// `None` appends.
    position: Option<u64>,
    result: Option<oneshot::Sender<Result<(), ErrorCode>>>,
    writing: Option<Writing>,
}

impl BoundedConsumer {
    pub(super) fn new(
        file: Arc<File>,
        ground: Ground,
        position: Option<u64>,
        result: oneshot::Sender<Result<(), ErrorCode>>,
    ) -> Self {
        Self {
            file,
            ground,
            position,
            result: Some(result),
            writing: None,
        }
    }

    fn close(&mut self, result: Result<(), ErrorCode>) {
        if let Some(sender) = self.result.take() {
            // A guest that does not want to know drops its end.
            let _ = sender.send(result);
        }
    }

    /// Writes one piece, as much of it as there is room for.
    fn write(&self, mut bytes: Vec<u8>) -> Writing {
        let (file, ground, position) = (self.file.clone(), self.ground.clone(), self.position);
        Box::pin(async move {
            let wanted = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let place = match position {
                Some(position) => position,
                None => length(&file)?,
            };
            let room = ground.take(&file, place, wanted).await?;
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            let write = move || match position {
                Some(position) => file.write_all_at(&bytes, position).map(|()| bytes.len()),
                None => append(&file, &bytes),
            };
            match tokio::task::spawn_blocking(write).await {
                Ok(written) => Ok(written?),
                Err(_) => Err(Refusal::Io.into()),
            }
        })
    }
}

/// Appends in one call of the system, so that several streams do not overwrite each other.
#[cfg(target_os = "linux")]
fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    use rustix::io::{ReadWriteFlags, pwritev2};

    let pieces = [io::IoSlice::new(bytes)];
    Ok(pwritev2(file, &pieces, 0, ReadWriteFlags::APPEND)?)
}

#[cfg(not(target_os = "linux"))]
fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    file.write_at(bytes, file.metadata()?.len())
}

impl<D> StreamConsumer<D> for BoundedConsumer {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        if self.writing.is_none() {
            let remaining = source.remaining();
            if remaining.is_empty() {
                return Poll::Ready(Ok(StreamResult::Completed));
            }
            let piece = remaining.iter().take(PIECE).copied().collect();
            self.writing = Some(self.write(piece));
        }
        let Some(writing) = &mut self.writing else {
            return Poll::Ready(Ok(StreamResult::Completed));
        };
        // What is being written is written to its end, also when the guest does not want to wait for it.
        let written = ready!(writing.as_mut().poll(cx));
        self.writing = None;
        Poll::Ready(Ok(match written {
            Ok(written) => {
                source.mark_read(written);
                if let Some(position) = &mut self.position {
                    *position = position.saturating_add(u64::try_from(written).unwrap_or(0));
                }
                StreamResult::Completed
            }
            Err(error) => {
                self.close(Err(error));
                StreamResult::Dropped
            }
        }))
    }
}

impl Drop for BoundedConsumer {
    fn drop(&mut self) {
        self.close(Ok(()));
    }
}
