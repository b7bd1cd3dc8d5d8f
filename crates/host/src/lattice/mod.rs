//! Hosts of a lattice talking to each other, straight and without NATS.
//!
//! Each host has a certificate of its lattice's authority ([`identity`]), one listener for other hosts that its workers share
//! ([`listener`]), and pooled connections to those that it talks to ([`peer`]). All of them speak HTTP/2 over mutual TLS. What a request is, its
//! sender says in the header [`KIND`]: only a host can say it, because headers that begin with `wisp-` are taken from whatever comes from
//! outside. Who calls is what the certificate says, never what the request says.
//!
//! On that stands the forwarding of requests. A [`table`] says which hosts run which apps, [`choice`] picks one of them, and the
//! [`gateway`] sends the request there, and to another one where that is safe ([`replay`], [`hop`]). The listener for other hosts has no gateway,
//! so what came from another host cannot be sent on. Calls of components ([`calls`]) go the same way.

pub(crate) mod calls;
mod choice;
mod claim;
pub(crate) mod gateway;
pub(crate) mod hop;
pub mod identity;
pub mod listener;
pub mod peer;
mod replay;
pub(crate) mod table;

use http::header::{HeaderName, HeaderValue};

pub use gateway::{Gateway, LatticeSettings};
pub use identity::{Identities, Identity, IdentitySettings};
pub use listener::{Bounds, Caller, Handle, Listener};
pub use peer::{Fate, PeerAddress, Peers, Received, Unanswered};
pub use table::{AppSettings, RouteSettings, TableSettings};

/// The header that says what a request between hosts is.
pub const KIND: HeaderName = HeaderName::from_static("wisp-kind");

/// What a request between hosts is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// A request of a client that another host has received.
    Request,
    /// A call of a component of another host.
    Call,
}

impl Kind {
    /// As the header says it.
    pub fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Request => "request",
            Self::Call => "call",
        })
    }

    /// Reads the header.
    pub fn read(value: &HeaderValue) -> Option<Self> {
        [Self::Request, Self::Call]
            .into_iter()
            .find(|kind| kind.value() == value)
    }
}
