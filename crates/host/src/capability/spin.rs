//! The interfaces that guests of Spin import, served from the same stores under the same grants.
//!
//! Spin has had three families of them: the unversioned ones of its version 1 ([`first`]), `fermyon:spin@2.0.0` ([`second`]), and
//! `spin:*`, most of whose functions are asynchronous ([`third`]). What is common to them is [`store`], [`database`] and
//! [`variables`]; what this host has no client for is [`absent`].

mod absent;
mod database;
mod first;
mod second;
mod store;
mod third;
mod variables;

use wasmtime::component::Linker;
use wisp_wasi::State;

pub(super) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    first::add_to_linker(linker)?;
    second::add_to_linker(linker)?;
    if concurrent {
        third::add_to_linker(linker)?;
    } else {
        third::add_synchronous(linker)?;
    }
    absent::add_to_linker(linker, concurrent)
}
