//! Where published messages go, whatever keeps them.

use std::fmt;

use crate::capability::stores::StoreError;

/// A message that a component publishes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) content_type: Option<String>,
    /// Names and values, in their order; a name may come more than once.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The messages of an app, as one component publishes them.
///
/// Messages of one component keep the order in which they were acknowledged. Subject, headers and size were looked at before. What
/// `conformance` tests, every backend does.
#[wasmtime_wasi::async_trait]
pub(crate) trait Messages: Send + Sync + fmt::Debug {
    /// Keeps a message, and returns when nothing can take it back. When there is no room, the oldest go; only one that could never fit
    /// is refused for that.
    async fn publish(&self, message: Message) -> Result<(), StoreError>;
}
