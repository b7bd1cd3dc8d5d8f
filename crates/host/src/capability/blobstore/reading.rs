//! An object, or a part of one, on its way to a guest: read piece by piece as the guest asks.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::store::{BlobError, BlobReader};
use super::told;
use crate::capability::Grantee;

/// Bytes of one piece.
const PIECE: usize = 64 << 10;
/// Bytes that a guest gets at once when it does not ask for a stream.
const AT_ONCE: u64 = 16 << 20;

/// A part of an object that is open.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Part {
    pub(super) reader: Box<dyn BlobReader>,
    pub(super) grantee: Arc<Grantee>,
}

impl Part {
    /// All of it.
    pub(super) async fn bytes(mut self) -> Result<Vec<u8>, String> {
        let length = self.reader.left();
        if length > AT_ONCE {
            return Err(format!(
                "the value has {length} bytes, too many to read at once: read it as a stream"
            ));
        }
        let length = usize::try_from(length).unwrap_or_default();
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let piece = self.reader.next(length - bytes.len()).await;
            let piece = piece.map_err(|error| told(&self.grantee, error))?;
            if bytes.is_empty() && piece.len() == length {
                return Ok(piece.into());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    pub(super) fn stream(self) -> Reading {
        Reading {
            state: Progress::Idle(self.reader),
            grantee: self.grantee,
        }
    }
}

type Turn = (Box<dyn BlobReader>, Result<Bytes, BlobError>);

enum Progress {
    Idle(Box<dyn BlobReader>),
    Coming(Pin<Box<dyn Future<Output = Turn> + Send>>),
    There(Bytes, Box<dyn BlobReader>),
    Failed(String),
    Ended,
}

/// The stream through which a guest reads a part of an object.
pub(super) struct Reading {
    state: Progress,
    grantee: Arc<Grantee>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reading").finish_non_exhaustive()
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {
        self.state = match std::mem::replace(&mut self.state, Progress::Ended) {
            Progress::Idle(reader) if reader.left() == 0 => Progress::Ended,
            Progress::Idle(mut reader) => Progress::Coming(Box::pin(async move {
                let read = reader.next(PIECE).await;
                (reader, read)
            })),
            other => other,
        };
        if let Progress::Coming(turn) = &mut self.state {
            let (reader, read) = turn.await;
            self.state = match read {
                Ok(bytes) if !bytes.is_empty() => Progress::There(bytes, reader),
                Ok(_) => Progress::Ended,
                Err(error) => Progress::Failed(told(&self.grantee, error)),
            };
        }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reading {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        // Begins to read, so that a guest that only polls with empty reads gets on too.
        let _ = futures::FutureExt::now_or_never(self.ready());
        match std::mem::replace(&mut self.state, Progress::Ended) {
            Progress::There(mut bytes, reader) => {
                let piece = bytes.split_to(size.min(bytes.len()));
                self.state = if bytes.is_empty() {
                    Progress::Idle(reader)
                } else {
                    Progress::There(bytes, reader)
                };
                Ok(piece)
            }
            Progress::Failed(told) => {
                Err(StreamError::LastOperationFailed(wasmtime::Error::msg(told)))
            }
            Progress::Ended => Err(StreamError::Closed),
            waiting => {
                self.state = waiting;
                Ok(Bytes::new())
            }
        }
    }
}
