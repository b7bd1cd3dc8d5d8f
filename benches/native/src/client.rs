//! One connection: a request, its whole answer, and whether that is the one that is wanted. Every answer is read and compared.
//!
//! It speaks HTTP by itself and not through a library, so that as little of the processors as can be goes to the client: they are the
//! server's.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::{Answer, read};

/// More than any server here says at once.
const BUFFER: usize = 16 * 1024;

/// A connection that is kept as long as the server keeps it.
pub struct Client {
    port: u16,
    request: Vec<u8>,
    stream: Option<TcpStream>,
    buffer: Box<[u8]>,
}

impl Client {
    /// Who asks at a port of the loopback; nothing is connected yet.
    #[must_use]
    pub fn new(port: u16) -> Self {
        let request = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").into_bytes();
        Self {
            port,
            request,
            stream: None,
            buffer: vec![0; BUFFER].into_boxed_slice(),
        }
    }

    /// Connects, unless that is done.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends a request and reads its answer; whether that was the greeting. A connection that breaks is no greeting.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub async fn ask(&mut self) -> io::Result<bool> {
        self.connect().await?;
        let Some(stream) = self.stream.as_mut() else {
            return Ok(false);
        };
        let answer = exchange(stream, &self.request, &mut self.buffer).await;
        let (is_good, keeps) = match answer {
            Ok(Answer::Whole { is_good, closes }) => (is_good, !closes),
            Ok(Answer::Partial | Answer::Broken) | Err(_) => (false, false),
        };
        if !keeps {
            self.stream = None;
        }
        Ok(is_good)
    }
}

/// Returns `Partial` when the connection ended before the answer did, or the answer is longer than any that is wanted.
async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> io::Result<Answer> {
    stream.write_all(request).await?;
    let mut length = 0;
    loop {
        let room = buffer.get_mut(length..).unwrap_or_default();
        let count = stream.read(room).await?;
        length += count;
        let answer = read(buffer.get(..length).unwrap_or_default());
        if count == 0 || answer != Answer::Partial {
            return Ok(answer);
        }
    }
}
