//! An object, or a part of one, on its way to a guest: read piece by piece as the guest asks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::error::BlobError;
use super::folder::Open;

/// Bytes of one piece.
const PIECE: u64 = 64 << 10;
/// Bytes that a guest gets at once when it does not ask for a stream.
const AT_ONCE: u64 = 16 << 20;

/// A part of an object that is open.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Part {
    file: Arc<File>,
    start: u64,
    length: u64,
    /// Counts for as long as this is open.
    _open: Open,
}

impl Part {
    /// From `first` to `last`, that included, or to where the object ends.
    pub(super) fn new(file: File, first: u64, last: u64, open: Open) -> io::Result<Self> {
        let size = file.metadata()?.len();
        let end = size.min(last.saturating_add(1));
        Ok(Self {
            file: Arc::new(file),
            start: first,
            length: end.saturating_sub(first),
            _open: open,
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// All of it. Blocks.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, BlobError> {
        if self.length > AT_ONCE {
            return Err(BlobError::ReadAsStream(self.length));
        }
        let mut bytes = vec![0; usize::try_from(self.length).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, self.start)?;
        Ok(bytes)
    }

    pub(super) fn stream(self) -> Reading {
        Reading {
            part: self,
            state: Piece::None,
        }
    }
}

#[derive(Debug)]
enum Piece {
    None,
    Coming(JoinHandle<io::Result<Bytes>>),
    There(Bytes),
    Failed(io::Error),
}

/// The stream through which a guest reads a part of an object.
#[derive(Debug)]
pub(super) struct Reading {
    part: Part,
    state: Piece,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {
        if matches!(self.state, Piece::None) && self.part.length > 0 {
            let length = usize::try_from(self.part.length.min(PIECE)).unwrap_or_default();
            let (file, start) = (self.part.file.clone(), self.part.start);
            self.state = Piece::Coming(tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; length];
                let read = file.read_at(&mut bytes, start)?;
                bytes.truncate(read);
                Ok(bytes.into())
            }));
        }
        if let Piece::Coming(task) = &mut self.state {
            let read = task.await;
            self.state = match read.unwrap_or_else(|gone| Err(io::Error::other(gone))) {
                // An object never shrinks: it is replaced.
                Ok(bytes) if bytes.is_empty() => Piece::Failed(io::ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => Piece::There(bytes),
                Err(error) => Piece::Failed(error),
            };
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reading {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.part.length == 0 {
            return Err(StreamError::Closed);
        }
        // Begins to read, so that a guest that only polls with empty reads gets on too.
        let _ = futures::FutureExt::now_or_never(self.ready());
        match &mut self.state {
            Piece::There(bytes) => {
                let piece = bytes.split_to(size.min(bytes.len()));
                if bytes.is_empty() {
                    self.state = Piece::None;
                }
                let length = u64::try_from(piece.len()).unwrap_or_default();
                self.part.start += length;
                self.part.length -= length.min(self.part.length);
                Ok(piece)
            }
            Piece::Failed(_) => match std::mem::replace(&mut self.state, Piece::None) {
                Piece::Failed(error) => {
                    self.part.length = 0;
                    Err(StreamError::LastOperationFailed(error.into()))
                }
                other => {
                    self.state = other;
                    Ok(Bytes::new())
                }
            },
            Piece::None | Piece::Coming(_) => Ok(Bytes::new()),
        }
    }
}
