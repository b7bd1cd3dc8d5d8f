//! Key-value stores in SQLite: one row for each key.
//!
//! A key that has expired is not there for any reader. Its row goes when it is written again, or when a writer sweeps: each
//! transaction takes a few expired rows with it, and one that finds no room takes them all and tries again. There is no timer: a
//! store that nobody writes to does not grow.
//!
//! A version is a random number of 64 bits. A counter would be one more row to write with every change.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::store::{Entry, KeyValue, Listing, MOST_READ, Page, Swapped, Version};
use crate::capability::database::{Database, DatabaseError, Format, Place};
use crate::capability::stores::StoreError;

/// The files of key-value stores; `application` is "wikv".
const FORMAT: Format = Format {
    application: 0x7769_6b76,
    steps: &[
        "CREATE TABLE entry (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL, expires INTEGER) STRICT;
         CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;",
    ],
};

/// Expired rows that one transaction takes with it.
const SWEPT: usize = 100;
/// The same when there is no room left.
const SWEPT_FOR_ROOM: usize = 10_000;

/// Milliseconds since 1970; the clock of the machine, which all workers share and which goes on when they end.
pub(crate) type Moment = i64;

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    milliseconds(since.unwrap_or_default())
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// When something that is set now expires.
fn expiry(now: Moment, lifetime: Option<Duration>) -> Option<Moment> {
    lifetime.map(|lifetime| now.saturating_add(milliseconds(lifetime)))
}

/// What a job gave: what the guest asked for, or why it is refused.
pub(super) type Outcome<T> = Result<Result<T, StoreError>, DatabaseError>;

fn refused(message: impl Into<String>) -> StoreError {
    StoreError::Refused(message.into())
}

/// The entries of keys.
pub(super) fn get(
    connection: &Connection,
    keys: &[String],
    now: Moment,
) -> Outcome<Vec<Option<Entry>>> {
    // One moment for all of them.
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare(
        "SELECT value, version, expires FROM entry WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
    )?;
    let (mut entries, mut bytes) = (Vec::with_capacity(keys.len()), 0);
    for key in keys {
        let found = statement.query_row(params![key, now], |row| entry(row, now));
        let entry = found.optional()?;
        bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
        if bytes > MOST_READ {
            let message = format!("the values have more than {MOST_READ} bytes together");
            return Ok(Err(refused(message)));
        }
        entries.push(entry);
    }
    Ok(Ok(entries))
}

fn entry(row: &Row<'_>, now: Moment) -> rusqlite::Result<Entry> {
    let expires: Option<Moment> = row.get("expires")?;
    let left = expires.map(|expires| {
        let left = u64::try_from(expires.saturating_sub(now));
        Duration::from_millis(left.unwrap_or_default())
    });
    Ok(Entry {
        value: row.get("value")?,
        version: version_in(row)?,
        left,
    })
}

fn version_in(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(row.get::<_, i64>("version")?.cast_unsigned())
}

/// The version of a key.
pub(super) fn version(
    connection: &Connection,
    key: &str,
    now: Moment,
) -> Result<Option<Version>, DatabaseError> {
    let mut statement = connection.prepare(
        "SELECT version FROM entry WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
    )?;
    let found = statement.query_row(params![key, now], version_in);
    Ok(found.optional()?)
}

/// Sets one value.
pub(super) fn set(
    connection: &Connection,
    key: &str,
    value: &[u8],
    expires: Option<Moment>,
) -> Result<Version, DatabaseError> {
    let mut statement = connection.prepare(
        "INSERT INTO entry (key, value, version, expires) VALUES (:key, :value, random(), :expires)
         ON CONFLICT (key) DO UPDATE
         SET value = excluded.value, version = excluded.version, expires = excluded.expires
         RETURNING version",
    )?;
    let values = named_params! { ":key": key, ":value": value, ":expires": expires };
    Ok(statement.query_row(values, version_in)?)
}

/// Forgets one key.
pub(super) fn delete(connection: &Connection, key: &str) -> Result<(), DatabaseError> {
    let mut statement = connection.prepare("DELETE FROM entry WHERE key = ?1")?;
    statement.execute(params![key])?;
    Ok(())
}

/// Adds to a decimal number.
pub(super) fn increment(
    connection: &Connection,
    key: &str,
    delta: i64,
    now: Moment,
) -> Outcome<i64> {
    let mut statement = connection.prepare(
        "SELECT value, expires FROM entry WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
    )?;
    let found = statement.query_row(params![key, now], |row| {
        Ok((row.get::<_, Vec<u8>>("value")?, row.get("expires")?))
    });
    let (number, expires) = match found.optional()? {
        None => (Some(0), None),
        Some((value, expires)) => {
            let text = std::str::from_utf8(&value).ok();
            (text.and_then(|text| text.parse::<i64>().ok()), expires)
        }
    };
    let Some(number) = number else {
        return Ok(Err(refused("the value is not a decimal number of 64 bits")));
    };
    let Some(sum) = number.checked_add(delta) else {
        return Ok(Err(refused("the sum has more than 64 bits")));
    };
    set(connection, key, sum.to_string().as_bytes(), expires)?;
    Ok(Ok(sum))
}

/// Sets a value if its key has the expected version.
pub(super) fn swap(
    connection: &Connection,
    (key, expected): (&str, Option<Version>),
    value: &[u8],
    expires: Option<Moment>,
    now: Moment,
) -> Result<Swapped, DatabaseError> {
    let found = version(connection, key, now)?;
    if found != expected {
        return Ok(Err(found));
    }
    set(connection, key, value, expires).map(Ok)
}

/// A page of keys.
pub(super) fn list(
    connection: &Connection,
    listing: &Listing,
    now: Moment,
) -> Result<Page, DatabaseError> {
    let mut statement = connection.prepare(
        "SELECT key FROM entry WHERE key >= ?1 AND (expires IS NULL OR expires > ?2) ORDER BY key",
    )?;
    let after = listing.after.as_deref();
    let first = after.map_or(listing.prefix.as_str(), |after| after.max(&listing.prefix));
    let mut rows = statement.query(params![first, now])?;
    let mut page = Page {
        keys: Vec::new(),
        more: false,
    };
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        if after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        // Keys are in order: what no longer begins with the prefix comes after all that do.
        if !key.starts_with(&listing.prefix) {
            break;
        }
        if page.keys.len() == listing.limit {
            page.more = true;
            break;
        }
        page.keys.push(key);
    }
    Ok(page)
}

/// Takes away rows that have expired, at most so many, and says how many.
pub(super) fn sweep(
    connection: &Connection,
    most: usize,
    now: Moment,
) -> Result<usize, DatabaseError> {
    let mut statement = connection.prepare(
        "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE expires <= ?1 LIMIT ?2)",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    Ok(statement.execute(params![now, most])?)
}

/// A key-value store in a database.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    database: Arc<Database>,
}

impl SqliteStore {
    /// The store of this name below an app's folder, which may have `quota` bytes.
    pub(crate) fn new(state: &Path, name: &str, quota: u64) -> Self {
        let place = Place {
            state: state.to_owned(),
            kind: "keyvalue",
            name: name.to_owned(),
        };
        Self {
            database: Database::new(place, FORMAT, quota),
        }
    }

    /// Runs a writing job, after sweeping.
    async fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&Connection, Moment) -> Result<T, DatabaseError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let job = Arc::new(job);
        let attempt = || {
            let job = job.clone();
            self.database.write(move |connection| {
                let now = now();
                sweep(connection, SWEPT, now)?;
                job(connection, now)
            })
        };
        match attempt().await {
            Err(DatabaseError::Full(_)) if self.make_room().await? => Ok(attempt().await?),
            other => Ok(other?),
        }
    }

    /// Sweeps everything that has expired; whether there was anything.
    async fn make_room(&self) -> Result<bool, StoreError> {
        let mut found = false;
        loop {
            let sweep = |connection: &Connection| sweep(connection, SWEPT_FOR_ROOM, now());
            if self.database.write(sweep).await? == 0 {
                return Ok(found);
            }
            found = true;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl KeyValue for SqliteStore {
    async fn get(&self, keys: Vec<String>) -> Result<Vec<Option<Entry>>, StoreError> {
        let job = move |connection: &Connection| get(connection, &keys, now());
        self.database.read(job).await?
    }

    async fn version(&self, key: String) -> Result<Option<Version>, StoreError> {
        let job = move |connection: &Connection| version(connection, &key, now());
        Ok(self.database.read(job).await?)
    }

    async fn set(
        &self,
        values: Vec<(String, Vec<u8>)>,
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.write(move |connection, now| {
            for (key, value) in &values {
                set(connection, key, value, expiry(now, lifetime))?;
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, keys: Vec<String>) -> Result<(), StoreError> {
        self.write(move |connection, _| keys.iter().try_for_each(|key| delete(connection, key)))
            .await
    }

    async fn increment(&self, key: String, delta: i64) -> Result<i64, StoreError> {
        self.write(move |connection, now| increment(connection, &key, delta, now))
            .await?
    }

    async fn swap(
        &self,
        key: String,
        expected: Option<Version>,
        value: Vec<u8>,
        lifetime: Option<Duration>,
    ) -> Result<Swapped, StoreError> {
        self.write(move |connection, now| {
            let expires = expiry(now, lifetime);
            swap(connection, (&key, expected), &value, expires, now)
        })
        .await
    }

    async fn list(&self, listing: Listing) -> Result<Page, StoreError> {
        let job = move |connection: &Connection| list(connection, &listing, now());
        Ok(self.database.read(job).await?)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod measurement;
