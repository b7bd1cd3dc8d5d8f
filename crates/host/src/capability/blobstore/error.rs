//! What goes wrong with blobs; a guest is told as text, as its interface has it.

use std::io;

use thiserror::Error;

/// Why something cannot be done. Nothing of it names a path of the host.
#[derive(Debug, Error)]
pub(super) enum BlobError {
    #[error("access denied: the container `{0}` is not granted")]
    Denied(String),
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
    #[error("the value has {0} bytes, too many to read at once: read it as a stream")]
    ReadAsStream(u64),
    #[error("the value was written to a container before")]
    WrittenBefore,
    #[error("the value belongs to no container: write-data comes before finish")]
    NowhereToGo,
    #[error("the object is no file")]
    NoFile,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for BlobError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}
