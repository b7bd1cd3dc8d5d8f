//! The limits that a guest can run into.

/// One limit of a component.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Limit {
    /// Linear memory of an instance.
    Memory,
    /// Elements of the tables of an instance.
    Table,
    /// Resources of an instance.
    Handles,
    /// Processor time of a request.
    Cpu,
    /// Body of a request.
    Body,
    /// Head of a request.
    Headers,
    /// Body of a response.
    Response,
    /// Log lines in a second.
    Log,
    /// Open files of an instance.
    Files,
    /// Size of one file.
    File,
    /// Bytes of a folder.
    Store,
}

impl Limit {
    /// All of them, in the order of their values.
    pub const ALL: [Self; 11] = [
        Self::Memory,
        Self::Table,
        Self::Handles,
        Self::Cpu,
        Self::Body,
        Self::Headers,
        Self::Response,
        Self::Log,
        Self::Files,
        Self::File,
        Self::Store,
    ];

    /// Its key in `[component.NAME.limits]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Handles => "handles",
            Self::Cpu => "cpu",
            Self::Body => "body",
            Self::Headers => "headers",
            Self::Response => "response",
            Self::Log => "log",
            Self::Files => "files",
            Self::File => "file",
            Self::Store => "store",
        }
    }

    /// The name of its counter.
    pub fn counter(self) -> &'static str {
        match self {
            Self::Memory => "memory_exceeded",
            Self::Table => "table_exceeded",
            Self::Handles => "handles_exceeded",
            Self::Cpu => "cpu_exceeded",
            Self::Body => "body_exceeded",
            Self::Headers => "headers_exceeded",
            Self::Response => "response_exceeded",
            Self::Log => "log_dropped",
            Self::Files => "files_exceeded",
            Self::File => "file_exceeded",
            Self::Store => "store_exceeded",
        }
    }
}

/// Told when a guest of one component runs into a limit.
pub trait Meter: Send + Sync + std::fmt::Debug {
    /// Called each time; must not block.
    fn exceeded(&self, limit: Limit);
    /// Called when something was refused that no grant would allow, with a sentence that says what; must not block.
    fn refused(&self, what: &str);
}
