//! What a guest wanted and was not granted.

/// One thing that a guest was refused.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'a> {
    /// The interface that it called: `wasi:http/outgoing-handler`.
    pub import: &'a str,
    /// What it wanted of it: `https://api.example.com`.
    pub target: &'a str,
    /// What was lacking in the manifest, as TOML: `http = ["https://api.example.com"]`; empty where nothing can be granted.
    pub grant: &'a str,
    /// Where that belongs.
    pub table: Table,
}

/// A table of `[component.NAME]` in the manifest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Table {
    /// What the component may use of the world.
    Grants,
    /// What other components of its app answer.
    Link,
}

impl Table {
    /// Its key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Grants => "grants",
            Self::Link => "link",
        }
    }
}

/// Takes the denials of one component.
pub trait Denials: Send + Sync + std::fmt::Debug {
    /// Called each time that something is refused; must not block.
    fn deny(&self, denial: Denial<'_>);
}
