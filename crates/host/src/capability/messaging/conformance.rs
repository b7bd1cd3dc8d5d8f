//! What becomes of published messages, whatever keeps them.

use super::store::Message;
use crate::capability::stores::site::{COMPONENT, PLENTY, Site, on_each_backend};
use crate::capability::stores::{Room, StoreError};

on_each_backend!(
    a_message_is_kept_with_all_that_belongs_to_it,
    messages_keep_their_order_and_those_of_two_workers_are_all_there,
    when_there_is_no_room_the_oldest_go,
    a_message_that_can_never_fit_is_refused_and_nothing_goes_for_it,
);

fn message(subject: &str, body: &[u8]) -> Message {
    Message {
        subject: subject.to_owned(),
        content_type: None,
        headers: Vec::new(),
        body: body.to_vec(),
    }
}

fn of_component(message: Message) -> (String, Message) {
    (COMPONENT.to_owned(), message)
}

async fn a_message_is_kept_with_all_that_belongs_to_it(site: impl Site) {
    let headers = [("a", "1"), ("b", "\"ä\""), ("a", "2")];
    let whole = Message {
        content_type: Some("text/plain".into()),
        headers: headers
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        ..message("orders.created", b"\0\xff")
    };

    let messages = site.stores(PLENTY).messages();
    messages.publish(whole.clone()).await.unwrap();
    messages.publish(message("orders", b"")).await.unwrap();

    let kept = [whole, message("orders", b"")].map(of_component);
    assert_eq!(site.published().await, kept);
}

async fn messages_keep_their_order_and_those_of_two_workers_are_all_there(site: impl Site) {
    let workers = [site.stores(PLENTY), site.stores(PLENTY)];
    let publish = async |worker: usize| {
        let messages = workers[worker].messages();
        for number in 0..30_u8 {
            let subject = format!("worker.{worker}");
            messages
                .publish(message(&subject, &[number]))
                .await
                .unwrap();
        }
    };

    tokio::join!(publish(0), publish(1));

    let kept = site.published().await;
    assert_eq!(kept.len(), 60);
    for worker in ["worker.0", "worker.1"] {
        let bodies = kept
            .iter()
            .filter(|(_, message)| message.subject == worker)
            .map(|(_, message)| message.body[0]);
        assert!(bodies.eq(0..30));
    }
}

async fn when_there_is_no_room_the_oldest_go(site: impl Site) {
    let room = Room {
        store: 1 << 20,
        ..PLENTY
    };
    let messages = site.stores(room).messages();

    for number in 0..60 {
        messages
            .publish(message("orders", &vec![number; 50_000]))
            .await
            .unwrap();
    }

    let kept = site.published().await;
    let numbers: Vec<_> = kept.iter().map(|(_, message)| message.body[0]).collect();
    let first = numbers[0];
    assert!(first > 0, "the first one is gone");
    assert!(numbers.len() >= 10, "only {} are left", numbers.len());
    assert!(
        numbers.iter().copied().eq(first..60),
        "the newest are there"
    );
}

async fn a_message_that_can_never_fit_is_refused_and_nothing_goes_for_it(site: impl Site) {
    let room = Room {
        store: 200_000,
        ..PLENTY
    };
    let messages = site.stores(room).messages();
    messages.publish(message("orders", b"first")).await.unwrap();

    let large = messages.publish(message("orders", &vec![0; 300_000])).await;

    assert_eq!(large, Err(StoreError::Full(200_000)));
    assert_eq!(
        site.published().await,
        [message("orders", b"first")].map(of_component)
    );
}
