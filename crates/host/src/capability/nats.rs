//! The worker's one connection to the NATS of its lattice, for stores and messages; what goes over it is [`stream`]'s.
//!
//! It is made when something needs it first, so a host whose apps keep nothing in the lattice opens none, and then it is kept: the client
//! connects again by itself, for as long as the worker lives. While NATS is away, whoever asks waits for a while and is told so.

mod connection;
mod message;
mod pull;
#[cfg(test)]
pub(crate) mod server;
mod stream;
pub(crate) mod word;

pub(crate) use connection::{Lost, Nats};
pub(crate) use message::{Stored, headers};
pub(crate) use pull::{Delivered, Pull};
pub(crate) use stream::{Failure, Stream, StreamKind};
