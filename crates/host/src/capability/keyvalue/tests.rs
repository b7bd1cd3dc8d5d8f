//! What a guest sees of its stores, whatever they are kept in.

use super::*;
use crate::capability::stores::Room;
use crate::capability::stores::guest::{GRANTED, Guest};
use crate::capability::stores::site::{PLENTY, Site, on_each_backend};

on_each_backend!(
    a_guest_keeps_a_value_and_swaps_it,
    a_full_store_is_told_to_the_guest_and_counted,
    a_store_that_is_not_granted_is_denied,
);

async fn open(guest: &mut Guest, name: &str) -> Result<Resource<Bucket>, Error> {
    interface::Host::open(guest.state(), name.into())
        .await
        .unwrap()
}

/// The handle again, as each call of a guest brings it.
fn again<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_own(handle.rep())
}

async fn set(
    guest: &mut Guest,
    bucket: &Resource<Bucket>,
    key: &str,
    size: usize,
) -> Result<(), Error> {
    let (bucket, value) = (again(bucket), vec![b'x'; size]);
    let set = interface::HostBucket::set(guest.state(), bucket, key.into(), value);
    set.await.unwrap()
}

async fn get(guest: &mut Guest, bucket: &Resource<Bucket>, key: &str) -> Option<Vec<u8>> {
    let get = interface::HostBucket::get(guest.state(), again(bucket), key.into());
    get.await.unwrap().unwrap()
}

async fn a_guest_keeps_a_value_and_swaps_it(site: impl Site) {
    let mut guest = Guest::new(&site, PLENTY);
    let bucket = open(&mut guest, GRANTED).await.unwrap();

    set(&mut guest, &bucket, "a", 3).await.unwrap();
    let cas = atomics::HostCas::new(guest.state(), again(&bucket), "a".into());
    let cas = cas.await.unwrap().unwrap();
    set(&mut guest, &bucket, "a", 4).await.unwrap();
    let failed = atomics::Host::swap(guest.state(), cas, b"late".to_vec()).await;
    let Err(CasError::CasFailed(cas)) = failed.unwrap() else {
        panic!("another value has come between");
    };
    assert_eq!(get(&mut guest, &bucket, "a").await.unwrap(), b"xxxx");
    let swapped = atomics::Host::swap(guest.state(), cas, b"swapped".to_vec()).await;

    assert!(swapped.unwrap().is_ok());
    assert_eq!(get(&mut guest, &bucket, "a").await.unwrap(), b"swapped");
}

async fn a_full_store_is_told_to_the_guest_and_counted(site: impl Site) {
    let room = Room {
        store: 256 << 10,
        ..PLENTY
    };
    let mut guest = Guest::new(&site, room);
    let bucket = open(&mut guest, GRANTED).await.unwrap();

    set(&mut guest, &bucket, "a", 180 << 10).await.unwrap();
    assert_eq!(guest.count("store_exceeded"), 0);
    let full = set(&mut guest, &bucket, "b", 180 << 10).await;
    let full_too = set(&mut guest, &bucket, "c", 180 << 10).await;

    let told = "there is no room: a store may have 262144 bytes on disk (limits.store)";
    assert!(
        matches!(&full, Err(Error::Other(message)) if message == told),
        "{full:?}"
    );
    assert!(full_too.is_err());
    assert_eq!(guest.count("store_exceeded"), 2);
}

async fn a_store_that_is_not_granted_is_denied(site: impl Site) {
    let mut guest = Guest::new(&site, PLENTY);

    let denied = open(&mut guest, "other").await;

    assert!(matches!(denied, Err(Error::AccessDenied)));
    assert_eq!(guest.denied()[0]["target"], "other");
}
