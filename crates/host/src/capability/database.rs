//! SQLite databases of an app, one file for each store: `<state>/<kind>/<name>.db`.
//!
//! All workers open the same file, in WAL mode: readers never wait, and one writer at a time appends to the log beside the file. A
//! commit is acknowledged when that log is on the disk (`synchronous=FULL`, decision 009), so that neither a killed process nor a
//! power cut takes back what a guest was told.
//!
//! A [`Database`] is opened when it is first used. Its jobs run on the blocking threads of tokio. Reading jobs have a few
//! connections of their own. Writing jobs go through one connection, and those that came while the last commit was on its way are
//! committed together, see [`group`]: the disk is waited for once.

mod file;
mod group;

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OnceCell, Semaphore};

use super::stores::StoreError;
pub(crate) use file::{Format, Place, open};
use group::Group;

/// Connections of one worker that read one database at once.
const READERS: usize = 4;

/// Why a store could not be used. What is said here is for the log; a guest is told no paths.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DatabaseError {
    #[error("`{0}` is no name of a store")]
    Name(String),
    #[error("{path}: {problem}")]
    File { path: String, problem: String },
    #[error("{path} is a symbolic link, which is not followed")]
    Link { path: String },
    #[error(
        "{path} was not made by this kind of store: its application id is {found:#x} instead of {expected:#x}"
    )]
    Foreign {
        path: String,
        found: i32,
        expected: i32,
    },
    #[error(
        "{path} has format {found}, and this wisp knows formats up to {newest}: use a newer wisp"
    )]
    Newer {
        path: String,
        found: i32,
        newest: i32,
    },
    #[error("there is no room: a store may have {0} bytes on disk (limits.store)")]
    Full(u64),
    #[error("others wrote to it for too long")]
    Busy,
    #[error("{0}")]
    Sqlite(String),
    #[error("its thread is gone")]
    Gone,
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Busy
            }
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full(0),
            _ => Self::Sqlite(error.to_string()),
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Full(quota) => Self::Full(quota),
            DatabaseError::Busy => Self::Refused(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl DatabaseError {
    /// The same, with how large the store may be.
    fn of(self, quota: u64) -> Self {
        match self {
            Self::Full(_) => Self::Full(quota),
            other => other,
        }
    }
}

/// One store in this worker, as one component uses it.
#[derive(Debug)]
pub(crate) struct Database {
    place: Place,
    format: Format,
    /// Bytes that the file may have when this component writes.
    quota: u64,
    opened: OnceCell<()>,
    idle: Mutex<Vec<Connection>>,
    readers: Semaphore,
    group: Group,
}

impl Database {
    /// A store that is not opened yet.
    pub(crate) fn new(place: Place, format: Format, quota: u64) -> Arc<Self> {
        Arc::new(Self {
            place,
            format,
            quota,
            opened: OnceCell::new(),
            idle: Mutex::default(),
            readers: Semaphore::new(READERS),
            group: Group::default(),
        })
    }

    fn connect(&self) -> Result<Connection, DatabaseError> {
        open(&self.place, &self.format, self.quota).map_err(|error| error.of(self.quota))
    }

    /// Opens it for the first time, which may upgrade it; says early and to each caller why that fails.
    async fn ensure_open(self: &Arc<Self>) -> Result<(), DatabaseError> {
        let open = || async {
            let this = self.clone();
            let connection = blocking(move || this.connect()).await?;
            self.keep(connection);
            Ok(())
        };
        self.opened.get_or_try_init(open).await.copied()
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
    }

    fn take(&self) -> Result<Connection, DatabaseError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(|| self.connect(), Ok)
    }

    /// Runs a job that only reads.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.ensure_open().await?;
        let permit = self.readers.acquire().await;
        let _permit = permit.map_err(|_| DatabaseError::Gone)?;
        let this = self.clone();
        blocking(move || {
            let connection = this.take()?;
            let result = job(&connection);
            this.keep(connection);
            result
        })
        .await
    }

    /// Runs a job in a transaction, and says what it gave when that is on the disk.
    ///
    /// The job may be run again when others that were to be committed with it have failed. Its error takes back what it did.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnMut(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.ensure_open().await?;
        let (answer, must_begin) = self.group.order(job);
        if must_begin {
            let this = self.clone();
            tokio::task::spawn_blocking(move || this.group.work(|| this.connect()));
        }
        let result = answer.await.map_err(|_| DatabaseError::Gone)?;
        result.map_err(|error| error.of(self.quota))
    }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, DatabaseError> + Send + 'static,
) -> Result<T, DatabaseError> {
    let result = tokio::task::spawn_blocking(job).await;
    result.map_err(|_| DatabaseError::Gone)?
}

#[cfg(test)]
mod tests;
