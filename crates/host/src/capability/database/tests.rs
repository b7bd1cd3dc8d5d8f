use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::*;

const FIRST: Format = Format {
    application: 0x7465_7374,
    steps: &["CREATE TABLE line (text TEXT NOT NULL)"],
};
const SECOND: Format = Format {
    steps: &[
        FIRST.steps[0],
        "ALTER TABLE line ADD COLUMN length INTEGER; UPDATE line SET length = length(text)",
    ],
    ..FIRST
};
const ROOM: u64 = 1 << 20;

fn place(state: &Path) -> Place {
    Place {
        state: state.to_owned(),
        kind: "lines",
        name: "default".into(),
    }
}

fn add(connection: &Connection, text: &str) -> Result<(), DatabaseError> {
    connection.execute("INSERT INTO line (text) VALUES (?1)", [text])?;
    Ok(())
}

fn count(connection: &Connection) -> Result<i64, DatabaseError> {
    Ok(connection.query_row("SELECT count(*) FROM line", [], |row| row.get(0))?)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_new_store_is_for_its_owner_only_and_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/state");

    let connection = open(&place(&state), &FIRST, ROOM).unwrap();

    add(&connection, "a").unwrap();
    let file = state.join("lines/default.db");
    let modes = [&state, &state.join("lines"), &file].map(|path| mode(path));
    assert_eq!(modes, [0o700, 0o700, 0o600]);
    assert_eq!(mode(&file.with_extension("db-wal")), 0o600);
    let pragma = |name: &str| -> String {
        let number = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        number.map_or_else(
            |_| {
                connection
                    .pragma_query_value(None, name, |row| row.get(0))
                    .unwrap()
            },
            |number| number.to_string(),
        )
    };
    let found = ["journal_mode", "synchronous", "user_version"].map(pragma);
    assert_eq!(found, ["wal", "2", "1"]);
}

#[test]
fn an_older_format_is_opened_after_a_backup_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let old = open(&place, &FIRST, ROOM).unwrap();
    add(&old, "four").unwrap();
    // It stays open: what is only in the log beside the file must be in the backup too.

    let new = open(&place, &SECOND, ROOM).unwrap();

    let length: i64 = new
        .query_row("SELECT length FROM line", [], |row| row.get(0))
        .unwrap();
    assert_eq!(length, 4);
    let backup = folder.path().join("lines/default.db.format-1.bak");
    assert_eq!(mode(&backup), 0o600);
    let backup = Connection::open(backup).unwrap();
    assert_eq!(count(&backup).unwrap(), 1);
    assert_eq!(
        backup
            .pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0))
            .unwrap(),
        1
    );
    assert!(open(&place, &SECOND, ROOM).is_ok());
}

#[test]
fn a_step_that_fails_leaves_the_store_as_it_was() {
    const BROKEN: Format = Format {
        steps: &[FIRST.steps[0], "DELETE FROM line; DROP TABLE missing"],
        ..FIRST
    };
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    add(&open(&place, &FIRST, ROOM).unwrap(), "kept").unwrap();

    let error = open(&place, &BROKEN, ROOM).unwrap_err();

    assert!(matches!(error, DatabaseError::Sqlite(_)), "{error}");
    let connection = open(&place, &FIRST, ROOM).unwrap();
    assert_eq!(count(&connection).unwrap(), 1);
}

#[test]
fn a_newer_format_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    drop(open(&place, &SECOND, ROOM).unwrap());
    let file = folder.path().join("lines/default.db");
    let before = fs::read(&file).unwrap();

    let error = open(&place, &FIRST, ROOM).unwrap_err();

    let path = fs::canonicalize(&file).unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has format 2, and this wisp knows formats up to 1: use a newer wisp",
            path.display()
        )
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_file_of_something_else_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    fs::create_dir(folder.path().join("lines")).unwrap();
    let file = folder.path().join("lines/default.db");
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(other);
    let before = fs::read(&file).unwrap();

    let foreign = open(&place, &FIRST, ROOM).unwrap_err();
    assert!(
        matches!(foreign, DatabaseError::Foreign { found: 0, .. }),
        "{foreign}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);

    fs::write(&file, "no database at all, but long enough for a header of one hundred bytes, which is what SQLite reads first").unwrap();
    let garbage = open(&place, &FIRST, ROOM).unwrap_err().to_string();
    assert!(garbage.ends_with("file is not a database"), "{garbage}");
}

#[test]
fn symbolic_links_and_names_that_lead_elsewhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();

    symlink(&elsewhere, state.join("lines")).unwrap();
    let of_folder = open(&place(&state), &FIRST, ROOM).unwrap_err();
    fs::remove_file(state.join("lines")).unwrap();
    fs::create_dir(state.join("lines")).unwrap();
    symlink(elsewhere.join("x.db"), state.join("lines/default.db")).unwrap();
    let of_file = open(&place(&state), &FIRST, ROOM).unwrap_err();

    for error in [of_folder, of_file] {
        assert!(matches!(error, DatabaseError::Link { .. }), "{error}");
    }
    for name in ["../x", "a/b", ".hidden", "", "a\0b"] {
        let place = Place {
            name: name.into(),
            ..place(&state)
        };
        let error = open(&place, &FIRST, ROOM).unwrap_err();
        assert!(matches!(error, DatabaseError::Name(_)), "{error}");
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn many_that_open_a_new_store_at_once_make_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());

    std::thread::scope(|scope| {
        for number in 0..16 {
            let place = &place;
            scope.spawn(move || {
                add(
                    &open(place, &SECOND, ROOM).unwrap_or_else(|error| panic!("{error}")),
                    &format!("{number}"),
                )
            });
        }
    });

    let connection = open(&place, &SECOND, ROOM).unwrap();
    assert_eq!(count(&connection).unwrap(), 16);
    assert!(!folder.path().join("lines/default.db.format-1.bak").exists());
}

#[tokio::test]
async fn a_full_store_says_so_and_has_room_again_when_something_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let quota = 64 << 10;
    let database = Database::new(place(folder.path()), FIRST, quota);
    let large = "x".repeat(30 << 10);
    let fill = move |connection: &Connection| add(connection, &large);
    database.write(fill.clone()).await.unwrap();

    let error = database.write(fill.clone()).await.unwrap_err();

    assert_eq!(StoreError::from(error), StoreError::Full(65_536));
    let size = fs::metadata(folder.path().join("lines/default.db"))
        .unwrap()
        .len();
    assert!(size <= quota, "{size}");
    let delete = |connection: &Connection| Ok(connection.execute("DELETE FROM line", [])?);
    assert_eq!(database.write(delete).await.unwrap(), 1);
    database.write(fill).await.unwrap();
}

#[tokio::test]
async fn a_job_that_fails_takes_back_what_it_did_and_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::new(place(folder.path()), FIRST, ROOM);

    // All of them wait in the line together.
    let jobs = (0..50).map(|number| {
        let database = database.clone();
        async move {
            database
                .write(move |connection| {
                    add(connection, &number.to_string())?;
                    if number % 7 == 3 {
                        return Err(DatabaseError::Sqlite("on purpose".into()));
                    }
                    Ok(number)
                })
                .await
        }
    });
    let results = futures::future::join_all(jobs).await;

    for (number, result) in results.into_iter().enumerate() {
        match result {
            Ok(given) => assert_eq!(given, number),
            Err(error) => assert_eq!((number % 7, error.to_string()), (3, "on purpose".into())),
        }
    }
    assert_eq!(database.read(count).await.unwrap(), 43);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_several_connections_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let made = || Database::new(place(folder.path()), FIRST, ROOM);
    // As two workers have them, each with its own connections.
    let databases = [made(), made()];

    let writes = (0..400).map(|number| {
        let database: Arc<Database> = databases[number % 2].clone();
        tokio::spawn(async move {
            let job = |connection: &Connection| {
                let before = count(connection)?;
                add(connection, "line")?;
                Ok(before)
            };
            database.write(job).await.unwrap()
        })
    });
    let mut seen: Vec<_> = futures::future::join_all(writes)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    // Each saw what all before it had done.
    seen.sort_unstable();
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_store_that_others_hold_for_too_long_is_busy_and_can_be_read_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let database = Database::new(place.clone(), FIRST, ROOM);
    database
        .write(|connection| add(connection, "a"))
        .await
        .unwrap();
    let holder = open(&place, &FIRST, ROOM).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();

    let (held, seen) = tokio::join!(
        database.write(|connection| add(connection, "b")),
        database.read(count)
    );
    holder.execute_batch("COMMIT").unwrap();
    let free = database.write(|connection| add(connection, "c")).await;

    let busy = StoreError::Refused("others wrote to it for too long".into());
    assert_eq!(StoreError::from(held.unwrap_err()), busy);
    assert_eq!(seen.unwrap(), 1);
    free.unwrap();
    assert_eq!(database.read(count).await.unwrap(), 2);
}
