//! One statement on a connection: what it may be, how long it takes, how much it answers.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::ToSql;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Connection, Statement};

use super::guard::Guard;
use super::store::{Datum, Failure, Found, MOST_BYTES, MOST_ROWS, Outcome};

/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 1000;
/// How often one looks again whether other writers are done.
const MOMENT: Duration = Duration::from_micros(200);
/// What a value takes beside its bytes.
const VALUE: usize = 16;

/// When a statement must be done, and whether anybody still waits for it.
#[derive(Clone, Debug)]
pub(super) struct Until {
    deadline: Instant,
    abandoned: Arc<AtomicBool>,
}

/// Whoever waits for a statement; when this goes, the statement ends.
#[derive(Debug)]
pub(super) struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Until {
    pub(super) fn new(patience: Duration) -> (Self, Waiting) {
        let abandoned = Arc::new(AtomicBool::new(false));
        let until = Self {
            deadline: Instant::now() + patience,
            abandoned: abandoned.clone(),
        };
        (until, Waiting(abandoned))
    }

    fn over(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) || Instant::now() >= self.deadline
    }
}

thread_local! {
    /// Until when the statement of this thread may wait: SQLite calls back without telling for whom.
    static UNTIL: RefCell<Option<Until>> = const { RefCell::new(None) };
}

/// Called by SQLite while another connection has what this one needs.
fn wait_for_others(_: i32) -> bool {
    let over = UNTIL.with_borrow(|until| until.as_ref().is_none_or(Until::over));
    if !over {
        std::thread::sleep(MOMENT);
    }
    !over
}

/// Bounds the time of all that `job` does with a connection.
pub(super) fn timed<T>(
    connection: &Connection,
    until: Until,
    job: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    UNTIL.set(Some(until.clone()));
    connection.busy_handler(Some(wait_for_others))?;
    connection.progress_handler(STEPS, Some(move || until.over()))?;
    let result = job(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    UNTIL.set(None);
    result
}

impl ToSql for Datum {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The one statement of a text.
///
/// Not by rusqlite's own check for a second one, which goes one level deeper for each.
fn prepare<'c>(
    connection: &'c Connection,
    guard: &Guard,
    text: &str,
) -> Result<Statement<'c>, Failure> {
    // A function that is refused is an error like any other to SQLite.
    let refused = |failure: Failure| guard.refusal().map_or(failure, Failure::Refused);
    guard.refusal();
    let mut batch = Batch::new(connection, text);
    let first = batch.next().map_err(Failure::from).map_err(refused)?;
    let none = || Failure::Invalid(rusqlite::ffi::SQLITE_ERROR, "there is no statement".into());
    let statement = first.ok_or_else(none)?;
    match batch.next() {
        Ok(None) => Ok(statement),
        Ok(Some(_)) | Err(_) => Err(Failure::Refused("it is more than one statement".into())),
    }
}

fn value_of(value: ValueRef<'_>) -> Datum {
    match value {
        // What another program wrote need not be UTF-8.
        ValueRef::Text(bytes) => Datum::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Null => Datum::Null,
        ValueRef::Integer(number) => Datum::Integer(number),
        ValueRef::Real(number) => Datum::Real(number),
        ValueRef::Blob(bytes) => Datum::Blob(bytes.to_vec()),
    }
}

fn size_of(value: &Datum) -> usize {
    VALUE
        + match value {
            Datum::Text(text) => text.len(),
            Datum::Blob(bytes) => bytes.len(),
            Datum::Null | Datum::Integer(_) | Datum::Real(_) => 0,
        }
}

/// Runs a statement and keeps its rows.
pub(super) fn query(
    connection: &Connection,
    guard: &Guard,
    text: &str,
    parameters: &[Datum],
) -> Result<Found, Failure> {
    let mut statement = prepare(connection, guard, text)?;
    let columns: Vec<_> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let width = columns.len();
    let mut found = statement.query(rusqlite::params_from_iter(parameters))?;
    let (mut rows, mut bytes) = (Vec::new(), 0_usize);
    while let Some(row) = found.next()? {
        if rows.len() >= MOST_ROWS {
            return Err(Failure::TooLarge(format!(
                "the answer has more than {MOST_ROWS} rows"
            )));
        }
        let mut values = Vec::with_capacity(width);
        for index in 0..width {
            values.push(value_of(row.get_ref(index)?));
        }
        bytes += values.iter().map(size_of).sum::<usize>();
        if bytes > MOST_BYTES {
            return Err(Failure::TooLarge(format!(
                "the answer has more than {MOST_BYTES} bytes"
            )));
        }
        rows.push(values);
    }
    Ok(Found { columns, rows })
}

/// Runs a statement for what it does; rows that it gives are not kept.
pub(super) fn execute(
    connection: &Connection,
    guard: &Guard,
    text: &str,
    parameters: &[Datum],
) -> Result<Outcome, Failure> {
    let before = connection.total_changes();
    let mut statement = prepare(connection, guard, text)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    while rows.next()?.is_some() {}
    drop(rows);
    let changed = connection.total_changes() != before;
    Ok(Outcome {
        affected: if changed { connection.changes() } else { 0 },
        last_rowid: connection.last_insert_rowid(),
    })
}
