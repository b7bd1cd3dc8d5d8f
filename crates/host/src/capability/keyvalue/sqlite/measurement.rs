//! How long a store takes, for decision 009. Run by hand, on a machine that does nothing else:
//! `cargo test --release --locked -p wisp-host --lib measurement -- --ignored --nocapture`

use std::io::Write;
use std::time::Instant;

use super::*;

const TIME: Duration = Duration::from_secs(1);

/// What one task at a time, or several at once, take for one call after another.
async fn measured<F: Future<Output = ()>>(tasks: usize, call: impl Fn(usize) -> F) -> String {
    let begin = Instant::now();
    let task = |number: usize| {
        let call = &call;
        async move {
            let mut taken = Vec::new();
            while begin.elapsed() < TIME {
                let start = Instant::now();
                call(number * 1_000_000 + taken.len()).await;
                taken.push(start.elapsed());
            }
            taken
        }
    };
    let taken = futures::future::join_all((0..tasks).map(task)).await;
    let mut taken = taken.concat();
    taken.sort_unstable();
    let at = |part: usize| taken[taken.len() * part / 100];
    let a_second = taken.len() as u64 / TIME.as_secs();
    format!("{a_second:>7} a second, p50 {:?}, p99 {:?}", at(50), at(99))
}

#[tokio::test]
#[ignore = "a measurement"]
async fn measurement_of_reading_and_writing() {
    let mut out = std::io::stderr();
    for mode in ["FULL", "NORMAL"] {
        // Not in a folder for temporary files, which may be in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let store = &SqliteStore::new(folder.path(), "default", 1 << 30);
        let setting = move |connection: &Connection| {
            // It cannot be changed within a transaction, and this one has done nothing yet.
            connection.execute_batch(&format!("COMMIT; PRAGMA synchronous = {mode}; BEGIN"))?;
            Ok(())
        };
        store.database.write(setting).await.unwrap();
        for tasks in [1, 8, 64] {
            let set = |number: usize| async move {
                let value = (format!("key-{}", number % 10_000), vec![b'x'; 100]);
                store.set(vec![value], None).await.unwrap();
            };
            let line = measured(tasks, set).await;
            writeln!(out, "{mode:<6} set, {tasks:>2} at once: {line}").unwrap();
            let count = |_| async move {
                store.increment("counted".into(), 1).await.unwrap();
            };
            let line = measured(tasks, count).await;
            writeln!(out, "{mode:<6} increment, {tasks:>2} at once: {line}").unwrap();
            let get = |number: usize| async move {
                let key = format!("key-{}", number % 10_000);
                store.get(vec![key]).await.unwrap();
            };
            let line = measured(tasks, get).await;
            writeln!(out, "{mode:<6} get, {tasks:>2} at once: {line}").unwrap();
        }
    }
}
