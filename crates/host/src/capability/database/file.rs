//! The file of a database: made, checked, brought to the newest format, opened.
//!
//! Whoever opens a file holds a lock on its folder until it is ready, so that two workers never make or upgrade it at once. The lock
//! goes with the process that holds it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustix::fs::FlockOperation;

use super::DatabaseError;

/// Bytes of a page, SQLite's default.
const PAGE: u64 = 4096;
/// How often one looks again whether the other writers are done.
const MOMENT: Duration = Duration::from_micros(200);
/// Looks until a store is said to be busy: about five seconds.
const MOST_MOMENTS: i32 = 25_000;
/// Bytes of the log beside a database that are kept between commits.
const KEPT_LOG: u64 = 4 << 20;
/// Characters of the name of a store.
const LONGEST_NAME: usize = 100;

/// What the files of one kind of store look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Written into each file, so that one kind of store is not taken for another.
    pub(crate) application: i32,
    /// Statements that make a file of format `n + 1` of one of format `n`, from the empty file on; none for a file whose
    /// tables are made by a guest.
    pub(crate) steps: &'static [&'static str],
}

impl Format {
    fn newest(&self) -> i32 {
        i32::try_from(self.steps.len()).unwrap_or(i32::MAX)
    }
}

/// Where the file of a store is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The app's folder for stores.
    pub(crate) state: PathBuf,
    /// The folder in it, one for each kind of store.
    pub(crate) kind: &'static str,
    /// The store's name.
    pub(crate) name: String,
}

impl Place {
    /// Makes the folder that is missing; its path has no symbolic links below the app's folder.
    fn folder(&self) -> Result<PathBuf, DatabaseError> {
        let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        let is_name = self.name.chars().all(fits) && !self.name.starts_with('.');
        if !is_name || self.name.is_empty() || self.name.len() > LONGEST_NAME {
            return Err(DatabaseError::Name(self.name.clone()));
        }
        let (state, mut builder) = (&self.state, DirBuilder::new());
        builder.recursive(true).mode(0o700);
        builder
            .create(state)
            .map_err(|error| wrong(state, &error))?;
        let state = fs::canonicalize(state).map_err(|error| wrong(state, &error))?;
        let folder = state.join(self.kind);
        match builder.recursive(false).create(&folder) {
            Ok(()) => sync_into(&folder),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(wrong(&folder, &error));
            }
            _ => refuse_link(&folder)?,
        }
        Ok(folder)
    }
}

/// Puts a new folder on the disk, and those above it, which may be new as well: `.wisp/state/keyvalue`.
fn sync_into(folder: &Path) {
    for above in folder.ancestors().skip(1).take(3) {
        // One that may not be read was there before.
        let _ = File::open(above).and_then(|above| above.sync_all());
    }
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> DatabaseError {
    DatabaseError::File {
        path: path.display().to_string(),
        problem: error.to_string(),
    }
}

fn refuse_link(path: &Path) -> Result<(), DatabaseError> {
    let metadata = fs::symlink_metadata(path).map_err(|error| wrong(path, &error))?;
    if metadata.is_symlink() {
        let path = path.display().to_string();
        return Err(DatabaseError::Link { path });
    }
    Ok(())
}

/// Makes an empty file that only its owner reads; one that is there is not even opened, because closing it again would drop the
/// locks that this process has on it.
fn create(path: &Path) -> Result<(), DatabaseError> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_link(path),
        Err(error) => Err(wrong(path, &error)),
    }
}

/// A lock on a folder, until it is dropped.
fn lock(folder: &Path) -> Result<File, DatabaseError> {
    let file = File::open(folder).map_err(|error| wrong(folder, &error))?;
    loop {
        match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(wrong(folder, &error)),
        }
    }
}

/// Opens a store, which is made when it is not there and upgraded, after a backup, when it is of an older format.
///
/// `quota` is how many bytes the file may have; what is there already is not taken away.
pub(crate) fn open(
    place: &Place,
    format: &Format,
    quota: u64,
) -> Result<Connection, DatabaseError> {
    let folder = place.folder()?;
    let path = folder.join(format!("{}.db", place.name));
    let _alone = lock(&folder)?;
    create(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    // First of all nothing is written: a file that is not ours stays as it is.
    let found = format_of(&connection, &path, format)?;
    configure(&connection, quota)?;
    if found < format.newest() {
        if found > 0 {
            back_up(&connection, &path, found)?;
        }
        upgrade(&mut connection, format, found)?;
    }
    Ok(connection)
}

fn number(connection: &Connection, pragma: &str) -> Result<i32, DatabaseError> {
    Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?)
}

/// The format of a file; 0 when it is empty.
fn format_of(connection: &Connection, path: &Path, format: &Format) -> Result<i32, DatabaseError> {
    connection.busy_handler(Some(wait_for_others))?;
    let refused = |error: DatabaseError| match error {
        DatabaseError::Sqlite(problem) => wrong(path, &problem),
        other => other,
    };
    if number(connection, "schema_version").map_err(refused)? == 0 {
        return Ok(0);
    }
    if format.steps.is_empty() {
        // A guest's own tables: what their format is, and where its number is kept, is the guest's.
        return Ok(0);
    }
    let path = path.display().to_string();
    let application = number(connection, "application_id")?;
    if application != format.application {
        return Err(DatabaseError::Foreign {
            path,
            found: application,
            expected: format.application,
        });
    }
    let (found, newest) = (number(connection, "user_version")?, format.newest());
    if found > newest {
        return Err(DatabaseError::Newer {
            path,
            found,
            newest,
        });
    }
    Ok(found)
}

/// Called by SQLite while another process has what this one needs. Its own waits grow to a tenth of a second, which is long where
/// a commit takes less than a thousandth.
fn wait_for_others(times: i32) -> bool {
    if times >= MOST_MOMENTS {
        return false;
    }
    std::thread::sleep(MOMENT);
    true
}

fn configure(connection: &Connection, quota: u64) -> Result<(), DatabaseError> {
    let pages = (quota / PAGE).max(1);
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = {KEPT_LOG};
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA max_page_count = {pages};"
    ))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

/// Copies a file to `<name>.db.format-<n>.bak`, which is either all there or not there at all.
fn back_up(connection: &Connection, path: &Path, found: i32) -> Result<(), DatabaseError> {
    let backup = PathBuf::from(format!("{}.format-{found}.bak", path.display()));
    let unfinished = backup.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(wrong(&unfinished, &error));
        }
        _ => create(&unfinished)?,
    }
    connection.backup("main", &unfinished, None)?;
    fs::rename(&unfinished, &backup).map_err(|error| wrong(&backup, &error))?;
    let folder = path.parent().unwrap_or(path);
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| wrong(folder, &error))
}

/// All steps in one transaction.
fn upgrade(connection: &mut Connection, format: &Format, found: i32) -> Result<(), DatabaseError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(found).unwrap_or_default();
    for step in format.steps.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", format.application)?;
    transaction.pragma_update(None, "user_version", format.newest())?;
    transaction.commit()?;
    Ok(())
}
