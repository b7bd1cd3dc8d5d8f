//! A database in memory, for tests: one connection of SQLite's, which sessions take turns with.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::guard::Guard;
use super::statement::{self, Until};
use super::store::{Datum, Failure, Found, Outcome, PATIENCE, Session};

#[derive(Debug)]
struct Turn {
    connection: Connection,
    guard: Guard,
}

/// A database of one app. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct MemoryDatabase(Arc<Mutex<Turn>>);

/// What a session has while a transaction of it is open.
#[derive(Debug, Default)]
struct Seat {
    turn: Option<OwnedMutexGuard<Turn>>,
    transaction: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(turn) = &self.turn {
            turn.connection.execute_batch("ROLLBACK").unwrap();
        }
    }
}

#[derive(Debug)]
struct MemorySession {
    database: Arc<Mutex<Turn>>,
    seat: Mutex<Seat>,
}

impl MemoryDatabase {
    /// One that may have so many bytes.
    pub(crate) fn new(quota: u64) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        let pages = quota.cast_signed() / 4096;
        let quota = connection.pragma_update(None, "max_page_count", pages);
        quota.unwrap();
        let guard = Guard::default();
        guard.watch(&connection).unwrap();
        Self(Arc::new(Mutex::new(Turn { connection, guard })))
    }

    pub(crate) fn connect(&self) -> Arc<dyn Session> {
        Arc::new(MemorySession {
            database: self.0.clone(),
            seat: Mutex::default(),
        })
    }
}

impl MemorySession {
    /// Waits for its turn, and keeps it for as long as a transaction is open.
    async fn run<T: Send>(
        &self,
        transaction: Option<u64>,
        job: impl FnOnce(&Connection, &Guard) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let mut seat = self.seat.lock().await;
        if transaction.is_some_and(|number| number != seat.transaction || seat.turn.is_none()) {
            return Err(Failure::Other("the transaction has ended".into()));
        }
        let turn = if let Some(turn) = seat.turn.take() {
            turn
        } else {
            let turn = self.database.clone().lock_owned();
            let turn = tokio::time::timeout(PATIENCE, turn).await;
            turn.map_err(|_| Failure::Busy)?
        };
        let (until, _waiting) = Until::new(PATIENCE);
        let done = statement::timed(&turn.connection, until, |connection| {
            job(connection, &turn.guard)
        });
        if !turn.connection.is_autocommit() {
            seat.turn = Some(turn);
        }
        done
    }
}

#[wasmtime_wasi::async_trait]
impl Session for MemorySession {
    async fn query(
        &self,
        transaction: Option<u64>,
        text: String,
        parameters: Vec<Datum>,
    ) -> Result<Found, Failure> {
        let job = |connection: &Connection, guard: &Guard| {
            statement::query(connection, guard, &text, &parameters)
        };
        self.run(transaction, job).await
    }

    async fn execute(
        &self,
        transaction: Option<u64>,
        text: String,
        parameters: Vec<Datum>,
    ) -> Result<Outcome, Failure> {
        let job = |connection: &Connection, guard: &Guard| {
            statement::execute(connection, guard, &text, &parameters)
        };
        self.run(transaction, job).await
    }

    async fn last(&self) -> Result<Outcome, Failure> {
        let job = |connection: &Connection, _: &Guard| {
            Ok(Outcome {
                affected: connection.changes(),
                last_rowid: connection.last_insert_rowid(),
            })
        };
        self.run(None, job).await
    }

    async fn begin(&self) -> Result<u64, Failure> {
        let job = |connection: &Connection, _: &Guard| {
            if !connection.is_autocommit() {
                return Err(Failure::Other("a transaction is open already".into()));
            }
            Ok(connection.execute_batch("BEGIN IMMEDIATE")?)
        };
        self.run(None, job).await?;
        let mut seat = self.seat.lock().await;
        seat.transaction += 1;
        Ok(seat.transaction)
    }

    async fn end(&self, transaction: u64, commit: bool) -> Result<(), Failure> {
        let job = |connection: &Connection, _: &Guard| {
            let done = connection.execute_batch(if commit { "COMMIT" } else { "ROLLBACK" });
            if done.is_err() && !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            Ok(done?)
        };
        self.run(Some(transaction), job).await
    }
}
