use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::capability::database::{Place, open};
use crate::capability::keyvalue::store::{KeyValue, Listing};

const ROOM: u64 = 16 << 20;

fn place(folder: &Path) -> Place {
    Place {
        state: folder.to_owned(),
        kind: "keyvalue",
        name: "default".into(),
    }
}

/// One step of a guest, or of time.
#[derive(Clone, Debug)]
enum Step {
    Set(String, Vec<u8>, Option<u16>),
    Delete(String),
    Increment(String, i64),
    /// With the version that the key has, or with another.
    Swap(String, bool, Vec<u8>, Option<u16>),
    List(String, usize),
    Sweep(usize),
    Pass(u16),
}

fn key() -> impl Strategy<Value = String> {
    // Few, so that they meet; with what could go wrong in comparing and in prefixes.
    "[ab\u{0}é\u{10ffff}%]{1,3}"
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (-9..9_i64).prop_map(|number| number.to_string().into_bytes()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let lifetime = proptest::option::of(1..500_u16);
    prop_oneof![
        3 => (key(), value(), lifetime.clone()).prop_map(|(key, value, lifetime)| Step::Set(key, value, lifetime)),
        1 => key().prop_map(Step::Delete),
        2 => (key(), prop_oneof![-9..9_i64, any::<i64>()]).prop_map(|(key, delta)| Step::Increment(key, delta)),
        2 => (key(), any::<bool>(), value(), lifetime)
            .prop_map(|(key, right, value, lifetime)| Step::Swap(key, right, value, lifetime)),
        2 => ("[ab\u{0}é%]{0,2}", 1..4_usize).prop_map(|(prefix, limit)| Step::List(prefix, limit)),
        1 => (0..5_usize).prop_map(Step::Sweep),
        2 => (0..300_u16).prop_map(Step::Pass),
    ]
}

/// What a store should hold: values with when they expire.
#[derive(Default)]
struct Model {
    now: Moment,
    entries: BTreeMap<String, (Vec<u8>, Option<Moment>)>,
}

impl Model {
    fn get(&self, key: &str) -> Option<&(Vec<u8>, Option<Moment>)> {
        let entry = self.entries.get(key)?;
        (entry.1.is_none_or(|expires| expires > self.now)).then_some(entry)
    }

    fn set(&mut self, key: String, value: Vec<u8>, lifetime: Option<u16>) -> Option<Moment> {
        let expires = lifetime.map(|lifetime| self.now + Moment::from(lifetime));
        self.entries.insert(key, (value, expires));
        expires
    }

    fn sum(&self, key: &str, delta: i64) -> Option<i64> {
        let Some((value, _)) = self.get(key) else {
            return Some(delta);
        };
        let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        number.checked_add(delta)
    }
}

/// Does a step in the store and in the model, and compares what comes of it.
fn take(connection: &Connection, model: &mut Model, step: Step) {
    let now = model.now;
    match step {
        Step::Set(key, value, lifetime) => {
            let expires = model.set(key.clone(), value.clone(), lifetime);
            set(connection, &key, &value, expires).unwrap();
        }
        Step::Delete(key) => {
            model.entries.remove(&key);
            delete(connection, &key).unwrap();
        }
        Step::Increment(key, delta) => {
            let sum = model.sum(&key, delta);
            let expires = model.get(&key).and_then(|(_, expires)| *expires);
            let given = increment(connection, &key, delta, now).unwrap();
            assert_eq!(given.ok(), sum);
            if let Some(sum) = sum {
                model
                    .entries
                    .insert(key, (sum.to_string().into_bytes(), expires));
            }
        }
        Step::Swap(key, right, value, lifetime) => {
            let found = version(connection, &key, now).unwrap();
            assert_eq!(found.is_some(), model.get(&key).is_some());
            let expected = if right {
                found
            } else {
                Some(found.unwrap_or_default() ^ 1)
            };
            let expires = lifetime.map(|lifetime| now + Moment::from(lifetime));
            let swapped = swap(connection, (&key, expected), &value, expires, now).unwrap();
            match swapped {
                Ok(new) => {
                    assert!(right && Some(new) != found);
                    model.set(key, value, lifetime);
                }
                Err(other) => assert!(!right && other == found),
            }
        }
        Step::List(prefix, limit) => assert_eq!(
            all_pages(connection, &prefix, limit, now),
            model
                .entries
                .keys()
                .filter(|key| key.starts_with(&prefix) && model.get(key).is_some())
                .cloned()
                .collect::<Vec<_>>()
        ),
        Step::Sweep(most) => {
            assert!(sweep(connection, most, now).unwrap() <= most);
        }
        Step::Pass(time) => model.now += Moment::from(time),
    }
}

fn all_pages(connection: &Connection, prefix: &str, limit: usize, now: Moment) -> Vec<String> {
    let mut listing = Listing {
        prefix: prefix.into(),
        after: None,
        limit,
    };
    let mut keys = Vec::new();
    loop {
        let page = list(connection, &listing, now).unwrap();
        assert!(page.keys.len() <= limit);
        listing.after = page.keys.last().cloned();
        keys.extend(page.keys);
        if !page.more {
            return keys;
        }
    }
}

fn check(connection: &Connection, model: &Model) {
    let keys: Vec<_> = model.entries.keys().cloned().collect();
    let entries = get(connection, &keys, model.now).unwrap().unwrap();
    for (key, entry) in keys.iter().zip(entries) {
        let left = |expires: Moment| Duration::from_millis((expires - model.now).unsigned_abs());
        let expected = model.get(key);
        let expected = expected.map(|(value, expires)| (value.clone(), expires.map(left)));
        assert_eq!(
            entry.map(|entry| (entry.value, entry.left)),
            expected,
            "{key:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_store_is_a_map_whose_entries_may_expire(steps in proptest::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&place(folder.path()), &FORMAT, ROOM).unwrap();
        // A property is about what is stored, not about the disk.
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let mut model = Model::default();

        for step in steps {
            take(&connection, &mut model, step);
            check(&connection, &model);
        }

        sweep(&connection, usize::MAX, model.now).unwrap();
        let rows: i64 = connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(usize::try_from(rows).unwrap(), model.entries.keys().filter(|key| model.get(key).is_some()).count());
    }
}

#[tokio::test]
async fn a_store_that_is_full_of_what_has_expired_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::new(folder.path(), "default", 256 << 10);
    let fill = |connection: &Connection| {
        for number in 0..150 {
            set(connection, &format!("old-{number}"), &[b'x'; 1000], Some(1))?;
        }
        Ok(())
    };
    store.database.write(fill).await.unwrap();
    let large = vec![b'y'; 180 << 10];

    store
        .set(vec![("new".into(), large.clone())], None)
        .await
        .unwrap();

    let entries = store.get(vec!["new".into()]).await.unwrap();
    assert_eq!(entries[0].as_ref().unwrap().value, large);
    let more = store.set(vec![("more".into(), large)], None).await;
    assert_eq!(more, Err(StoreError::Full(256 << 10)));
}
