//! Calls from host to host: links whose other component may be on another machine.
//!
//! Theory of operation. A call is one HTTP/2 request. Its body is frames ([`frame`]): a head that says what is called, by
//! whom and until when ([`envelope`]), then the arguments as `value::encode` writes them. The answer is an outcome, then
//! the result. Streams go both ways beside that ([`streams`]): each piece is a frame with the number of its stream, and no
//! piece is sent before the one before it was taken, so that a slow reader slows its writer across hosts too.
//!
//! [`caller`] is the end of the component that calls: it answers here what runs here, and else asks the hosts that run the
//! app, one after another, for as long as it is certain that nothing ran. [`callee`] is the other end: it looks up what
//! the apps of this host offer ([`directory`]), and calls it as a bridged link does. What became of a call is one of four
//! things, and never guessed: [`CallError`].
//!
//! Nothing that comes from another host is believed but the name in its certificate: all of it is bounded, and what is
//! malformed is an error of the call.

mod attempt;
mod callee;
mod caller;
mod conversation;
mod directory;
mod envelope;
mod error;
mod frame;
mod streams;

use futures::future::BoxFuture;
use wasmtime_wasi_http::WasiBody;

pub use callee::Desk;
pub(crate) use caller::{Elsewhere, Origin};
pub(crate) use directory::Directory;
pub use error::CallError;

/// What the body of a call is.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.wisp.call";
/// Streams and futures that the arguments or the result of one call may have.
const MOST_STREAMS: usize = 64;

/// Why a request to another host got no answer.
#[derive(Debug)]
pub struct Unanswered {
    /// Whether the other host may have done something about it.
    pub may_have_run: bool,
    /// What went wrong.
    pub reason: String,
}

/// What comes back from another host.
pub type Carried = BoxFuture<'static, Result<http::Response<WasiBody>, Unanswered>>;

/// Takes calls to other hosts; implemented by the lattice.
pub trait Carrier: Send + Sync + std::fmt::Debug {
    /// Another host that runs an app, without those that were tried; asked before each attempt at a call.
    fn next(&self, app: &str, tried: &[String]) -> Option<String>;

    /// Whether any other host runs it.
    fn is_elsewhere(&self, app: &str) -> bool;

    /// Called for each call of one of them. Dropping the future, or the body, ends the call.
    fn send(&self, app: &str, host: &str, request: http::Request<WasiBody>) -> Carried;
}
