//! The messages of an app in one SQLite file: each is appended, with the next number.
//!
//! The log has a bound: the store's size, and an age. When there is no room, the oldest messages go. The other way would be to
//! refuse the new one; but then a component that only publishes would fail because nobody reads, and a log of messages serves those
//! who want the newest. A number is never used twice, so that a reader sees that something is missing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};

use super::store::{Message, Messages};
use crate::capability::database::{Database, DatabaseError, Format, Place};
use crate::capability::stores::StoreError;

/// The file; `application` is "wimg".
const FORMAT: Format = Format {
    application: 0x7769_6d67,
    steps: &[
        "CREATE TABLE message (sequence INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, component TEXT NOT NULL,
         subject TEXT NOT NULL, content_type TEXT, headers TEXT NOT NULL, body BLOB NOT NULL) STRICT;",
    ],
};

/// How long a message is kept.
const RETENTION: Duration = Duration::from_hours(7 * 24);
/// Old messages that one publication takes with it.
const SWEPT: i64 = 100;
/// Pages that a message takes beside its bytes, with those of the tree above it.
const OVERHEAD: i64 = 8;
const PAGE: usize = 4096;

/// The log of an app, as one of its components writes to it.
#[derive(Debug)]
pub(crate) struct MessageLog {
    database: Arc<Database>,
    component: Arc<str>,
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, DatabaseError> {
    Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?)
}

/// Makes room for so many bytes, and for the time that messages are kept.
fn make_room(connection: &Connection, bytes: usize, now: i64) -> Result<(), DatabaseError> {
    let retention = i64::try_from(RETENTION.as_millis()).unwrap_or(i64::MAX);
    let old = "DELETE FROM message WHERE sequence IN (SELECT sequence FROM message ORDER BY sequence LIMIT ?2) AND time < ?1";
    connection.execute(old, params![now.saturating_sub(retention), SWEPT])?;
    let needed = i64::try_from(bytes / PAGE)
        .unwrap_or(i64::MAX)
        .saturating_add(OVERHEAD);
    let most = number(connection, "max_page_count")?;
    loop {
        let used = number(connection, "page_count")? - number(connection, "freelist_count")?;
        if used.saturating_add(needed) <= most {
            return Ok(());
        }
        // An eighth at a time, so that not every message has to wait for this.
        let oldest = "DELETE FROM message WHERE sequence <= (SELECT min(sequence) + (max(sequence) - min(sequence)) / 8 FROM message)";
        if connection.execute(oldest, [])? == 0 {
            return Err(DatabaseError::Full(0));
        }
    }
}

fn append(
    connection: &Connection,
    component: &str,
    message: &Message,
    now: i64,
) -> Result<i64, DatabaseError> {
    let headers = message.headers.iter();
    let headers: serde_json::Value = headers
        .map(|(name, value)| [name.as_str(), value.as_str()])
        .collect();
    let headers = headers.to_string();
    make_room(connection, message.body.len() + headers.len(), now)?;
    connection.execute(
        "INSERT INTO message (time, component, subject, content_type, headers, body) VALUES (?, ?, ?, ?, ?, ?)",
        params![now, component, message.subject, message.content_type, headers, message.body],
    )?;
    Ok(connection.last_insert_rowid())
}

impl MessageLog {
    /// The log below an app's folder, which may have `quota` bytes.
    pub(crate) fn new(component: Arc<str>, state: &Path, quota: u64) -> Self {
        Self {
            database: Database::new(place(state), FORMAT, quota),
            component,
        }
    }
}

fn place(state: &Path) -> Place {
    Place {
        state: state.to_owned(),
        kind: "messaging",
        name: "messages".into(),
    }
}

#[wasmtime_wasi::async_trait]
impl Messages for MessageLog {
    async fn publish(&self, message: Message) -> Result<(), StoreError> {
        let component = self.component.clone();
        let job = move |connection: &Connection| {
            append(connection, &component, &message, now()).map(drop)
        };
        Ok(self.database.write(job).await?)
    }
}

/// What lies in the log below an app's folder: the component and the message, in their order.
#[cfg(test)]
pub(crate) fn published_below(state: &Path) -> Vec<(String, Message)> {
    let connection = crate::capability::database::open(&place(state), &FORMAT, 1 << 30).unwrap();
    let all =
        "SELECT component, subject, content_type, headers, body FROM message ORDER BY sequence";
    let mut statement = connection.prepare(all).unwrap();
    let read = statement.query_map([], |row| {
        let headers: String = row.get("headers")?;
        let message = Message {
            subject: row.get("subject")?,
            content_type: row.get("content_type")?,
            headers: serde_json::from_str(&headers).unwrap(),
            body: row.get("body")?,
        };
        Ok((row.get("component")?, message))
    });
    read.unwrap().map(Result::unwrap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::database::open;

    fn connection(quota: u64) -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&place(folder.path()), &FORMAT, quota).unwrap();
        (folder, connection)
    }

    fn message(subject: &str, body: usize) -> Message {
        Message {
            subject: subject.into(),
            body: vec![7; body],
            content_type: Some("text/plain".into()),
            headers: vec![("a".into(), "1".into()), ("a".into(), "\"2\"".into())],
        }
    }

    fn column<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str) -> T {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_message_is_kept_with_all_that_belongs_to_it() {
        let (_folder, connection) = connection(1 << 20);

        append(
            &connection,
            "shop",
            &message("orders.created", 3),
            1_000_000,
        )
        .unwrap();

        let row = "SELECT json_array(sequence, time, component, subject, content_type, headers, hex(body)) FROM message";
        assert_eq!(
            column::<String>(&connection, row),
            r#"[1,1000000,"shop","orders.created","text/plain","[[\"a\",\"1\"],[\"a\",\"\\\"2\\\"\"]]","070707"]"#
        );
    }

    #[test]
    fn when_there_is_no_room_the_oldest_go_and_numbers_are_never_used_again() {
        let (_folder, connection) = connection(1 << 20);

        for _ in 0..100 {
            append(&connection, "shop", &message("orders", 50_000), now()).unwrap();
        }

        let kept: i64 = column(&connection, "SELECT count(*) FROM message");
        assert!((10..=20).contains(&kept), "{kept} messages");
        assert_eq!(
            column::<i64>(&connection, "SELECT max(sequence) FROM message"),
            100
        );
        assert_eq!(
            column::<i64>(&connection, "SELECT min(sequence) FROM message"),
            101 - kept
        );
        connection.execute("DELETE FROM message", []).unwrap();
        let next = append(&connection, "shop", &message("orders", 0), now()).unwrap();
        assert_eq!(next, 101);
    }

    #[test]
    fn a_message_that_can_never_fit_is_refused() {
        let (_folder, connection) = connection(100_000);

        let result = append(&connection, "shop", &message("orders", 200_000), now());

        assert!(matches!(result, Err(DatabaseError::Full(_))));
    }

    #[test]
    fn what_is_older_than_a_week_goes_with_the_next_message() {
        let (_folder, connection) = connection(1 << 20);
        let week = i64::try_from(RETENTION.as_millis()).unwrap();
        for time in [0, 1, 1000] {
            append(&connection, "shop", &message("orders", 1), time).unwrap();
        }

        append(&connection, "shop", &message("orders", 1), week + 2).unwrap();

        assert_eq!(
            column::<i64>(&connection, "SELECT min(time) FROM message"),
            1000
        );
    }
}
