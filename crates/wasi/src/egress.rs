//! Where the outgoing requests of a component go.

use std::pin::Pin;
use std::time::Duration;

use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// A response from outside, at some time.
pub type Sending =
    Pin<Box<dyn Future<Output = Result<http::Response<WasiBody>, HttpError>> + Send>>;

/// How long a guest is ready to wait; `None` leaves it to the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// For the connection.
    pub connect: Option<Duration>,
    /// For the head of the response.
    pub first_byte: Option<Duration>,
    /// For each next piece of its body.
    pub between_bytes: Option<Duration>,
}

/// The client of one component, shared by its instances.
pub trait Egress: Send + Sync + std::fmt::Debug {
    /// Sends a request to the outside, or refuses to. It is the so-manieth, from 1, of the call that the instance answers.
    fn send(&self, request: http::Request<WasiBody>, patience: Patience, number: u32) -> Sending;
}
