//! What a guest wanted and was not granted.

/// One thing that a guest was refused.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'a> {
    /// The interface that it called: `wasi:http/outgoing-handler`.
    pub import: &'a str,
    /// What it wanted of it: `https://api.example.com`.
    pub target: &'a str,
    /// What was lacking in `[component.NAME.grants]`, as TOML: `http = ["https://api.example.com"]`; empty where
    /// nothing can be granted.
    pub grant: &'a str,
}

/// Takes the denials of one component.
pub trait Denials: Send + Sync + std::fmt::Debug {
    /// Called each time that something is refused; must not block.
    fn deny(&self, denial: Denial<'_>);
}
