//! What a guest sees of its containers, wherever they are kept: objects stream both ways.

use bytes::Bytes;

use super::*;
use crate::capability::stores::Room;
use crate::capability::stores::guest::{GRANTED, Guest};
use crate::capability::stores::site::{PLENTY, Site, on_each_backend};

on_each_backend!(
    an_object_streams_in_and_out_piece_by_piece,
    a_value_that_has_no_room_is_told_on_the_stream_and_by_finish_and_counted_once,
    an_object_that_is_too_large_is_counted,
    a_value_that_is_dropped_leaves_nothing,
    a_container_that_is_not_granted_is_denied,
);

/// A guest with its one container.
struct Holder {
    guest: Guest,
    container: u32,
}

/// The handle again, as each call of a guest brings it.
fn again<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_own(handle.rep())
}

impl Holder {
    async fn new(site: &impl Site, room: Room) -> Self {
        let mut guest = Guest::new(site, room);
        let created = blobstore::Host::create_container(guest.state(), GRANTED.into()).await;
        let container = created.unwrap().unwrap().rep();
        Self { guest, container }
    }

    /// Begins a value that will be an object.
    async fn begin(&mut self, object: &str) -> (Resource<Outgoing>, Resource<DynOutputStream>) {
        let (state, container) = (self.guest.state(), Resource::new_own(self.container));
        let value = types::HostOutgoingValue::new_outgoing_value(state)
            .await
            .unwrap();
        let written =
            container::HostContainer::write_data(state, container, object.into(), again(&value));
        written.await.unwrap().unwrap();
        let body = types::HostOutgoingValue::outgoing_value_write_body(state, again(&value));
        (value, body.await.unwrap().unwrap())
    }

    /// Writes as a guest does: as much as it may, when it may.
    async fn send(
        &mut self,
        body: &Resource<DynOutputStream>,
        mut bytes: Bytes,
    ) -> Result<(), String> {
        let stream = self.guest.state().ctx().table.get_mut(body).unwrap();
        while !bytes.is_empty() {
            stream.ready().await;
            let permit = stream.check_write().map_err(|error| error.to_string())?;
            let piece = bytes.split_to(permit.min(bytes.len()));
            stream.write(piece).map_err(|error| error.to_string())?;
        }
        stream.ready().await;
        stream
            .check_write()
            .map_err(|error| error.to_string())
            .map(drop)
    }

    async fn finish(
        &mut self,
        value: Resource<Outgoing>,
        body: Resource<DynOutputStream>,
    ) -> Result<(), String> {
        let state = self.guest.state();
        state.ctx().table.delete(body).unwrap();
        types::HostOutgoingValue::finish(state, value)
            .await
            .unwrap()
    }

    async fn put(&mut self, object: &str, bytes: Bytes) -> Result<(), String> {
        let (value, body) = self.begin(object).await;
        let sent = self.send(&body, bytes).await;
        let finished = self.finish(value, body).await;
        assert_eq!(sent.is_err(), finished.is_err());
        finished
    }

    async fn get(&mut self, object: &str) -> Vec<u8> {
        let (state, container) = (self.guest.state(), Resource::new_own(self.container));
        let data = container::HostContainer::get_data(state, container, object.into(), 0, u64::MAX);
        let part = data.await.unwrap().unwrap();
        let stream = types::HostIncomingValue::incoming_value_consume_async(state, part);
        let stream = stream.await.unwrap().unwrap();
        let stream = state.ctx().table.get_mut(&stream).unwrap();
        let mut bytes = Vec::new();
        loop {
            stream.ready().await;
            match stream.read(10_000) {
                Ok(piece) => bytes.extend_from_slice(&piece),
                Err(_) => return bytes,
            }
        }
    }

    async fn has(&mut self, object: &str) -> bool {
        let (state, container) = (self.guest.state(), Resource::new_own(self.container));
        let has = container::HostContainer::has_object(state, container, object.into());
        has.await.unwrap().unwrap()
    }
}

async fn an_object_streams_in_and_out_piece_by_piece(site: impl Site) {
    let mut one = Holder::new(&site, PLENTY).await;
    let bytes: Bytes = (0..=250_u8).cycle().take(1_000_000).collect();

    one.put("x", bytes.clone()).await.unwrap();

    assert!(
        one.get("x").await == bytes,
        "what comes back is what was sent"
    );
}

async fn a_value_that_has_no_room_is_told_on_the_stream_and_by_finish_and_counted_once(
    site: impl Site,
) {
    let room = Room {
        store: 500_000,
        ..PLENTY
    };
    let mut one = Holder::new(&site, room).await;

    let full = one.put("x", Bytes::from(vec![7; 1_000_000])).await;

    let told = "the store is full: it may have 500000 bytes (limits.store)";
    assert_eq!(full, Err(told.to_owned()));
    assert_eq!(one.guest.count("store_exceeded"), 1);
    assert!(!one.has("x").await);
    one.put("x", Bytes::from(vec![7; 300_000])).await.unwrap();
}

async fn an_object_that_is_too_large_is_counted(site: impl Site) {
    let room = Room {
        file: 500_000,
        ..PLENTY
    };
    let mut one = Holder::new(&site, room).await;

    let large = one.put("x", Bytes::from(vec![7; 1_000_000])).await;

    let told = "an object may have 500000 bytes (limits.file)";
    assert_eq!(large, Err(told.to_owned()));
    assert_eq!(one.guest.count("file_exceeded"), 1);
    assert_eq!(one.guest.count("store_exceeded"), 0);
}

async fn a_value_that_is_dropped_leaves_nothing(site: impl Site) {
    let mut one = Holder::new(&site, PLENTY).await;
    let (value, body) = one.begin("x").await;
    one.send(&body, Bytes::from_static(b"half")).await.unwrap();

    one.guest.state().ctx().table.delete(body).unwrap();
    let dropped = types::HostOutgoingValue::drop(one.guest.state(), value).await;

    dropped.unwrap();
    assert!(!one.has("x").await);
    one.put("x", Bytes::new()).await.unwrap();
    assert_eq!(one.get("x").await, b"");
}

async fn a_container_that_is_not_granted_is_denied(site: impl Site) {
    let mut guest = Guest::new(&site, PLENTY);

    let denied = blobstore::Host::get_container(guest.state(), "other".into()).await;

    let told = "access denied: the container `other` is not granted";
    assert_eq!(denied.unwrap().map(drop), Err(told.to_owned()));
    assert_eq!(guest.denied()[0]["target"], "other");
}
