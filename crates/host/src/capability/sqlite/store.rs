//! What a database is, wherever it is kept: it understands the SQL of SQLite.

use std::fmt;
use std::time::Duration;

/// How long a call may take, waiting for other writers included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Rows of one answer.
pub(crate) const MOST_ROWS: usize = 10_000;
/// Bytes of one answer.
pub(crate) const MOST_BYTES: usize = 16 << 20;

/// A value of a row, or of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// The rows that a statement gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Datum>>,
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) affected: u64,
    pub(crate) last_rowid: i64,
}

/// Why a statement, or a connection, failed. Codes are SQLite's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// No statement may do this.
    Refused(String),
    /// It is not understood.
    Invalid(i32, String),
    /// A constraint does not allow it.
    Constraint(i32, String),
    /// Others had it for too long.
    Busy,
    TimedOut,
    TooLarge(String),
    /// The database has as many bytes as it may have.
    Full,
    /// What a guest may know.
    Other(String),
    /// What only the log may say: paths, addresses.
    Fault(String),
}

/// A guest's connection to a database.
///
/// A statement is done as a whole or not at all; so is a transaction, of which nobody else sees anything before it is committed. What was
/// committed stays when the host ends in whatever way. A text holds one statement, which reaches nothing but its database. A statement
/// ends with [`Failure::TimedOut`] after [`PATIENCE`], and soon when nobody waits for it any more; an answer has at most [`MOST_ROWS`]
/// and [`MOST_BYTES`]. When a connection goes, its transaction is rolled back. What `conformance` tests, every backend does.
#[wasmtime_wasi::async_trait]
pub(crate) trait Session: Send + Sync + fmt::Debug {
    /// Runs a statement and returns its rows; of this transaction, if one is named.
    async fn query(
        &self,
        transaction: Option<u64>,
        text: String,
        parameters: Vec<Datum>,
    ) -> Result<Found, Failure>;

    /// Runs a statement for what it does.
    async fn execute(
        &self,
        transaction: Option<u64>,
        text: String,
        parameters: Vec<Datum>,
    ) -> Result<Outcome, Failure>;

    /// Rows that the last statement changed, and the rowid of the last row that was inserted.
    async fn last(&self) -> Result<Outcome, Failure>;

    /// Begins a transaction that may write, and returns its number. There is one at a time.
    async fn begin(&self) -> Result<u64, Failure>;

    /// Commits a transaction or rolls it back. It has ended then, whatever comes of that.
    async fn end(&self, transaction: u64, commit: bool) -> Result<(), Failure>;
}
