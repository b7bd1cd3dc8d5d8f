//! What every key-value store does, wherever it is kept.

use std::sync::Arc;
use std::time::Duration;

use super::store::{KeyValue, Listing, Page, Version};
use crate::capability::stores::site::{PLENTY, Site, on_each_backend};
use crate::capability::stores::{Room, StoreError};

on_each_backend!(
    what_was_set_is_there_for_every_worker_until_it_is_deleted,
    values_come_in_the_order_of_their_keys_and_what_is_missing_is_said,
    a_version_changes_with_each_write_and_never_comes_back,
    a_swap_needs_the_version_that_is_there_and_says_which_that_is,
    only_one_of_many_that_swap_at_once_succeeds,
    increments_from_two_workers_lose_nothing,
    what_is_no_number_is_not_incremented_and_stays,
    keys_are_listed_by_prefix_in_the_order_of_their_bytes_page_by_page,
    a_value_with_a_lifetime_is_forgotten_and_an_increment_does_not_prolong_it,
    a_store_takes_no_more_than_its_quota_and_has_room_again_after_a_delete,
    a_batch_is_set_as_a_whole_and_read_within_bounds,
    stores_of_other_names_are_other_stores,
);

fn store(site: &impl Site) -> Arc<dyn KeyValue> {
    site.stores(PLENTY).keyvalue("default")
}

async fn set(store: &Arc<dyn KeyValue>, key: &str, value: &[u8]) -> Result<(), StoreError> {
    store.set(vec![(key.into(), value.to_vec())], None).await
}

async fn get(store: &Arc<dyn KeyValue>, key: &str) -> Option<Vec<u8>> {
    let mut entries = store.get(vec![key.into()]).await.unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0).map(|entry| entry.value)
}

async fn version(store: &Arc<dyn KeyValue>, key: &str) -> Option<Version> {
    let version = store.version(key.into()).await.unwrap();
    let entry = store.get(vec![key.into()]).await.unwrap().remove(0);
    assert_eq!(entry.map(|entry| entry.version), version);
    version
}

async fn what_was_set_is_there_for_every_worker_until_it_is_deleted(site: impl Site) {
    let (one, other) = (store(&site), store(&site));

    set(&one, "a", b"\0first").await.unwrap();
    assert_eq!(get(&other, "a").await.unwrap(), b"\0first");
    set(&other, "a", b"").await.unwrap();
    assert_eq!(get(&one, "a").await.unwrap(), b"");
    one.delete(vec!["absent".into(), "a".into()]).await.unwrap();

    assert_eq!(get(&other, "a").await, None);
    assert_eq!(version(&other, "a").await, None);
}

async fn values_come_in_the_order_of_their_keys_and_what_is_missing_is_said(site: impl Site) {
    let store = store(&site);
    set(&store, "a", b"1").await.unwrap();
    set(&store, "b", b"2").await.unwrap();

    let keys = ["b", "absent", "a", "b"].map(str::to_owned);
    let entries = store.get(keys.into()).await.unwrap();

    let values: Vec<_> = entries
        .into_iter()
        .map(|entry| entry.map(|entry| entry.value))
        .collect();
    let two = Some(b"2".to_vec());
    assert_eq!(values, [two.clone(), None, Some(b"1".to_vec()), two]);
}

async fn a_version_changes_with_each_write_and_never_comes_back(site: impl Site) {
    let store = store(&site);

    set(&store, "a", b"same").await.unwrap();
    let first = version(&store, "a").await;
    set(&store, "a", b"same").await.unwrap();
    let second = version(&store, "a").await;
    store.delete(vec!["a".into()]).await.unwrap();
    assert_eq!(version(&store, "a").await, None);
    set(&store, "a", b"same").await.unwrap();
    let third = version(&store, "a").await;

    assert!(first != second && second != third && first != third);
    let late = store.swap("a".into(), first, b"late".to_vec(), None).await;
    assert_eq!(late.unwrap(), Err(third));
}

async fn a_swap_needs_the_version_that_is_there_and_says_which_that_is(site: impl Site) {
    let store = store(&site);
    let swap = async |expected, value: &str| {
        let value = value.as_bytes().to_vec();
        store.swap("a".into(), expected, value, None).await.unwrap()
    };

    let absent = swap(Some(1), "wrong").await;
    let first = swap(None, "first").await.unwrap();
    let again = swap(None, "wrong").await;
    let second = swap(Some(first), "second").await.unwrap();

    assert_eq!(absent, Err(None));
    assert_eq!(again, Err(Some(first)));
    assert_eq!(version(&store, "a").await, Some(second));
    assert_eq!(get(&store, "a").await.unwrap(), b"second");
}

async fn only_one_of_many_that_swap_at_once_succeeds(site: impl Site) {
    let stores = [store(&site), store(&site)];
    set(&stores[0], "a", b"before").await.unwrap();
    let known = version(&stores[0], "a").await;

    let swaps = (0..20_usize).map(|number| {
        let value = number.to_string().into_bytes();
        stores[number % 2].swap("a".into(), known, value, None)
    });
    let swapped = futures::future::join_all(swaps).await;

    let swapped: Vec<_> = swapped.into_iter().map(Result::unwrap).collect();
    let winner = swapped.iter().position(Result::is_ok).unwrap();
    let there = version(&stores[1], "a").await;
    assert_eq!(swapped[winner].ok(), there);
    assert_eq!(swapped.iter().filter(|swap| swap.is_ok()).count(), 1);
    assert!(
        swapped
            .iter()
            .all(|swap| swap.is_ok() || *swap == Err(there))
    );
    let kept = get(&stores[1], "a").await.unwrap();
    assert_eq!(kept, winner.to_string().into_bytes());
}

async fn increments_from_two_workers_lose_nothing(site: impl Site) {
    let stores = [store(&site), store(&site)];

    let sums = (0..100_usize).map(|number| stores[number % 2].increment("n".into(), 1));
    let sums = futures::future::join_all(sums).await;

    let mut sums: Vec<_> = sums.into_iter().map(Result::unwrap).collect();
    sums.sort_unstable();
    assert_eq!(sums, (1..=100).collect::<Vec<_>>());
    assert_eq!(get(&stores[0], "n").await.unwrap(), b"100");
    assert_eq!(stores[1].increment("n".into(), -101).await, Ok(-1));
}

async fn what_is_no_number_is_not_incremented_and_stays(site: impl Site) {
    let store = store(&site);
    set(&store, "text", b"twelve").await.unwrap();
    set(&store, "most", i64::MAX.to_string().as_bytes())
        .await
        .unwrap();

    let text = store.increment("text".into(), 1).await;
    let most = store.increment("most".into(), 1).await;

    let refused = |message: &str| Err(StoreError::Refused(message.into()));
    assert_eq!(
        text,
        refused("the value is not a decimal number of 64 bits")
    );
    assert_eq!(most, refused("the sum has more than 64 bits"));
    assert_eq!(get(&store, "text").await.unwrap(), b"twelve");
}

async fn keys_are_listed_by_prefix_in_the_order_of_their_bytes_page_by_page(site: impl Site) {
    let store = store(&site);
    for key in ["b", "a/é", "a/b", "a", "a/\u{10ffff}", "a0", "a/B"] {
        set(&store, key, b"").await.unwrap();
    }
    let list = async |prefix: &str, after: Option<&str>, limit| {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let listing = Listing {
            prefix,
            after,
            limit,
        };
        store.list(listing).await.unwrap()
    };

    let page = |keys: &[&str], more| Page {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        more,
    };
    let all = ["a", "a/B", "a/b", "a/é", "a/\u{10ffff}", "a0", "b"];
    assert_eq!(list("", None, 7).await, page(&all, false));
    assert_eq!(list("a/", None, 2).await, page(&all[1..3], true));
    assert_eq!(list("a/", Some("a/b"), 2).await, page(&all[3..5], false));
    assert_eq!(list("a/", Some("b"), 2).await, page(&[], false));
    assert_eq!(list("c", None, 2).await, page(&[], false));
}

async fn a_value_with_a_lifetime_is_forgotten_and_an_increment_does_not_prolong_it(
    site: impl Site,
) {
    let store = store(&site);
    let lifetime = Duration::from_mins(1);
    let long = vec![("long".to_owned(), b"1".to_vec())];
    store.set(long, Some(lifetime)).await.unwrap();
    store.increment("long".into(), 1).await.unwrap();
    let short = vec![("short".to_owned(), b"1".to_vec())];
    store
        .set(short, Some(Duration::from_millis(1)))
        .await
        .unwrap();

    while get(&store, "short").await.is_some() {
        tokio::task::yield_now().await;
    }

    assert_eq!(version(&store, "short").await, None);
    let keys = store
        .list(Listing {
            limit: 9,
            ..Listing::default()
        })
        .await
        .unwrap()
        .keys;
    assert_eq!(keys, ["long"]);
    let fresh = store.swap("short".into(), None, Vec::new(), None).await;
    assert!(fresh.unwrap().is_ok());
    let mut entries = store
        .get(vec!["long".into(), "short".into()])
        .await
        .unwrap();
    assert_eq!(entries.remove(1).unwrap().left, None);
    let left = entries.remove(0).unwrap().left.unwrap();
    assert!(left <= lifetime && left > lifetime / 2, "{left:?}");
}

async fn a_store_takes_no_more_than_its_quota_and_has_room_again_after_a_delete(site: impl Site) {
    let room = Room {
        store: 256 << 10,
        ..PLENTY
    };
    let store = site.stores(room).keyvalue("default");
    let large = vec![b'x'; 180 << 10];
    set(&store, "a", &large).await.unwrap();

    let full = set(&store, "b", &large).await;
    let swapped = store.swap("b".into(), None, large.clone(), None).await;

    assert_eq!(full, Err(StoreError::Full(256 << 10)));
    assert_eq!(swapped, Err(StoreError::Full(256 << 10)));
    assert_eq!(get(&store, "b").await, None);
    assert_eq!(get(&store, "a").await.as_ref(), Some(&large));
    store.delete(vec!["a".into()]).await.unwrap();
    set(&store, "b", &large).await.unwrap();
}

async fn a_batch_is_set_as_a_whole_and_read_within_bounds(site: impl Site) {
    let room = Room {
        store: 64 << 20,
        ..PLENTY
    };
    let store = site.stores(room).keyvalue("default");
    let values = |count: usize| -> Vec<_> {
        let value = |number: usize| (number.to_string(), vec![b'x'; 6 << 20]);
        (0..count).map(value).collect()
    };

    store.set(values(3), None).await.unwrap();

    let keys = |count: usize| (0..count).map(|number| number.to_string()).collect();
    assert_eq!(store.get(keys(2)).await.unwrap().len(), 2);
    let message = "the values have more than 16777216 bytes together";
    let much = store.get(keys(3)).await;
    assert_eq!(much, Err(StoreError::Refused(message.into())));
    // The last one does not fit, so none of them is set.
    let full = store.set(values(12), None).await;
    assert_eq!(full, Err(StoreError::Full(64 << 20)));
    assert_eq!(version(&store, "3").await, None);
}

async fn stores_of_other_names_are_other_stores(site: impl Site) {
    let stores = site.stores(PLENTY);
    let (one, other) = (stores.keyvalue("one"), stores.keyvalue("other"));

    set(&one, "a", b"1").await.unwrap();

    assert_eq!(get(&other, "a").await, None);
}
