//! What becomes of a guest's messages, whatever keeps them.

use super::*;
use crate::capability::stores::Room;
use crate::capability::stores::guest::Guest;
use crate::capability::stores::site::{PLENTY, Site, on_each_backend};

on_each_backend!(
    what_a_guest_publishes_is_kept,
    a_message_that_can_never_fit_is_told_to_the_guest_and_counted,
);

async fn publish(guest: &mut Guest, body: usize) -> Result<(), Error> {
    let message = types::Message {
        body: vec![7; body],
        content_type: None,
        headers: vec![("a".into(), "1".into())],
    };
    let published = producer::Host::publish(guest.state(), "orders.created".into(), message);
    published.await.unwrap()
}

async fn what_a_guest_publishes_is_kept(site: impl Site) {
    let mut guest = Guest::new(&site, PLENTY);

    publish(&mut guest, 3).await.unwrap();

    let (_, message) = site.published().await.remove(0);
    assert_eq!(message.subject, "orders.created");
    assert_eq!(message.headers, [("a".to_owned(), "1".to_owned())]);
    assert_eq!(message.body, [7; 3]);
}

async fn a_message_that_can_never_fit_is_told_to_the_guest_and_counted(site: impl Site) {
    let room = Room {
        store: 200_000,
        ..PLENTY
    };
    let mut guest = Guest::new(&site, room);

    let full = publish(&mut guest, 300_000).await;

    let told = "there is no room: a store may have 200000 bytes on disk (limits.store)";
    assert!(
        matches!(&full, Err(Error::Unavailable(message)) if message == told),
        "{full:?}"
    );
    assert_eq!(guest.count("store_exceeded"), 1);
}
