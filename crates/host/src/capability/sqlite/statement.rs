//! One statement on a connection: what it may be, how long it takes, how much it answers.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Batch, Connection, Statement};

use super::failure::Failure;
use super::guard::Guard;

/// How long a statement may take, waiting for other writers included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 1000;
/// How often one looks again whether other writers are done.
const MOMENT: Duration = Duration::from_micros(200);
/// Rows of one answer.
const MOST_ROWS: usize = 10_000;
/// Bytes of one answer.
const MOST_BYTES: usize = 16 << 20;
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

/// The rows that a statement gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) affected: u64,
    pub(crate) last_rowid: i64,
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

fn value_of(value: ValueRef<'_>) -> Value {
    match value {
        // What another program wrote need not be UTF-8.
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

fn size_of(value: &Value) -> usize {
    VALUE
        + match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            Value::Null | Value::Integer(_) | Value::Real(_) => 0,
        }
}

/// Runs a statement and keeps its rows.
pub(super) fn query(
    connection: &Connection,
    guard: &Guard,
    text: &str,
    parameters: &[Value],
) -> Result<Answer, Failure> {
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
    Ok(Answer { columns, rows })
}

/// Runs a statement for what it does; rows that it gives are not kept.
pub(super) fn execute(
    connection: &Connection,
    guard: &Guard,
    text: &str,
    parameters: &[Value],
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
