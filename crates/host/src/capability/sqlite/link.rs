//! A guest's connection to a database.
//!
//! Each has a connection of SQLite's to itself, because a transaction belongs to one. Jobs run on blocking threads, one at a time on
//! a connection. When the guest lets go of it, or goes away in the middle, a transaction that is open is rolled back before anybody
//! else gets the connection; a statement that nobody waits for any more is interrupted.

use std::path::Path;
use std::sync::{Arc, Mutex, Once, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::guard::Guard;
use super::statement::{self, Until};
use super::store::{Datum, Failure, Found, Outcome, PATIENCE, Session};
use crate::capability::database::{self, Format, Place};

/// The folder of these databases.
const KIND: &str = "sqlite";
/// Their tables are the guest's.
const FORMAT: Format = Format {
    application: 0,
    steps: &[],
};
/// Connections of one component to one database at once, in one worker: each has three files open.
const MOST: usize = 32;
/// Connections that are kept for the next guest.
const IDLE: usize = 4;
/// Bytes that SQLite may have in this process. A statement that sorts or collects more than that fails, and gives it back.
const HEAP: u64 = 256 << 20;

static BOUNDED: Once = Once::new();

/// A connection and what was noted of it.
#[derive(Debug)]
struct Line {
    connection: Connection,
    guard: Guard,
}

/// The connections of one component to one database.
#[derive(Debug)]
pub(crate) struct Exchange {
    place: Place,
    quota: u64,
    idle: Mutex<Vec<Line>>,
    permits: Arc<Semaphore>,
}

/// What of a transaction matters to those that hold it.
#[derive(Debug, Default)]
struct Seat {
    line: Option<Line>,
    /// Counts the transactions that were begun, so that one which has ended does not end the next.
    transaction: u64,
}

impl Seat {
    /// Whether this transaction is open.
    fn holds(&self, transaction: u64) -> bool {
        let open = |line: &Line| !line.connection.is_autocommit();
        self.transaction == transaction && self.line.as_ref().is_some_and(open)
    }
}

/// A connection of a guest.
#[derive(Debug)]
pub(crate) struct Link {
    exchange: Arc<Exchange>,
    seat: Arc<AsyncMutex<Seat>>,
    _permit: OwnedSemaphorePermit,
}

impl Exchange {
    /// For the database of this name below an app's folder, which may have `quota` bytes.
    pub(crate) fn new(state: &Path, name: &str, quota: u64) -> Self {
        Self {
            place: Place {
                state: state.to_owned(),
                kind: KIND,
                name: name.to_owned(),
            },
            quota,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(MOST)),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that nobody has. Blocks.
    fn take(&self) -> Result<Line, Failure> {
        if let Some(line) = self.idle().pop() {
            return Ok(line);
        }
        let connection = database::open(&self.place, &FORMAT, self.quota)?;
        BOUNDED.call_once(|| {
            // Only on a memory-starved host can this fail, and then there is nothing to bound.
            let _ = connection.pragma_update(None, "hard_heap_limit", HEAP.cast_signed());
        });
        let guard = Guard::default();
        guard.watch(&connection)?;
        Ok(Line { connection, guard })
    }

    /// Gives a connection back, as it was. Blocks.
    fn give_back(&self, line: Line) {
        let rolled_back = line.connection.is_autocommit() || roll_back(&line.connection).is_ok();
        let mut idle = self.idle();
        if rolled_back && !line.guard.changed() && idle.len() < IDLE {
            idle.push(line);
        }
    }

    /// A connection for a guest.
    pub(crate) async fn connect(self: Arc<Self>) -> Result<Arc<Link>, Failure> {
        let waited = tokio::time::timeout(PATIENCE, self.permits.clone().acquire_owned()).await;
        let full = || Failure::Other(format!("{MOST} connections are open, as many as may be"));
        let permit = waited.ok().and_then(Result::ok).ok_or_else(full)?;
        let exchange = self.clone();
        let line = blocking(move || exchange.take()).await?;
        let seat = Seat {
            line: Some(line),
            transaction: 0,
        };
        Ok(Arc::new(Link {
            exchange: self,
            seat: Arc::new(AsyncMutex::new(seat)),
            _permit: permit,
        }))
    }
}

fn roll_back(connection: &Connection) -> Result<(), Failure> {
    let (until, _waiting) = Until::new(PATIENCE);
    statement::timed(connection, until, |connection| {
        Ok(connection.execute_batch("ROLLBACK")?)
    })
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(job).await;
    done.unwrap_or_else(|gone| Err(Failure::Fault(gone.to_string())))
}

impl Drop for Link {
    fn drop(&mut self) {
        let (exchange, seat) = (self.exchange.clone(), self.seat.clone());
        let leave = move || {
            // A job that is still running is being interrupted; its turn ends first.
            if let Some(line) = seat.blocking_lock().line.take() {
                exchange.give_back(line);
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(leave)),
            Err(_) => leave(),
        }
    }
}

impl Link {
    /// Runs a job on the connection, for as long as somebody waits for it.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut OwnedMutexGuard<Seat>, Until) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (until, _waiting) = Until::new(PATIENCE);
        let mut seat = self.seat.clone().lock_owned().await;
        blocking(move || job(&mut seat, until)).await
    }

    async fn run_in<T: Send + 'static>(
        &self,
        transaction: Option<u64>,
        job: impl FnOnce(&Connection, &Guard) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.run(move |seat, until| {
            if let Some(number) = transaction
                && !seat.holds(number)
            {
                return Err(Failure::Other("the transaction has ended".into()));
            }
            let Some(Line { connection, guard }) = &seat.line else {
                return Err(Failure::Fault("a connection is gone".into()));
            };
            statement::timed(connection, until, |connection| job(connection, guard))
        })
        .await
    }
}

#[wasmtime_wasi::async_trait]
impl Session for Link {
    async fn query(
        &self,
        transaction: Option<u64>,
        text: String,
        parameters: Vec<Datum>,
    ) -> Result<Found, Failure> {
        let job = move |connection: &Connection, guard: &Guard| {
            statement::query(connection, guard, &text, &parameters)
        };
        self.run_in(transaction, job).await
    }

    async fn execute(
        &self,
        transaction: Option<u64>,
        text: String,
        parameters: Vec<Datum>,
    ) -> Result<Outcome, Failure> {
        let job = move |connection: &Connection, guard: &Guard| {
            statement::execute(connection, guard, &text, &parameters)
        };
        self.run_in(transaction, job).await
    }

    async fn last(&self) -> Result<Outcome, Failure> {
        let job = |connection: &Connection, _: &Guard| {
            Ok(Outcome {
                affected: connection.changes(),
                last_rowid: connection.last_insert_rowid(),
            })
        };
        self.run_in(None, job).await
    }

    async fn begin(&self) -> Result<u64, Failure> {
        self.run(|seat, until| {
            let Some(line) = &seat.line else {
                return Err(Failure::Fault("a connection is gone".into()));
            };
            if !line.connection.is_autocommit() {
                return Err(Failure::Other("a transaction is open already".into()));
            }
            statement::timed(&line.connection, until, |connection| {
                Ok(connection.execute_batch("BEGIN IMMEDIATE")?)
            })?;
            seat.transaction += 1;
            Ok(seat.transaction)
        })
        .await
    }

    async fn end(&self, transaction: u64, commit: bool) -> Result<(), Failure> {
        let ended = self.run_in(Some(transaction), move |connection, _| {
            let done = connection.execute_batch(if commit { "COMMIT" } else { "ROLLBACK" });
            if done.is_err() && !connection.is_autocommit() {
                // What could not be committed would otherwise stay open.
                connection.execute_batch("ROLLBACK")?;
            }
            Ok(done?)
        });
        ended.await
    }
}
