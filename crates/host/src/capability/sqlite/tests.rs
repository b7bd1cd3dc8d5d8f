//! Statements as a guest may write them, and as one may that means harm.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::link::Link;
use super::{Datum, Exchange, Failure, Session};

const PLENTY: u64 = 64 << 20;

struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn link(&self) -> Arc<Link> {
        self.link_with(PLENTY).await
    }

    async fn link_with(&self, quota: u64) -> Arc<Link> {
        let exchange = Exchange::new(self.folder.path(), "shop", quota);
        Arc::new(exchange).connect().await.unwrap()
    }
}

async fn run(link: &Link, text: &str) -> Result<u64, Failure> {
    Ok(link
        .execute(None, text.to_owned(), Vec::new())
        .await?
        .affected)
}

async fn rows(link: &Link, text: &str) -> Result<Vec<Vec<Datum>>, Failure> {
    Ok(link.query(None, text.to_owned(), Vec::new()).await?.rows)
}

fn number(number: i64) -> Vec<Vec<Datum>> {
    vec![vec![Datum::Integer(number)]]
}

/// A query that never ends.
const ENDLESS: &str =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

#[tokio::test]
async fn no_statement_reaches_another_file_however_it_is_written() {
    let site = Site::new();
    let link = site.link().await;
    run(&link, "CREATE TABLE t (a)").await.unwrap();
    let other = site.folder.path().join("other.db");
    let other = other.display();

    for text in [
        format!("ATTACH '{other}' AS o"),
        format!("attach database '{other}' as o"),
        format!("/**/aTtAcH/**/DATABASE('{other}')AS\no"),
        "ATTACH '' AS o".to_owned(),
        "ATTACH ':memory:' AS o".to_owned(),
        format!("ATTACH 'file:{other}?mode=rwc' AS o"),
        "DETACH main".to_owned(),
        "VACUUM".to_owned(),
        format!("VACUUM INTO '{other}'"),
        format!("vacuum main into '{other}'"),
        "SELECT load_extension('/tmp/x.so')".to_owned(),
        "SELECT fts3_tokenizer('simple')".to_owned(),
        "PRAGMA temp_store_directory = '/tmp'".to_owned(),
        "PRAGMA data_store_directory = '/tmp'".to_owned(),
        "pragma main . journal_mode = DELETE".to_owned(),
        "PRAGMA max_page_count = 1000000".to_owned(),
        "PRAGMA hard_heap_limit = 0".to_owned(),
        "PRAGMA writable_schema = ON".to_owned(),
        "PRAGMA trusted_schema(ON)".to_owned(),
        "PRAGMA mmap_size = 1000000000".to_owned(),
        "PRAGMA cache_size = -1000000".to_owned(),
        "PRAGMA locking_mode = EXCLUSIVE".to_owned(),
        "PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
        "PRAGMA synchronous = OFF".to_owned(),
        "PRAGMA database_list".to_owned(),
        "SELECT file FROM pragma_database_list".to_owned(),
        "CREATE TEMP TABLE x (a)".to_owned(),
        "CREATE TABLE temp.x (a)".to_owned(),
        "CREATE VIEW TEMP.x AS SELECT 1".to_owned(),
        "CREATE VIRTUAL TABLE temp.x USING fts5(a)".to_owned(),
        "CREATE TRIGGER temp.x AFTER INSERT ON main.t BEGIN SELECT 1; END".to_owned(),
        "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')".to_owned(),
        "CREATE VIRTUAL TABLE x USING dbstat".to_owned(),
    ] {
        let result = run(&link, &text).await;

        assert!(
            matches!(result, Err(Failure::Refused(_))),
            "{text}: {result:?}"
        );
        let found = rows(&link, &text).await;
        assert!(
            matches!(found, Err(Failure::Refused(_))),
            "{text}: {found:?}"
        );
    }
    let update = run(&link, "UPDATE sqlite_schema SET sql = ''").await;
    assert!(matches!(update, Err(Failure::Invalid(1, _))), "{update:?}");
    assert_eq!(std::fs::read_dir(site.folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_tells_of_the_database_and_what_belongs_to_it_may_be_asked_and_set() {
    let site = Site::new();
    let link = site.link().await;
    for text in [
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b REFERENCES t)",
        "CREATE INDEX i ON t (b)",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET b = NULL WHERE a = new.a; END",
        "CREATE VIRTUAL TABLE f USING fts5(words)",
        "ALTER TABLE t ADD COLUMN c",
        "ALTER TABLE t RENAME COLUMN c TO d",
        "ALTER TABLE t DROP COLUMN d",
        "ANALYZE",
        "REINDEX",
        "PRAGMA user_version = 7",
        "PRAGMA foreign_keys = OFF",
        "SAVEPOINT s",
        "RELEASE s",
    ] {
        run(&link, text)
            .await
            .unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
    }

    assert_eq!(rows(&link, "PRAGMA user_version").await.unwrap(), number(7));
    assert_eq!(rows(&link, "PRAGMA table_info(t)").await.unwrap().len(), 2);
    assert_eq!(
        rows(&link, "SELECT name FROM pragma_index_list('t')")
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        rows(&link, "SELECT json_extract('[3]', '$[0]')")
            .await
            .unwrap(),
        number(3)
    );
    drop(link);
    let next = site.link().await;
    assert_eq!(rows(&next, "PRAGMA user_version").await.unwrap(), number(7));
}

#[tokio::test]
async fn a_statement_that_never_ends_is_ended_and_its_neighbours_are_served() {
    let site = Site::new();
    let (link, neighbour) = (site.link().await, site.link().await);
    run(&neighbour, "CREATE TABLE t (a)").await.unwrap();
    let started = Instant::now();
    let endless = tokio::spawn(async move { (rows(&link, ENDLESS).await, link) });

    let mut served = 0;
    while !endless.is_finished() {
        run(&neighbour, "INSERT INTO t VALUES (1)").await.unwrap();
        served += 1;
    }

    let (ended, link) = endless.await.unwrap();
    assert_eq!(ended, Err(Failure::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(served > 10, "only {served} in all this time");
    assert_eq!(rows(&link, "SELECT 1").await.unwrap(), number(1));
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_ends_at_once() {
    let site = Site::new();
    let link = site.link().await;
    let started = Instant::now();

    let waited = tokio::time::timeout(Duration::from_millis(50), rows(&link, ENDLESS)).await;
    assert!(waited.is_err());
    let next = rows(&link, "SELECT 1").await;

    assert_eq!(next.unwrap(), number(1));
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "the endless one held the connection"
    );
}

#[tokio::test]
async fn what_needs_more_memory_than_there_is_fails_alone() {
    let site = Site::new();
    let (link, neighbour) = (site.link().await, site.link().await);
    let hog = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)
        SELECT length(group_concat(b, '')) FROM (SELECT randomblob(900000) AS b FROM c ORDER BY random())";

    let hogged = rows(&link, hog).await;

    assert!(
        matches!(hogged, Err(Failure::TooLarge(_) | Failure::TimedOut)),
        "{hogged:?}"
    );
    assert_eq!(rows(&neighbour, "SELECT 1").await.unwrap(), number(1));
    assert_eq!(rows(&link, "SELECT 1").await.unwrap(), number(1));
}

#[tokio::test]
async fn a_database_grows_to_its_quota_and_no_further() {
    let site = Site::new();
    let link = site.link_with(1 << 20).await;
    run(&link, "CREATE TABLE t (a)").await.unwrap();
    let mut last = Ok(0);

    for _ in 0..20 {
        last = run(&link, "INSERT INTO t VALUES (randomblob(100000))").await;
    }

    assert_eq!(last, Err(Failure::Full));
    run(&link, "DELETE FROM t").await.unwrap();
    run(&link, "INSERT INTO t VALUES (randomblob(100000))")
        .await
        .unwrap();
    drop(link);
    let bytes = size_of_files(&site.folder.path().join("sqlite"));
    assert!(bytes < 6 << 20, "{bytes} bytes");
}

fn size_of_files(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[tokio::test]
async fn the_next_guest_gets_a_connection_as_new() {
    let site = Site::new();
    let link = site.link().await;
    run(&link, "PRAGMA foreign_keys = OFF").await.unwrap();
    assert_eq!(rows(&link, "PRAGMA foreign_keys").await.unwrap(), number(0));
    drop(link);

    let next = site.link().await;

    assert_eq!(rows(&next, "PRAGMA foreign_keys").await.unwrap(), number(1));
}
