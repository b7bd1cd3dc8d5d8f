//! Contents on their way: up, piece by piece, before anybody knows what they are for; and down.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::super::store::{BlobError, BlobReader, BlobWriter, Place, Span};
use super::LatticeBlobs;
use super::ledger::{Ledger, Object, now};
use crate::telemetry::RequestId;

/// Bytes of a piece.
const PIECE: usize = 128 << 10;

/// A content that a guest writes.
#[derive(Debug)]
pub(super) struct Uploading {
    blobs: LatticeBlobs,
    content: String,
    /// The sequence of the message that says that it is loose.
    loose: u64,
    size: u64,
    pieces: u64,
    buffer: BytesMut,
    settled: bool,
}

impl Uploading {
    pub(super) async fn begin(blobs: LatticeBlobs) -> Result<Self, BlobError> {
        let content = RequestId::next().to_string();
        let loose = blobs.ledger.upload(&content).await?;
        Ok(Self {
            blobs,
            content,
            loose,
            size: 0,
            pieces: 0,
            buffer: BytesMut::new(),
            settled: false,
        })
    }

    async fn send(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let ledger = &self.blobs.ledger;
        let subject = ledger.of_piece(&self.content, self.pieces);
        ledger.put(&subject, piece, ledger.until()).await?;
        self.pieces += 1;
        Ok(())
    }
}

impl Drop for Uploading {
    /// Nothing is left of what was not finished; should that fail, later writers find it.
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if !self.settled {
            let (ledger, content) = (self.blobs.ledger.clone(), self.content.clone());
            runtime.spawn(async move { ledger.discard(&content, ledger.until()).await });
        }
    }
}

#[wasmtime_wasi::async_trait]
impl BlobWriter for Uploading {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let room = self.blobs.room;
        self.size += bytes.len() as u64;
        if self.size > room.file {
            return Err(BlobError::TooLarge(room.file));
        }
        if self.size > room.store {
            return Err(BlobError::Full(room.store));
        }
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() >= PIECE {
            let piece = self.buffer.split_to(PIECE).freeze();
            self.send(piece).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>, place: Place) -> Result<(), BlobError> {
        let rest = self.buffer.split().freeze();
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        let object = Object {
            size: self.size,
            created: now(),
            content: self.content.clone(),
        };
        let settled = self.blobs.settle(object, self.loose, &place).await;
        // When nobody knows, it may be the content of an object now, and is not for us to discard.
        self.settled = matches!(settled, Ok(()) | Err(BlobError::Refused(_)));
        settled
    }
}

/// A part of an object that a guest reads.
#[derive(Debug)]
pub(super) struct Reading {
    ledger: Arc<Ledger>,
    content: String,
    position: u64,
    end: u64,
    /// The piece that was read last, and its number.
    piece: Option<(u64, Bytes)>,
}

impl Reading {
    pub(super) fn new(ledger: Arc<Ledger>, object: Object, span: Span) -> Self {
        let end = object.size.min(span.last.saturating_add(1));
        Self {
            ledger,
            content: object.content,
            position: span.first.min(end),
            end,
            piece: None,
        }
    }

    async fn load(&mut self, number: u64) -> Result<Bytes, BlobError> {
        if let Some((known, piece)) = &self.piece
            && *known == number
        {
            return Ok(piece.clone());
        }
        let subject = self.ledger.of_piece(&self.content, number);
        let found = self.ledger.stream.last(&subject, self.ledger.until()).await;
        let found = found.map_err(|failure| self.ledger.error(failure))?;
        let gone =
            "the object was replaced or deleted a while ago, and what is left to read is gone";
        let piece = found
            .ok_or_else(|| BlobError::Refused(gone.into()))?
            .payload;
        self.piece = Some((number, piece.clone()));
        Ok(piece)
    }
}

#[wasmtime_wasi::async_trait]
impl BlobReader for Reading {
    fn left(&self) -> u64 {
        self.end - self.position
    }

    async fn next(&mut self, most: usize) -> Result<Bytes, BlobError> {
        if self.left() == 0 {
            return Ok(Bytes::new());
        }
        let piece = self.load(self.position / PIECE as u64).await?;
        let start = usize::try_from(self.position % PIECE as u64).unwrap_or_default();
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let end = piece.len().min(start.saturating_add(most.min(left)));
        if start >= end {
            return Err(BlobError::Failed(format!(
                "{}: a piece is short",
                self.content
            )));
        }
        self.position += (end - start) as u64;
        Ok(piece.slice(start..end))
    }
}
