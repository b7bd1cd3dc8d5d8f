//! Guests inside a Python program: values, calls, instances.

mod attach;
mod call;
mod component;
mod failure;
mod ground;
mod handle;
mod imports;
mod instance;
mod lift;
mod lower;
mod module;
mod object;
mod plain;
mod plan;
mod question;
mod stream;

pub(crate) use attach::ending;
pub(crate) use call::PyCall;
pub(crate) use component::{PyComponent, PyEmbedding, PyWorld};
pub(crate) use ground::forked;
pub(crate) use handle::PyHandle;
pub(crate) use instance::{PyFunction, PyInstance};
pub(crate) use module::{PyModule, PyModuleInstance};
pub(crate) use stream::{PyChunks, PyFeed};
