//! Writing jobs that are committed together.
//!
//! Jobs wait in a line. One thread takes all of them, runs them in one transaction, commits, answers them, and looks again; it goes
//! when nobody waits. So a commit takes with it what came during the last one, and a busy store waits for its disk once for many
//! requests. When one job of a transaction fails, the transaction is taken back and each job runs alone: one job's error is never
//! another's.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::DatabaseError;

type Answer<T> = oneshot::Receiver<Result<T, DatabaseError>>;

/// A job with the one who waits for it.
trait Order: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), DatabaseError>;
    /// Called once, after the commit.
    fn settle(self: Box<Self>, committed: Result<(), DatabaseError>);
}

struct Waiting<T, J> {
    job: J,
    result: Option<T>,
    asker: oneshot::Sender<Result<T, DatabaseError>>,
}

impl<T: Send, J: FnMut(&Connection) -> Result<T, DatabaseError> + Send> Order for Waiting<T, J> {
    fn run(&mut self, connection: &Connection) -> Result<(), DatabaseError> {
        self.result = Some((self.job)(connection)?);
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), DatabaseError>) {
        let Self { result, asker, .. } = *self;
        let result = committed.and_then(|()| result.ok_or(DatabaseError::Gone));
        // Who asked may have gone, as a request does that took too long.
        let _ = asker.send(result);
    }
}

#[derive(Default)]
struct Line {
    waiting: Vec<Box<dyn Order>>,
    /// A thread takes from it.
    served: bool,
}

/// The writer of one database.
#[derive(Default)]
pub(super) struct Group {
    line: Mutex<Line>,
    connection: Mutex<Option<Connection>>,
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Group").finish_non_exhaustive()
    }
}

impl Group {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job into the line; whether a thread must begin to [`Self::work`] now.
    pub(super) fn order<T: Send + 'static>(
        &self,
        job: impl FnMut(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> (Answer<T>, bool) {
        let (asker, answer) = oneshot::channel();
        let order = Box::new(Waiting {
            job,
            result: None,
            asker,
        });
        let mut line = self.line();
        line.waiting.push(order);
        (answer, !std::mem::replace(&mut line.served, true))
    }

    /// Serves the line until nobody waits.
    pub(super) fn work(&self, connect: impl Fn() -> Result<Connection, DatabaseError>) {
        let _end = End(self);
        let mut kept = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            let orders = {
                let mut line = self.line();
                line.served = !line.waiting.is_empty();
                std::mem::take(&mut line.waiting)
            };
            if orders.is_empty() {
                return;
            }
            let mut connection = match kept.take().map_or_else(&connect, Ok) {
                Ok(connection) => connection,
                Err(error) => {
                    for order in orders {
                        order.settle(Err(error.clone()));
                    }
                    continue;
                }
            };
            commit(&mut connection, orders);
            *kept = Some(connection);
        }
    }
}

/// Lets the next order begin anew, also after a panic of a job.
struct End<'a>(&'a Group);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.line().served = false;
        }
    }
}

/// Commits all of them together, or each alone.
fn commit(connection: &mut Connection, mut orders: Vec<Box<dyn Order>>) {
    let together = transact(connection, &mut orders);
    // A lock that somebody holds is in the way of all of them.
    let is_settled = matches!(together, Ok(()) | Err(DatabaseError::Busy));
    if is_settled || orders.len() == 1 {
        for order in orders {
            order.settle(together.clone());
        }
        return;
    }
    for order in orders {
        let mut alone = vec![order];
        let result = transact(connection, &mut alone);
        for order in alone {
            order.settle(result.clone());
        }
    }
}

fn transact(
    connection: &mut Connection,
    orders: &mut [Box<dyn Order>],
) -> Result<(), DatabaseError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for order in orders {
        order.run(&transaction)?;
    }
    transaction.commit()?;
    Ok(())
}
