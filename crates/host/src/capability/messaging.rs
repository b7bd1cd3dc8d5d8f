//! `wisp:messaging`: messages that are published, and kept in the order in which they came.
//!
//! The interface is here, with the grants and the bounds; what a subject is says [`subject`], what becomes of messages [`store`].
//! [`log`] keeps them in SQLite, and [`lanes`] in a lattice, where components take them, too.

#[cfg(test)]
mod conformance;
mod lanes;
mod log;
#[cfg(test)]
mod memory;
mod store;
mod subject;
#[cfg(test)]
mod tests;

use wasmtime::component::{HasSelf, Linker};
use wisp_wasi::State;

use super::{Grantee, quoted};
#[cfg(test)]
pub(crate) use lanes::published_in;
pub(crate) use lanes::{Lanes, LatticeMessages, SILENCE, consumers, read};
pub(crate) use log::MessageLog;
#[cfg(test)]
pub(crate) use log::published_below;
#[cfg(test)]
pub(crate) use memory::{Kept, MemoryMessages};
pub(crate) use store::{Message, Messages};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/capabilities",
        world: "wisp:capabilities/messaging",
        imports: { default: async | trappable },
    });
}
use bindings::wisp::messaging::producer::{self, Error};
use bindings::wisp::messaging::types;

const INTERFACE: &str = "wisp:messaging/producer";
/// Bytes of a message, its headers included: what NATS takes unless it is told otherwise.
const LARGEST: usize = 1 << 20;
/// Headers of a message.
const MOST_HEADERS: usize = 100;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    producer::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// Headers travel as lines in a lattice, so they must be such that they can.
fn check(message: &types::Message) -> Result<(), Error> {
    let name_fits = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        !name.is_empty() && name.bytes().all(fits)
    };
    if message.headers.iter().any(|(name, _)| lanes::is_ours(name)) {
        let problem = "`Nats-...`, `Wisp-Component`, `Wisp-Order` and `Content-Type` are no headers of a message's own";
        return Err(Error::Other(problem.into()));
    }
    let value_fits = |value: &str| !value.contains(|letter: char| letter.is_ascii_control());
    let headers = &message.headers;
    if headers.len() > MOST_HEADERS {
        return Err(Error::Other(format!(
            "a message has at most {MOST_HEADERS} headers"
        )));
    }
    let kind = message.content_type.iter().map(String::as_str);
    if !headers
        .iter()
        .all(|(name, value)| name_fits(name) && value_fits(value))
        || !kind.clone().all(value_fits)
    {
        let problem = "a header has a name of visible characters without `:`, and a value without control characters";
        return Err(Error::Other(problem.into()));
    }
    let headers: usize = headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let kind: usize = kind.map(str::len).sum();
    if message.body.len() + headers + kind > LARGEST {
        return Err(Error::TooLarge);
    }
    Ok(())
}

impl types::Host for State {}

impl producer::Host for State {
    async fn publish(
        &mut self,
        subject: String,
        message: types::Message,
    ) -> wasmtime::Result<Result<(), Error>> {
        if !subject::is_subject(&subject) {
            return Ok(Err(Error::InvalidSubject));
        }
        let Some(grantee) = Grantee::of(self) else {
            return Ok(Err(Error::AccessDenied));
        };
        let patterns = &grantee.grants.messaging;
        if !patterns
            .iter()
            .any(|pattern| subject::matches(pattern, &subject))
        {
            let grant = format!("messaging = [{}]", quoted(&subject));
            grantee.deny(INTERFACE, &subject, &grant);
            return Ok(Err(Error::AccessDenied));
        }
        if let Err(error) = check(&message) {
            return Ok(Err(error));
        }
        let types::Message {
            body,
            content_type,
            headers,
        } = message;
        let message = Message {
            subject,
            content_type,
            headers,
            body,
        };
        let kept = grantee.stores.messages().publish(message).await;
        Ok(kept.map_err(|error| Error::Unavailable(grantee.told("the messages", error))))
    }
}
