//! Containers of blobs in a lattice: one stream of `JetStream` for an app, which keeps the newest message of each subject.
//!
//! ```text
//! ....container.NAME        that there is a container: since when, and the bytes of its objects
//! ....object.NAME.OBJECT    what an object is: how large, since when, and the id of its content
//! ....piece.ID.NUMBER       a piece of a content, all of the same size but the last
//! ....loose.ID              a content that no object has: it is being uploaded, or was replaced; with the time
//! ```
//!
//! Content comes first, as loose pieces. Then one atomic batch makes it an object: its content is loose no more, the one that was there
//! becomes loose, and the sum of the container changes. Each of these writes carries the sequence that was read before, so when others write
//! to the container at the same time, one of them reads and tries again. What is loose for a quarter of an hour is deleted by later
//! writers: by then nobody reads what was replaced, and who was uploading has gone.

mod ledger;
mod passage;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::store::{BlobError, BlobNames, BlobReader, BlobWriter, Blobs, Facts, Place, Span};
use crate::capability::nats::Nats;
use crate::capability::stores::Room;

use ledger::{Container, Ledger, Object, now};
use passage::{Reading, Uploading};

/// Objects that are deleted as one.
const TOGETHER: usize = 100;

/// The containers of an app in its lattice, as one component uses them.
#[derive(Clone, Debug)]
pub(crate) struct LatticeBlobs {
    ledger: Arc<Ledger>,
    room: Room,
}

impl LatticeBlobs {
    /// Those of an app. Each call ends within some times `patience`.
    pub(crate) fn new(nats: &Arc<Nats>, app: &str, (room, patience): (Room, Duration)) -> Self {
        let ledger = Arc::new(Ledger::new(nats, app, patience));
        Self { ledger, room }
    }

    /// An object that must be there, in a container that must be there.
    async fn existing(&self, place: &Place, until: Instant) -> Result<(Object, u64), BlobError> {
        self.ledger.container(&place.container, until).await?;
        let (found, sequence) = self.ledger.object(place, until).await?;
        let no_object = || BlobError::NoObject(place.object.clone());
        Ok((found.ok_or_else(no_object)?, sequence))
    }

    /// What a container holds when something of this size takes the place of something else.
    fn with(&self, mut container: Container, old: u64, new: u64) -> Result<Container, BlobError> {
        container.used = container.used.saturating_sub(old).saturating_add(new);
        if container.used > self.room.store && new > 0 {
            return Err(BlobError::Full(self.room.store));
        }
        Ok(container)
    }

    /// Makes a content an object.
    async fn settle(&self, object: Object, loose: u64, place: &Place) -> Result<(), BlobError> {
        let (ledger, until) = (&self.ledger, self.ledger.until());
        loop {
            let (container, sum) = ledger.container(&place.container, until).await?;
            let (old, sequence) = ledger.object(place, until).await?;
            let replaced = old.as_ref().map_or(0, |old| old.size);
            let container = self.with(container, replaced, object.size)?;
            let mut batch = ledger.batch();
            batch.container(&place.container, &container, sum);
            batch.object(place, &object, sequence);
            batch.tied(&object.content, loose);
            if let Some(old) = &old {
                batch.loose(old);
            }
            if batch.commit(until).await? {
                if old.is_some() {
                    ledger.sweep(self.room.store, until).await?;
                }
                return Ok(());
            }
        }
    }

    /// Deletes some objects as one.
    async fn delete_some(&self, container: &str, objects: &[String]) -> Result<(), BlobError> {
        let (ledger, until) = (&self.ledger, self.ledger.until());
        loop {
            let (mut sum, sequence) = ledger.container(container, until).await?;
            let mut batch = ledger.batch();
            for object in objects {
                let place = Place {
                    container: container.into(),
                    object: object.clone(),
                };
                let (Some(found), sequence) = ledger.object(&place, until).await? else {
                    continue;
                };
                sum.used = sum.used.saturating_sub(found.size);
                batch.gone(&place, sequence);
                batch.loose(&found);
            }
            if batch.is_empty() {
                return Ok(());
            }
            batch.container(container, &sum, sequence);
            if batch.commit(until).await? {
                return ledger.sweep(self.room.store, until).await;
            }
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Blobs for LatticeBlobs {
    async fn create(&self, container: Arc<str>) -> Result<(), BlobError> {
        let (ledger, until) = (&self.ledger, self.ledger.until());
        loop {
            let (found, sequence) = ledger.find_container(&container, until).await?;
            if found.is_some() {
                return Err(BlobError::ContainerExists(container.to_string()));
            }
            let made = Container {
                created: now(),
                used: 0,
            };
            let mut batch = ledger.batch();
            batch.container(&container, &made, sequence);
            if batch.commit(until).await? {
                return Ok(());
            }
        }
    }

    async fn container(&self, container: Arc<str>) -> Result<Facts, BlobError> {
        let found = self.ledger.container(&container, self.ledger.until()).await;
        let (found, _) = found?;
        Ok(Facts {
            created: found.created,
            size: found.used,
        })
    }

    async fn clear(&self, container: Arc<str>) -> Result<(), BlobError> {
        let until = self.ledger.until();
        self.ledger.container(&container, until).await?;
        let names = self.ledger.names(&container, until).await?;
        for some in names.chunks(TOGETHER) {
            self.delete_some(&container, some).await?;
        }
        Ok(())
    }

    async fn remove(&self, container: Arc<str>) -> Result<(), BlobError> {
        let (ledger, until) = (&self.ledger, self.ledger.until());
        loop {
            let (found, sequence) = ledger.find_container(&container, until).await?;
            if found.is_none() {
                return Ok(());
            }
            if !ledger.names(&container, until).await?.is_empty() {
                self.clear(container.clone()).await?;
                continue;
            }
            let mut batch = ledger.batch();
            batch.without(&container, sequence);
            if batch.commit(until).await? {
                return Ok(());
            }
        }
    }

    async fn names(&self, container: Arc<str>) -> Result<Box<dyn BlobNames>, BlobError> {
        let until = self.ledger.until();
        self.ledger.container(&container, until).await?;
        let names = self.ledger.names(&container, until).await?;
        Ok(Box::new(Names(names)))
    }

    async fn object(&self, place: Place) -> Result<Facts, BlobError> {
        let (found, _) = self.existing(&place, self.ledger.until()).await?;
        Ok(Facts {
            created: found.created,
            size: found.size,
        })
    }

    async fn delete(&self, container: Arc<str>, objects: Vec<String>) -> Result<(), BlobError> {
        self.ledger
            .container(&container, self.ledger.until())
            .await?;
        for some in objects.chunks(TOGETHER) {
            self.delete_some(&container, some).await?;
        }
        Ok(())
    }

    async fn copy(&self, from: Place, to: Place) -> Result<(), BlobError> {
        let (found, _) = self.existing(&from, self.ledger.until()).await?;
        self.check(to.clone()).await?;
        if found.size > self.room.file {
            return Err(BlobError::TooLarge(self.room.file));
        }
        let mut writer = self.write().await?;
        let all = Span {
            first: 0,
            last: u64::MAX,
        };
        let mut reader = Reading::new(self.ledger.clone(), found, all);
        while reader.left() > 0 {
            writer.write(reader.next(usize::MAX).await?).await?;
        }
        writer.finish(to).await
    }

    async fn rename(&self, from: Place, to: Place) -> Result<(), BlobError> {
        let (ledger, until) = (&self.ledger, self.ledger.until());
        loop {
            let (object, sequence) = self.existing(&from, until).await?;
            if from == to {
                return Ok(());
            }
            let (target, target_sum) = ledger.container(&to.container, until).await?;
            let (old, at) = ledger.object(&to, until).await?;
            let replaced = old.as_ref().map_or(0, |old| old.size);
            let mut batch = ledger.batch();
            if from.container == to.container {
                let target = self.with(target, replaced, 0)?;
                batch.container(&to.container, &target, target_sum);
            } else {
                let (source, source_sum) = ledger.container(&from.container, until).await?;
                let source = self.with(source, object.size, 0)?;
                let target = self.with(target, replaced, object.size)?;
                batch.container(&from.container, &source, source_sum);
                batch.container(&to.container, &target, target_sum);
            }
            batch.gone(&from, sequence);
            batch.object(&to, &object, at);
            if let Some(old) = &old {
                batch.loose(old);
            }
            if batch.commit(until).await? {
                return Ok(());
            }
        }
    }

    async fn check(&self, place: Place) -> Result<(), BlobError> {
        ledger::check_name(&place.object)?;
        let found = self.ledger.container(&place.container, self.ledger.until());
        found.await.map(drop)
    }

    async fn read(&self, place: Place, span: Span) -> Result<Box<dyn BlobReader>, BlobError> {
        let (found, _) = self.existing(&place, self.ledger.until()).await?;
        Ok(Box::new(Reading::new(self.ledger.clone(), found, span)))
    }

    async fn write(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        Ok(Box::new(Uploading::begin(self.clone()).await?))
    }
}

/// Names that were listed at once.
#[derive(Debug)]
struct Names(Vec<String>);

#[wasmtime_wasi::async_trait]
impl BlobNames for Names {
    async fn next(&mut self, most: usize) -> Result<Vec<String>, BlobError> {
        Ok(self.0.drain(..most.min(self.0.len())).collect())
    }
}
