//! What a guest writes to its standard output and error, as lines.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that a guest may write in one call.
const PERMIT: usize = 64 * 1024;
/// A line that grows past this is cut into several, so that a guest cannot fill memory without a line feed.
const LONGEST_LINE: usize = 16 * 1024;

/// Which stream a guest wrote to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes the lines of one instance.
pub trait Lines: Send + Sync + std::fmt::Debug {
    /// Called for each line, without its line feed, in the order of writing; must not block.
    fn line(&self, stream: Stream, text: &str);

    /// Called for each entry that it logs with a level and a context; must not block.
    fn entry(&self, level: &str, context: &str, message: &str);
}

#[derive(Debug, Default)]
struct Rests {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Both output streams of one instance.
#[derive(Debug)]
pub struct Output {
    lines: Arc<dyn Lines>,
    rests: Mutex<Rests>,
}

impl Output {
    pub(crate) fn new(lines: Arc<dyn Lines>) -> Arc<Self> {
        Arc::new(Self {
            lines,
            rests: Mutex::default(),
        })
    }

    /// Where the lines go.
    pub(crate) fn lines(&self) -> &Arc<dyn Lines> {
        &self.lines
    }

    /// Hands on what was written without a final line feed.
    pub fn finish(&self) {
        let mut rests = self.lock();
        let Rests { stdout, stderr } = &mut *rests;
        for (stream, rest) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            if !rest.is_empty() {
                self.hand_on(stream, rest);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rests> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_on(&self, stream: Stream, rest: &mut Vec<u8>) {
        self.lines.line(stream, &String::from_utf8_lossy(rest));
        rest.clear();
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut rests = self.lock();
        let rest = match stream {
            Stream::Stdout => &mut rests.stdout,
            Stream::Stderr => &mut rests.stderr,
        };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(piece);
            if rest.last() == Some(&b'\n') {
                rest.pop();
                self.hand_on(stream, rest);
            } else if rest.len() >= LONGEST_LINE {
                self.hand_on(stream, rest);
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Bytes of one stream that are kept; a program that writes more is stopped.
const MOST_CAPTURED: usize = 64 << 20;

/// Keeps what a program writes.
#[derive(Clone, Debug)]
pub struct Captured {
    pub(crate) stdout: MemoryOutputPipe,
    pub(crate) stderr: MemoryOutputPipe,
}

impl Captured {
    /// Nothing yet.
    #[expect(clippy::new_without_default, reason = "nobody wants one by accident")]
    pub fn new() -> Self {
        Self {
            stdout: MemoryOutputPipe::new(MOST_CAPTURED),
            stderr: MemoryOutputPipe::new(MOST_CAPTURED),
        }
    }

    /// What was written to standard output and to standard error.
    pub fn contents(&self) -> (Bytes, Bytes) {
        (self.stdout.contents(), self.stderr.contents())
    }
}

/// One output stream as WASI wants it.
#[derive(Clone, Debug)]
pub(crate) struct GuestStream {
    output: Arc<Output>,
    stream: Stream,
}

impl GuestStream {
    pub(crate) fn new(output: &Arc<Output>, stream: Stream) -> Self {
        Self {
            output: output.clone(),
            stream,
        }
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.output.write(self.stream, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<(Stream, String)>>);

    impl Lines for Kept {
        fn line(&self, stream: Stream, text: &str) {
            self.0.lock().unwrap().push((stream, text.to_owned()));
        }

        fn entry(&self, _: &str, _: &str, _: &str) {}
    }

    fn written(pieces: &[(Stream, &[u8])]) -> Vec<(Stream, String)> {
        let kept = Arc::new(Kept::default());
        let output = Output::new(kept.clone());
        for (stream, bytes) in pieces {
            output.write(*stream, bytes);
        }
        drop(output);
        std::mem::take(&mut *kept.0.lock().unwrap())
    }

    #[test]
    fn pieces_become_whole_lines_and_the_streams_do_not_mix() {
        let lines = written(&[
            (Stream::Stdout, b"a"),
            (Stream::Stderr, b"x\ny"),
            (Stream::Stdout, b"b\nc"),
        ]);

        assert_eq!(
            lines,
            [
                (Stream::Stderr, "x".to_owned()),
                (Stream::Stdout, "ab".to_owned()),
                (Stream::Stdout, "c".to_owned()),
                (Stream::Stderr, "y".to_owned()),
            ]
        );
    }

    #[test]
    fn a_line_without_end_is_cut_rather_than_kept() {
        let lines = written(&[
            (Stream::Stdout, &vec![b'a'; 2 * LONGEST_LINE]),
            (Stream::Stdout, b"b"),
        ]);

        assert_eq!(
            lines.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(),
            [2 * LONGEST_LINE, 1]
        );
    }
}
