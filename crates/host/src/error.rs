//! Every way in which the core fails to load or to serve an app.

use thiserror::Error;

/// What went wrong while an app was loaded or served; an invocation's own failures are [`crate::pool::InvokeError`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// An AOT artifact is absent, torn, foreign, or was made for another engine.
    #[error("the artifact of {digest} cannot be used: {message}")]
    Artifact {
        /// Digest of the component.
        digest: String,
        /// What is wrong with it.
        message: String,
    },
    /// A component cannot be linked or does not export what its trigger needs.
    #[error("component `{component}` cannot be served: {message}")]
    Component {
        /// Name in the manifest.
        component: String,
        /// What is wrong with it.
        message: String,
    },
    /// A component's imports are not all given, or not of the type that it wants.
    #[error("{0}")]
    Link(String),
    /// Bytes that are not a component, or one that does not compile.
    #[error("not compiled: {0}")]
    Compile(String),
    /// Two routes are equal or one is malformed.
    #[error("routes: {0}")]
    Routes(String),
    /// Components are linked in a circle, or to one that is not there.
    #[error("links: {0}")]
    Links(String),
    /// Certificate or key cannot be used.
    #[error("tls: {0}")]
    Tls(String),
    /// The listening socket cannot be used.
    #[error("listener: {0}")]
    Listener(#[from] std::io::Error),
    /// The engine cannot be made on this machine.
    #[error("engine: {0}")]
    Engine(String),
    /// A folder for a command cannot be opened.
    #[error("the folder {} cannot be opened: {message}", path.display())]
    Directory {
        /// The folder on the host.
        path: std::path::PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A command trapped; the message has the guest's backtrace.
    #[error("{0}")]
    Guest(String),
    /// A message of the control plane is not of the expected form.
    #[error("protocol: {0}")]
    Protocol(#[from] serde_json::Error),
}

impl HostError {
    /// The word for this kind in messages to the control plane.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Artifact { .. } => "artifact",
            Self::Component { .. } | Self::Compile(_) => "component",
            Self::Link(_) => "link",
            Self::Routes(_) => "routes",
            Self::Links(_) => "links",
            Self::Tls(_) => "tls",
            Self::Listener(_) => "listener",
            Self::Engine(_) => "internal",
            Self::Directory { .. } => "directory",
            Self::Guest(_) => "trap",
            Self::Protocol(_) => "protocol",
        }
    }

    /// The component that is at fault, where one is.
    pub fn component(&self) -> Option<&str> {
        match self {
            Self::Component { component, .. } => Some(component),
            _ => None,
        }
    }

    /// The digest whose artifact is at fault, where one is.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Self::Artifact { digest, .. } => Some(digest),
            _ => None,
        }
    }
}
