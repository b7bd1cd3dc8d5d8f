//! Where a component may send something: names, addresses, and which of them a grant covers.
//!
//! A name is granted as a name, an address as an address. What a name leads to is looked up by the host, every address of it is
//! checked, and the connection goes to an address that was checked: nothing is looked up a second time, so whoever owns
//! the name cannot lead the second look elsewhere. An address that does not belong to everybody (this machine, private networks, the
//! services that clouds put at link-local addresses) is used only when a grant says that address, or says `private` of
//! the name.

mod address;
mod place;
mod resolver;
mod target;

pub(crate) use address::is_public;
pub(crate) use place::Place;
pub use resolver::{Resolver, Resolving, SystemResolver};
pub(crate) use target::{Refused, Targets, lead};
