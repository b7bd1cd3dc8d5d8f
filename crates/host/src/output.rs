//! What a guest writes to its standard output and error becomes log lines with the request that caused them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::telemetry::{Log, RequestId};

/// Bytes that a guest may write in one call.
const PERMIT: usize = 64 * 1024;
/// A line that grows past this is cut into several, so that a guest cannot fill memory without a line feed.
const LONGEST_LINE: usize = 16 * 1024;

/// Which stream a guest wrote to.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, Default)]
struct Buffers {
    request: Option<RequestId>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Both output streams of one instance.
#[derive(Debug)]
pub(crate) struct Output {
    log: Log,
    app: Arc<str>,
    component: Arc<str>,
    buffers: Mutex<Buffers>,
}

impl Output {
    pub(crate) fn new(log: Log, app: Arc<str>, component: Arc<str>) -> Arc<Self> {
        Arc::new(Self { log, app, component, buffers: Mutex::default() })
    }

    /// From now on lines belong to this request; `None` when several are in progress at once.
    pub(crate) fn begin(&self, request: Option<RequestId>) {
        self.finish();
        self.lock().request = request;
    }

    /// Logs what was written without a final line feed.
    pub(crate) fn finish(&self) {
        let mut buffers = self.lock();
        let Buffers { request, stdout, stderr } = &mut *buffers;
        self.log_rest(*request, Stream::Stdout, stdout);
        self.log_rest(*request, Stream::Stderr, stderr);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_rest(&self, request: Option<RequestId>, stream: Stream, rest: &mut Vec<u8>) {
        if !rest.is_empty() {
            self.log_line(request, stream, rest);
            rest.clear();
        }
    }

    fn log_line(&self, request: Option<RequestId>, stream: Stream, line: &[u8]) {
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        self.log.guest(&self.app, &self.component, request, name, &String::from_utf8_lossy(line));
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut buffers = self.lock();
        let request = buffers.request;
        let rest = match stream {
            Stream::Stdout => &mut buffers.stdout,
            Stream::Stderr => &mut buffers.stderr,
        };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(piece);
            if rest.last() == Some(&b'\n') {
                rest.pop();
                self.log_line(request, stream, rest);
                rest.clear();
            } else if rest.len() >= LONGEST_LINE {
                self.log_line(request, stream, rest);
                rest.clear();
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.finish();
    }
}

/// One output stream as WASI wants it.
#[derive(Clone, Debug)]
pub(crate) struct GuestStream {
    output: Arc<Output>,
    stream: Stream,
}

impl GuestStream {
    pub(crate) fn stdout(output: &Arc<Output>) -> Self {
        Self { output: output.clone(), stream: Stream::Stdout }
    }

    pub(crate) fn stderr(output: &Arc<Output>) -> Self {
        Self { output: output.clone(), stream: Stream::Stderr }
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
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
