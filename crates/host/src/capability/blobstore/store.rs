//! What containers of blobs are, wherever they are kept.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

/// Where an object is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) container: Arc<str>,
    pub(crate) object: String,
}

impl Place {
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.container, &self.object)
    }
}

/// What is known of an object or a container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Seconds since 1970.
    pub(crate) created: u64,
    pub(crate) size: u64,
}

/// Which bytes of an object, the last one included. Those beyond its end are not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Why something cannot be done.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum BlobError {
    #[error("there is no container `{0}`")]
    NoContainer(String),
    #[error("there is a container `{0}` already")]
    ContainerExists(String),
    #[error("there is no object `{0}`")]
    NoObject(String),
    #[error("a name must not be empty")]
    NoName,
    #[error("the name is too long: as a file's name it may have {0} bytes")]
    LongName(usize),
    #[error("an object may have {0} bytes (limits.file)")]
    TooLarge(u64),
    #[error("the store is full: it may have {0} bytes (limits.store)")]
    Full(u64),
    #[error("{0} blobs are open, as many as may be")]
    TooManyOpen(u32),
    #[error("the object is no file")]
    NoFile,
    #[error("{0}")]
    Refused(String),
    /// What only the log may say: paths, addresses.
    #[error("{0}")]
    Failed(String),
}

/// The containers of an app, as one component uses them.
///
/// Every call is atomic. An object is the old one or the new one, whole, for whoever looks, and what a call has answered stays when the
/// host ends in whatever way. What a container holds is bounded by the component that writes into it, and so is each object. What
/// `conformance` tests, every backend does.
#[wasmtime_wasi::async_trait]
pub(crate) trait Blobs: Send + Sync + fmt::Debug {
    /// Makes a container.
    async fn create(&self, container: Arc<str>) -> Result<(), BlobError>;

    /// What is known of a container.
    async fn container(&self, container: Arc<str>) -> Result<Facts, BlobError>;

    /// Deletes all objects of a container.
    async fn clear(&self, container: Arc<str>) -> Result<(), BlobError>;

    /// Deletes a container with all that is in it, if it is there.
    async fn remove(&self, container: Arc<str>) -> Result<(), BlobError>;

    /// The names of a container's objects, in no order.
    async fn names(&self, container: Arc<str>) -> Result<Box<dyn BlobNames>, BlobError>;

    /// What is known of an object.
    async fn object(&self, place: Place) -> Result<Facts, BlobError>;

    /// Deletes objects, those that are there.
    async fn delete(&self, container: Arc<str>, objects: Vec<String>) -> Result<(), BlobError>;

    /// Copies an object over another, or to where none is.
    async fn copy(&self, from: Place, to: Place) -> Result<(), BlobError>;

    /// Moves an object over another, or to where none is.
    async fn rename(&self, from: Place, to: Place) -> Result<(), BlobError>;

    /// Refuses a place that cannot have an object, so that a guest is told before it sends one.
    async fn check(&self, place: Place) -> Result<(), BlobError>;

    /// Opens an object. What is read of it stays what it was, also when it is replaced or deleted.
    async fn read(&self, place: Place, span: Span) -> Result<Box<dyn BlobReader>, BlobError>;

    /// Begins an object, which nobody sees before it is finished.
    async fn write(&self) -> Result<Box<dyn BlobWriter>, BlobError>;
}

/// The names of a container's objects, some at a time.
#[wasmtime_wasi::async_trait]
pub(crate) trait BlobNames: Send + fmt::Debug {
    /// The next ones. When they are fewer than these, there are no more.
    async fn next(&mut self, most: usize) -> Result<Vec<String>, BlobError>;
}

/// A part of an object on its way to a guest.
#[wasmtime_wasi::async_trait]
pub(crate) trait BlobReader: Send + fmt::Debug {
    /// Bytes that are still to be read.
    fn left(&self) -> u64;

    /// The next bytes: at most so many, and some if any are left. Called again when what it gave was taken.
    async fn next(&mut self, most: usize) -> Result<Bytes, BlobError>;
}

/// An object on its way from a guest. When it goes unfinished, nothing is left of it.
#[wasmtime_wasi::async_trait]
pub(crate) trait BlobWriter: Send + fmt::Debug {
    /// Takes more bytes. Called again when it has taken them; not after an error.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;

    /// Puts what was written in its place.
    async fn finish(self: Box<Self>, place: Place) -> Result<(), BlobError>;
}
