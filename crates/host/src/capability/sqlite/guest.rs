//! What a guest sees of its databases, whatever they are kept in.

use super::*;
use crate::capability::stores::Room;
use crate::capability::stores::guest::{GRANTED, Guest};
use crate::capability::stores::site::{PLENTY, Site, on_local_backends};

on_local_backends!(
    a_guest_sees_what_it_has_written,
    a_full_database_is_told_to_the_guest_and_counted,
    a_database_that_is_not_granted_is_denied,
);

/// A connection of a guest, with its handle.
struct Connected(Guest, u32);

impl Connected {
    async fn new(site: &impl Site, room: Room) -> Self {
        let mut guest = Guest::new(site, room);
        let opened = interface::HostConnection::open(guest.state(), GRANTED.into()).await;
        let connection = opened.unwrap().unwrap();
        Self(guest, connection.rep())
    }

    async fn execute(&mut self, statement: &str) -> Result<Outcome, Error> {
        let (state, handle) = (self.0.state(), Resource::new_own(self.1));
        let done = interface::HostConnection::execute(state, handle, statement.into(), vec![]);
        done.await.unwrap()
    }

    async fn query(&mut self, statement: &str) -> Result<Answer, Error> {
        let (state, handle) = (self.0.state(), Resource::new_own(self.1));
        let found = interface::HostConnection::query(state, handle, statement.into(), vec![]);
        found.await.unwrap()
    }
}

async fn a_guest_sees_what_it_has_written(site: impl Site) {
    let mut guest = Connected::new(&site, PLENTY).await;

    guest.execute("CREATE TABLE t (a)").await.unwrap();
    let done = guest.execute("INSERT INTO t VALUES (7)").await.unwrap();
    let found = guest.query("SELECT a FROM t").await.unwrap();

    assert_eq!((done.affected, done.last_rowid), (1, 1));
    assert_eq!(found.columns, ["a"]);
    assert!(matches!(found.rows[..], [ref row] if matches!(row[..], [Value::Integer(7)])));
}

async fn a_full_database_is_told_to_the_guest_and_counted(site: impl Site) {
    let room = Room {
        store: 1 << 20,
        ..PLENTY
    };
    let mut guest = Connected::new(&site, room).await;
    guest.execute("CREATE TABLE t (a)").await.unwrap();
    let insert = "INSERT INTO t VALUES (randomblob(600000))";

    guest.execute(insert).await.unwrap();
    assert_eq!(guest.0.count("store_exceeded"), 0);
    let full = guest.execute(insert).await;

    assert!(matches!(full, Err(Error::Full)), "{full:?}");
    assert_eq!(guest.0.count("store_exceeded"), 1);
}

async fn a_database_that_is_not_granted_is_denied(site: impl Site) {
    let mut guest = Guest::new(&site, PLENTY);

    let denied = interface::HostConnection::open(guest.state(), "other".into()).await;

    assert!(matches!(denied.unwrap(), Err(Error::AccessDenied)));
    assert_eq!(guest.denied()[0]["target"], "other");
}
