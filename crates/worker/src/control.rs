//! The control channel: frames of JSON between the supervisor and this worker.
//!
//! A frame is a 32-bit big-endian length and that many bytes of UTF-8 JSON, in both directions.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use wisp_host::lattice::{IdentitySettings, TableSettings};
use wisp_host::trigger::{Ran, Run};
use wisp_host::{HostError, Start};

/// A locked app with thousands of components fits; a length that is garbage does not.
const LONGEST_FRAME: usize = 64 << 20;

/// What the supervisor says: an object with one key. A key inside would be simpler to write, but then serde keeps a copy of all
/// that is told, which is many megabytes for thousands of components.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Order {
    /// Load these apps and serve them; said once, first.
    Start(Box<Start>),
    /// Finish what was accepted, then end.
    Drain {
        /// Milliseconds after which what is left is dropped.
        timeout_ms: u64,
    },
    /// Report the counters.
    Metrics {},
    /// Call a component that runs by the clock, and report how that ended.
    Run(Run),
    /// Send requests for other apps to the hosts of this table.
    Table(TableSettings),
    /// Show other hosts this certificate on new connections.
    Identity(IdentitySettings),
}

/// What this worker says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Report {
    /// The apps are loaded and connections are accepted.
    Ready {
        pid: u32,
        /// Microseconds from the start of the process.
        startup_us: u64,
    },
    /// The apps cannot be served; this worker ends.
    Failed {
        kind: &'static str,
        message: String,
        component: Option<String>,
        digest: Option<String>,
    },
    /// The counters: when asked, and once more at the end.
    Metrics(serde_json::Value),
    /// A run has ended.
    Ran(Ran),
    /// No new connection is taken any more; what was accepted goes on.
    Draining,
    /// Everything that was accepted has ended; this worker ends.
    Drained,
}

impl From<&HostError> for Report {
    fn from(error: &HostError) -> Self {
        Self::Failed {
            kind: error.kind(),
            message: error.to_string(),
            component: error.component().map(Into::into),
            digest: error.digest().map(Into::into),
        }
    }
}

/// Reads orders.
#[derive(Debug)]
pub(crate) struct Orders {
    stream: OwnedReadHalf,
    /// What was read and not yet given out.
    read: Vec<u8>,
}

/// Writes reports.
#[derive(Debug)]
pub(crate) struct Reports(OwnedWriteHalf);

/// Both directions of the channel.
pub(crate) fn split(stream: UnixStream) -> (Orders, Reports) {
    let (read, write) = stream.into_split();
    let orders = Orders {
        stream: read,
        read: Vec::new(),
    };
    (orders, Reports(write))
}

impl Orders {
    /// The next order; `None` when the supervisor is gone. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Order>> {
        loop {
            if let Some((head, rest)) = self.read.split_first_chunk() {
                let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
                if length > LONGEST_FRAME {
                    let message = format!("a control frame of {length} bytes");
                    return Err(io::Error::other(message));
                }
                if let Some(frame) = rest.get(..length) {
                    let order = serde_json::from_slice(frame)?;
                    self.read.drain(..head.len() + length);
                    if self.read.is_empty() {
                        // The first order may have been large, and the others are small.
                        self.read = Vec::new();
                    }
                    return Ok(Some(order));
                }
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return match self.read.as_slice() {
                    [] => Ok(None),
                    _ => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }
}

impl Reports {
    /// Sends one report.
    pub(crate) async fn send(&mut self, report: &Report) -> io::Result<()> {
        let body = serde_json::to_vec(report)?;
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(&body);
        self.0.write_all(&frame).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_of_which_half_was_read_is_not_lost_when_something_else_comes_first() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut orders, _reports) = split(ours);
        let (_read, mut supervisor) = theirs.into_split();
        let body = br#"{"drain":{"timeout_ms":7}}"#;
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        let (half, rest) = frame.split_at(10);

        supervisor.write_all(half).await.unwrap();
        tokio::select! {
            biased;
            order = orders.next() => panic!("half of an order is {order:?}"),
            () = std::future::ready(()) => {}
        }
        supervisor.write_all(rest).await.unwrap();
        supervisor.write_all(&frame).await.unwrap();

        for _ in 0..2 {
            let order = orders.next().await.unwrap();
            assert!(matches!(order, Some(Order::Drain { timeout_ms: 7 })));
        }
        drop(supervisor);
        assert!(orders.next().await.unwrap().is_none());
    }
}
