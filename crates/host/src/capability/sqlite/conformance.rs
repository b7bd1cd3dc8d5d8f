//! What every database does, wherever it is kept.

use std::sync::Arc;

use super::store::{Datum, Failure, Session};
use crate::capability::stores::Room;
use crate::capability::stores::site::{PLENTY, Site, on_local_backends};

on_local_backends!(
    values_of_every_type_come_back_as_they_were,
    what_is_wrong_is_told_in_the_words_of_sqlite,
    a_text_holds_one_statement_and_a_flood_of_them_overflows_nothing,
    an_answer_has_so_many_rows_and_bytes_and_no_value_is_huge,
    a_transaction_is_all_or_nothing,
    what_a_guest_left_open_is_rolled_back_and_waits_for_nobody,
    a_writer_that_waits_too_long_is_told_and_nothing_is_changed,
    a_database_takes_no_more_than_its_quota_and_has_room_again_after_a_delete,
    databases_of_other_names_are_other_databases,
);

async fn connect(site: &impl Site) -> Arc<dyn Session> {
    site.stores(PLENTY).connect("shop").await.unwrap()
}

async fn run(session: &Arc<dyn Session>, text: &str) -> Result<u64, Failure> {
    let done = session.execute(None, text.to_owned(), Vec::new()).await;
    Ok(done?.affected)
}

async fn rows(session: &Arc<dyn Session>, text: &str) -> Result<Vec<Vec<Datum>>, Failure> {
    let found = session.query(None, text.to_owned(), Vec::new()).await;
    Ok(found?.rows)
}

fn number(number: i64) -> Vec<Vec<Datum>> {
    vec![vec![Datum::Integer(number)]]
}

async fn values_of_every_type_come_back_as_they_were(site: impl Site) {
    let session = connect(&site).await;
    run(&session, "CREATE TABLE t (a, b, c, d, e)")
        .await
        .unwrap();
    let values = vec![
        Datum::Null,
        Datum::Integer(i64::MIN),
        Datum::Real(-0.5),
        Datum::Text("ä\0'; DROP TABLE t --".into()),
        Datum::Blob(vec![0, 255]),
    ];

    let insert = "INSERT INTO t VALUES (?, ?, ?, ?, ?)".to_owned();
    let done = session.execute(None, insert, values.clone()).await.unwrap();
    let found = session
        .query(None, "SELECT * FROM t".into(), vec![])
        .await
        .unwrap();

    assert_eq!((done.affected, done.last_rowid), (1, 1));
    assert_eq!(found.columns, ["a", "b", "c", "d", "e"]);
    assert_eq!(found.rows, [values]);
}

async fn what_is_wrong_is_told_in_the_words_of_sqlite(site: impl Site) {
    let session = connect(&site).await;
    run(&session, "CREATE TABLE t (a UNIQUE)").await.unwrap();
    run(&session, "INSERT INTO t VALUES (1)").await.unwrap();

    let nonsense = run(&session, "SELEC 1").await;
    let absent = run(&session, "SELECT * FROM absent").await;
    let twice = run(&session, "INSERT INTO t VALUES (1)").await;
    let lacking = run(&session, "INSERT INTO t VALUES (?)").await;
    let nothing = run(&session, " -- nothing").await;

    assert!(matches!(nonsense, Err(Failure::Invalid(1, m)) if m == "near \"SELEC\": syntax error"));
    assert!(matches!(absent, Err(Failure::Invalid(1, m)) if m == "no such table: absent"));
    assert!(matches!(twice, Err(Failure::Constraint(2067, m)) if m.contains("UNIQUE")));
    assert!(matches!(lacking, Err(Failure::Invalid(25, m)) if m.starts_with("0 parameters")));
    assert!(matches!(nothing, Err(Failure::Invalid(1, m)) if m == "there is no statement"));
}

async fn a_text_holds_one_statement_and_a_flood_of_them_overflows_nothing(site: impl Site) {
    let session = connect(&site).await;

    let two = run(&session, "SELECT 1; SELECT 2").await;
    let hidden = run(&session, "SELECT 1; /* */ ATTACH '' AS o").await;
    let flood = run(&session, &"SELECT 1;".repeat(100_000)).await;
    let deep = run(
        &session,
        &format!("SELECT {}1{}", "(".repeat(9000), ")".repeat(9000)),
    )
    .await;

    for result in [two, hidden, flood] {
        assert_eq!(
            result,
            Err(Failure::Refused("it is more than one statement".into()))
        );
    }
    assert!(matches!(deep, Err(Failure::Invalid(..))), "{deep:?}");
    assert_eq!(
        rows(&session, "SELECT 1; -- one\n ;").await.unwrap(),
        number(1)
    );
}

async fn an_answer_has_so_many_rows_and_bytes_and_no_value_is_huge(site: impl Site) {
    let session = connect(&site).await;
    let count = |most: u64| {
        format!(
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {most}) SELECT n, zeroblob(?) FROM c"
        )
    };
    let ask = async |most, bytes| {
        let parameters = vec![Datum::Integer(bytes)];
        Ok::<_, Failure>(
            session
                .query(None, count(most), parameters)
                .await?
                .rows
                .len(),
        )
    };

    assert_eq!(ask(10_000, 0).await, Ok(10_000));
    let rows = ask(10_001, 0).await;
    assert_eq!(
        rows,
        Err(Failure::TooLarge(
            "the answer has more than 10000 rows".into()
        ))
    );
    assert_eq!(ask(16, 1_000_000).await, Ok(16));
    let bytes = ask(17, 1_000_000).await;
    assert_eq!(
        bytes,
        Err(Failure::TooLarge(
            "the answer has more than 16777216 bytes".into()
        ))
    );
    let value = ask(1, 2_000_000).await;
    assert!(matches!(value, Err(Failure::TooLarge(_))), "{value:?}");
}

async fn a_transaction_is_all_or_nothing(site: impl Site) {
    let (session, other) = (connect(&site).await, connect(&site).await);
    run(&session, "CREATE TABLE t (a)").await.unwrap();
    let insert = || "INSERT INTO t VALUES (1)".to_owned();
    let count =
        async |session: &Arc<dyn Session>| rows(session, "SELECT count(*) FROM t").await.unwrap();

    let first = session.begin().await.unwrap();
    session
        .execute(Some(first), insert(), vec![])
        .await
        .unwrap();
    // Whoever looks meanwhile sees what was before, or waits until it is over.
    let (seen, ended) = tokio::join!(count(&other), session.end(first, false));
    ended.unwrap();
    assert_eq!(seen, number(0));
    assert_eq!(count(&other).await, number(0));
    let second = session.begin().await.unwrap();
    session
        .execute(Some(second), insert(), vec![])
        .await
        .unwrap();
    let stale = session.execute(Some(first), insert(), vec![]).await;
    assert_eq!(
        stale,
        Err(Failure::Other("the transaction has ended".into()))
    );
    assert!(
        matches!(session.begin().await, Err(Failure::Other(_))),
        "one at a time"
    );
    session.end(second, true).await.unwrap();

    assert_eq!(count(&other).await, number(1));
    assert!(matches!(
        session.end(second, true).await,
        Err(Failure::Other(_))
    ));
}

async fn what_a_guest_left_open_is_rolled_back_and_waits_for_nobody(site: impl Site) {
    let (session, other) = (connect(&site).await, connect(&site).await);
    run(&session, "CREATE TABLE t (a)").await.unwrap();
    run(&session, "BEGIN IMMEDIATE").await.unwrap();
    run(&session, "INSERT INTO t VALUES (1)").await.unwrap();

    drop(session);

    run(&other, "INSERT INTO t VALUES (2)").await.unwrap();
    assert_eq!(rows(&other, "SELECT a FROM t").await.unwrap(), number(2));
}

async fn a_writer_that_waits_too_long_is_told_and_nothing_is_changed(site: impl Site) {
    let (session, other) = (connect(&site).await, connect(&site).await);
    run(&session, "CREATE TABLE t (a)").await.unwrap();
    let held = session.begin().await.unwrap();

    let waited = run(&other, "INSERT INTO t VALUES (1)").await;
    session.end(held, true).await.unwrap();

    assert_eq!(waited, Err(Failure::Busy));
    run(&other, "INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(
        rows(&other, "SELECT count(*) FROM t").await.unwrap(),
        number(1)
    );
}

async fn a_database_takes_no_more_than_its_quota_and_has_room_again_after_a_delete(
    site: impl Site,
) {
    let room = Room {
        store: 1 << 20,
        ..PLENTY
    };
    let session = site.stores(room).connect("shop").await.unwrap();
    run(&session, "CREATE TABLE t (a)").await.unwrap();
    let insert = "INSERT INTO t VALUES (randomblob(400000))";
    run(&session, insert).await.unwrap();
    run(&session, insert).await.unwrap();

    let full = run(&session, insert).await;

    assert_eq!(full, Err(Failure::Full));
    let count = rows(&session, "SELECT count(*) FROM t").await;
    assert_eq!(count.unwrap(), number(2));
    run(&session, "DELETE FROM t").await.unwrap();
    run(&session, insert).await.unwrap();
}

async fn databases_of_other_names_are_other_databases(site: impl Site) {
    let stores = site.stores(PLENTY);
    let one = stores.connect("one").await.unwrap();
    let other = stores.connect("other").await.unwrap();

    run(&one, "CREATE TABLE t (a)").await.unwrap();

    let absent = run(&other, "SELECT * FROM t").await;
    assert!(matches!(absent, Err(Failure::Invalid(1, _))), "{absent:?}");
}
