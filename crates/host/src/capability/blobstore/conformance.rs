//! What containers of blobs do, wherever they are kept.

use std::sync::Arc;

use bytes::Bytes;

use super::store::{BlobError, Blobs, Place, Span};
use crate::capability::stores::Room;
use crate::capability::stores::site::{PLENTY, Site, on_each_backend};

on_each_backend!(
    a_container_is_there_from_its_making_to_its_removal,
    an_object_is_there_as_a_whole_when_it_is_finished_and_not_before,
    an_object_that_is_being_read_stays_what_it_was,
    a_part_ends_where_the_object_does,
    an_object_is_read_in_pieces_of_the_size_that_is_asked_for,
    every_name_is_listed_once_some_at_a_time,
    objects_are_deleted_if_they_are_there_and_a_container_is_cleared,
    an_object_is_copied_and_moved_over_what_is_there,
    what_cannot_have_an_object_is_refused_before_one_is_sent,
    a_container_takes_no_more_than_its_quota_and_has_room_again_after_a_delete,
    an_object_that_is_too_large_is_refused_while_it_is_written,
);

fn blobs(site: &impl Site) -> Arc<dyn Blobs> {
    site.stores(PLENTY).blobs()
}

fn at(container: &str, object: &str) -> Place {
    Place {
        container: container.into(),
        object: object.to_owned(),
    }
}

async fn put(blobs: &Arc<dyn Blobs>, place: Place, bytes: &[u8]) -> Result<(), BlobError> {
    let mut writer = blobs.write().await?;
    for piece in bytes.chunks(1000) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    writer.finish(place).await
}

async fn part(
    blobs: &Arc<dyn Blobs>,
    place: Place,
    first: u64,
    last: u64,
) -> Result<Vec<u8>, BlobError> {
    let mut reader = blobs.read(place, Span { first, last }).await?;
    let mut bytes = Vec::new();
    while reader.left() > 0 {
        let left = reader.left();
        let piece = reader.next(1000).await?;
        assert!((1..=1000).contains(&piece.len()));
        assert_eq!(reader.left(), left - piece.len() as u64);
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn get(blobs: &Arc<dyn Blobs>, place: Place) -> Result<Vec<u8>, BlobError> {
    part(blobs, place, 0, u64::MAX).await
}

/// All names, so many at a time.
async fn names(blobs: &Arc<dyn Blobs>, container: &str, most: usize) -> Vec<String> {
    let mut listed = blobs.names(container.into()).await.unwrap();
    let mut names = Vec::new();
    loop {
        let next = listed.next(most).await.unwrap();
        let last = next.len() < most;
        names.extend(next);
        if last {
            names.sort();
            return names;
        }
    }
}

async fn a_container_is_there_from_its_making_to_its_removal(site: impl Site) {
    let (one, other) = (blobs(&site), blobs(&site));
    let absent = Err(BlobError::NoContainer("a".into()));
    let is_there = async || other.container("a".into()).await.map(drop);

    assert_eq!(is_there().await, absent);
    one.create("a".into()).await.unwrap();
    assert_eq!(is_there().await, Ok(()));
    let twice = other.create("a".into()).await;
    assert_eq!(twice, Err(BlobError::ContainerExists("a".into())));
    put(&one, at("a", "x"), b"1").await.unwrap();
    other.remove("a".into()).await.unwrap();
    other.remove("a".into()).await.unwrap();

    assert_eq!(is_there().await, absent);
    assert_eq!(one.clear("a".into()).await, absent);
    assert_eq!(one.names("a".into()).await.map(drop), absent);
    assert_eq!(put(&one, at("a", "x"), b"").await, absent);
    assert_eq!(get(&one, at("a", "x")).await.map(drop), absent);
}

async fn an_object_is_there_as_a_whole_when_it_is_finished_and_not_before(site: impl Site) {
    let (one, other) = (blobs(&site), blobs(&site));
    one.create("a".into()).await.unwrap();
    let absent = Err(BlobError::NoObject("x".into()));
    let (first, second) = (vec![b'1'; 5000], b"second".to_vec());

    let mut writer = one.write().await.unwrap();
    writer.write(first.clone().into()).await.unwrap();
    assert_eq!(get(&other, at("a", "x")).await, absent);
    writer.finish(at("a", "x")).await.unwrap();
    assert_eq!(get(&other, at("a", "x")).await, Ok(first.clone()));
    let mut unfinished = one.write().await.unwrap();
    unfinished.write(second.clone().into()).await.unwrap();
    assert_eq!(get(&other, at("a", "x")).await, Ok(first));
    drop(unfinished);
    put(&one, at("a", "x"), &second).await.unwrap();
    put(&one, at("a", "empty"), b"").await.unwrap();

    assert_eq!(get(&other, at("a", "x")).await, Ok(second));
    assert_eq!(other.object(at("a", "x")).await.unwrap().size, 6);
    assert_eq!(get(&other, at("a", "empty")).await, Ok(Vec::new()));
    assert_eq!(names(&other, "a", 10).await, ["empty", "x"]);
}

async fn an_object_that_is_being_read_stays_what_it_was(site: impl Site) {
    let blobs = blobs(&site);
    blobs.create("a".into()).await.unwrap();
    put(&blobs, at("a", "x"), b"before").await.unwrap();
    let all = Span {
        first: 0,
        last: u64::MAX,
    };
    let mut replaced = blobs.read(at("a", "x"), all).await.unwrap();
    assert_eq!(replaced.next(2).await.unwrap(), "be");

    put(&blobs, at("a", "x"), b"after").await.unwrap();
    let mut deleted = blobs.read(at("a", "x"), all).await.unwrap();
    blobs.delete("a".into(), vec!["x".into()]).await.unwrap();

    assert_eq!(replaced.next(100).await.unwrap(), "fore");
    assert_eq!(deleted.next(100).await.unwrap(), "after");
}

async fn a_part_ends_where_the_object_does(site: impl Site) {
    let blobs = blobs(&site);
    blobs.create("a".into()).await.unwrap();
    put(&blobs, at("a", "x"), b"0123456789").await.unwrap();
    let part = async |first, last| {
        let bytes = part(&blobs, at("a", "x"), first, last).await.unwrap();
        String::from_utf8(bytes).unwrap()
    };

    assert_eq!(part(0, 0).await, "0");
    assert_eq!(part(2, 4).await, "234");
    assert_eq!(part(8, u64::MAX).await, "89");
    assert_eq!(part(10, 20).await, "");
    assert_eq!(part(5, 2).await, "");
    assert_eq!(part(u64::MAX, u64::MAX).await, "");
}

async fn an_object_is_read_in_pieces_of_the_size_that_is_asked_for(site: impl Site) {
    let blobs = blobs(&site);
    blobs.create("a".into()).await.unwrap();
    let bytes: Vec<_> = (0..=250_u8).cycle().take(100_000).collect();
    put(&blobs, at("a", "x"), &bytes).await.unwrap();
    let span = Span {
        first: 1,
        last: 99_999,
    };

    let mut reader = blobs.read(at("a", "x"), span).await.unwrap();
    let mut read = vec![0];
    while reader.left() > 0 {
        let most = 1 + read.len() % 7000;
        let piece = reader.next(most).await.unwrap();
        assert!((1..=most).contains(&piece.len()));
        read.extend_from_slice(&piece);
    }

    assert!(read == bytes, "they are the same bytes in the same order");
    assert!(reader.next(10).await.unwrap().is_empty());
}

async fn every_name_is_listed_once_some_at_a_time(site: impl Site) {
    let blobs = blobs(&site);
    blobs.create("a".into()).await.unwrap();
    let odd = ["../../etc/passwd", ".hidden", "a/b", "x", "ä \n%"];
    for name in odd {
        put(&blobs, at("a", name), name.as_bytes()).await.unwrap();
    }

    for most in [1, 2, 5, 6] {
        assert_eq!(names(&blobs, "a", most).await, odd);
    }
    for name in odd {
        assert_eq!(get(&blobs, at("a", name)).await, Ok(name.into()));
    }
}

async fn objects_are_deleted_if_they_are_there_and_a_container_is_cleared(site: impl Site) {
    let blobs = blobs(&site);
    blobs.create("a".into()).await.unwrap();
    for name in ["x", "y", "z"] {
        put(&blobs, at("a", name), b"1").await.unwrap();
    }

    let some = ["x", "absent", "z"].map(str::to_owned);
    blobs.delete("a".into(), some.into()).await.unwrap();
    assert_eq!(names(&blobs, "a", 10).await, ["y"]);
    blobs.clear("a".into()).await.unwrap();

    assert_eq!(names(&blobs, "a", 10).await, Vec::<String>::new());
    put(&blobs, at("a", "x"), b"again").await.unwrap();
}

async fn an_object_is_copied_and_moved_over_what_is_there(site: impl Site) {
    let blobs = blobs(&site);
    for container in ["a", "b"] {
        blobs.create(container.into()).await.unwrap();
        put(&blobs, at(container, "x"), container.as_bytes())
            .await
            .unwrap();
    }

    blobs.copy(at("a", "x"), at("b", "x")).await.unwrap();
    assert_eq!(get(&blobs, at("b", "x")).await, Ok(b"a".to_vec()));
    blobs.rename(at("a", "x"), at("b", "y")).await.unwrap();
    blobs.rename(at("b", "y"), at("b", "y")).await.unwrap();
    let again = blobs.rename(at("a", "x"), at("b", "z")).await;
    let absent = blobs.copy(at("a", "x"), at("b", "z")).await;
    let nowhere = blobs.copy(at("b", "x"), at("c", "x")).await;

    assert_eq!(names(&blobs, "a", 10).await, Vec::<String>::new());
    assert_eq!(names(&blobs, "b", 10).await, ["x", "y"]);
    assert_eq!(again, Err(BlobError::NoObject("x".into())));
    assert_eq!(absent, Err(BlobError::NoObject("x".into())));
    assert_eq!(nowhere, Err(BlobError::NoContainer("c".into())));
}

async fn what_cannot_have_an_object_is_refused_before_one_is_sent(site: impl Site) {
    let blobs = blobs(&site);
    blobs.create("a".into()).await.unwrap();

    assert_eq!(blobs.check(at("a", "x")).await, Ok(()));
    assert_eq!(blobs.check(at("a", "")).await, Err(BlobError::NoName));
    let nowhere = blobs.check(at("b", "x")).await;
    assert_eq!(nowhere, Err(BlobError::NoContainer("b".into())));
    assert_eq!(names(&blobs, "a", 10).await, Vec::<String>::new());
}

async fn a_container_takes_no_more_than_its_quota_and_has_room_again_after_a_delete(
    site: impl Site,
) {
    let room = Room {
        store: 64 << 10,
        ..PLENTY
    };
    let blobs = site.stores(room).blobs();
    blobs.create("a".into()).await.unwrap();
    blobs.create("b".into()).await.unwrap();
    let (large, full) = (vec![b'x'; 40 << 10], Err(BlobError::Full(64 << 10)));
    put(&blobs, at("a", "x"), &large).await.unwrap();
    put(&blobs, at("b", "x"), &large).await.unwrap();

    assert_eq!(put(&blobs, at("a", "y"), &large).await, full);
    assert_eq!(blobs.copy(at("a", "x"), at("a", "y")).await, full);
    assert_eq!(blobs.rename(at("b", "x"), at("a", "y")).await, full);
    assert_eq!(put(&blobs, at("a", "y"), &vec![b'x'; 70 << 10]).await, full);

    assert_eq!(names(&blobs, "a", 10).await, ["x"]);
    assert_eq!(names(&blobs, "b", 10).await, ["x"]);
    put(&blobs, at("a", "x"), &large).await.unwrap();
    blobs.delete("a".into(), vec!["x".into()]).await.unwrap();
    blobs.rename(at("b", "x"), at("a", "y")).await.unwrap();
}

async fn an_object_that_is_too_large_is_refused_while_it_is_written(site: impl Site) {
    let small = Room {
        file: 1000,
        ..PLENTY
    };
    let (large, small) = (blobs(&site), site.stores(small).blobs());
    large.create("a".into()).await.unwrap();
    put(&large, at("a", "large"), &[b'x'; 2000]).await.unwrap();

    let mut writer = small.write().await.unwrap();
    writer
        .write(Bytes::from_static(&[b'x'; 1000]))
        .await
        .unwrap();
    let more = writer.write(Bytes::from_static(b"x")).await;
    let copied = small.copy(at("a", "large"), at("a", "copy")).await;

    assert_eq!(more, Err(BlobError::TooLarge(1000)));
    assert_eq!(copied, Err(BlobError::TooLarge(1000)));
    put(&small, at("a", "x"), &[b'x'; 1000]).await.unwrap();
    assert_eq!(names(&large, "a", 10).await, ["large", "x"]);
}
