//! `wasi:blobstore`: containers of blobs, kept as files.
//!
//! A value that a guest writes grows in a file of its own and becomes an object when the guest says `finish`, see [`spool`]; one
//! that it reads comes piece by piece from the open file, see [`reading`]. So no object is ever in memory as a whole, and an object
//! that is being read stays what it was.

mod error;
mod folder;
mod name;
mod reading;
mod spool;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Dir, FileType};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wisp_wasi::State;

use super::{Grantee, quoted};
use error::BlobError;
use folder::Blobs;
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub use reading::Part;
use spool::{Body, Room, Spool};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/capabilities",
        world: "wisp:capabilities/blobstore",
        imports: { default: async | trappable },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:blobstore/container.container": super::Container,
            "wasi:blobstore/container.stream-object-names": super::Names,
            "wasi:blobstore/types.outgoing-value": super::Outgoing,
            "wasi:blobstore/types.incoming-value": super::Part,
        },
    });
}
use bindings::wasi::blobstore::{blobstore, container, types};

const INTERFACE: &str = "wasi:blobstore/blobstore";
/// Names that one call lists at most.
const MOST_NAMES: u64 = 1000;

type Answer<T> = wasmtime::Result<Result<T, String>>;

/// A container that a guest may use.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Container {
    name: String,
    blobs: Arc<Blobs>,
    room: Room,
}

/// The names of a container's objects, some at a time.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Names(Arc<Mutex<Dir>>);

/// A value that a guest is writing.
#[derive(Debug, Default)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Outgoing {
    /// Where its bytes are; `None` before the first, when nobody knows yet whose they are.
    spool: Option<Arc<Spool>>,
    /// The container and the name that it will have.
    place: Option<(String, String)>,
    streamed: bool,
}

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    container::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    blobstore::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// Runs what touches the disk on a blocking thread.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    let done = tokio::task::spawn_blocking(job).await;
    done.unwrap_or_else(|gone| Err(std::io::Error::other(gone).into()))
}

fn told<T>(result: Result<T, BlobError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

/// The component that calls, and how much it may write.
fn grantee(state: &State) -> Result<(Arc<Grantee>, Room), BlobError> {
    let grantee = Grantee::of(state).ok_or_else(|| BlobError::Denied(String::new()))?;
    let room = Room {
        file: grantee.limits.file,
        store: grantee.limits.store,
    };
    Ok((grantee, room))
}

async fn blobs(grantee: Arc<Grantee>) -> Result<Arc<Blobs>, BlobError> {
    blocking(move || Blobs::at(&grantee.state)).await
}

/// The container of this name, if it is granted; whether it is there is another question.
async fn granted(state: &mut State, name: &str) -> Result<Container, BlobError> {
    let (grantee, room) = grantee(state)?;
    if !grantee
        .grants
        .blobstore
        .iter()
        .any(|granted| granted == name)
    {
        grantee.deny(INTERFACE, name, &format!("blobstore = [{}]", quoted(name)));
        return Err(BlobError::Denied(name.to_owned()));
    }
    Ok(Container {
        name: name.to_owned(),
        blobs: blobs(grantee).await?,
        room,
    })
}

impl Container {
    /// Runs what touches the disk, with the blobs and the name of the container.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<Blobs>, &str) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let (blobs, name) = (self.blobs.clone(), self.name.clone());
        blocking(move || job(&blobs, &name)).await
    }
}

/// What a guest's handle means.
fn held<'a>(
    state: &'a mut State,
    container: &Resource<Container>,
) -> wasmtime::Result<&'a Container> {
    Ok(state.ctx().table.get(container)?)
}

impl types::Host for State {}

impl types::HostOutgoingValue for State {
    async fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<Outgoing>> {
        Ok(self.ctx().table.push(Outgoing::default())?)
    }

    async fn outgoing_value_write_body(
        &mut self,
        value: Resource<Outgoing>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let Ok(spool) = spool_of(self, &value).await? else {
            return Ok(Err(()));
        };
        let outgoing = self.ctx().table.get_mut(&value)?;
        if std::mem::replace(&mut outgoing.streamed, true) {
            return Ok(Err(()));
        }
        let begun = spool.clone();
        if blocking(move || begun.begin()).await.is_err() {
            return Ok(Err(()));
        }
        let body: DynOutputStream = Box::new(Body(spool));
        Ok(Ok(self.ctx().table.push_child(body, &value)?))
    }

    async fn finish(&mut self, value: Resource<Outgoing>) -> Answer<()> {
        let spool = spool_of(self, &value).await?;
        // A trap while its stream is there, as the standard has it.
        let outgoing = self.ctx().table.delete(value)?;
        let place = outgoing.place.ok_or(BlobError::NowhereToGo);
        Ok(told(match (spool, place) {
            (Ok(spool), Ok(place)) => spool.finish(place).await,
            (Err(error), _) | (_, Err(error)) => Err(error),
        }))
    }

    async fn drop(&mut self, value: Resource<Outgoing>) -> wasmtime::Result<()> {
        let outgoing = self.ctx().table.delete(value)?;
        // The file of a value that came to nothing is removed where that may take its time.
        tokio::task::spawn_blocking(move || drop(outgoing));
        Ok(())
    }
}

/// Where the bytes of a value are, from now on at the latest.
async fn spool_of(
    state: &mut State,
    value: &Resource<Outgoing>,
) -> wasmtime::Result<Result<Arc<Spool>, BlobError>> {
    if let Some(spool) = &state.ctx().table.get(value)?.spool {
        return Ok(Ok(spool.clone()));
    }
    let (grantee, room) = match grantee(state) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if grantee.grants.blobstore.is_empty() {
        // It could go nowhere, so nothing of it touches the disk.
        return Ok(Err(BlobError::NowhereToGo));
    }
    let blobs = match blobs(grantee).await {
        Ok(blobs) => blobs,
        Err(error) => return Ok(Err(error)),
    };
    let spool = Spool::new(blobs, room);
    state.ctx().table.get_mut(value)?.spool = Some(spool.clone());
    Ok(Ok(spool))
}

impl types::HostIncomingValue for State {
    async fn incoming_value_consume_sync(&mut self, value: Resource<Part>) -> Answer<Vec<u8>> {
        let part = self.ctx().table.delete(value)?;
        Ok(told(blocking(move || part.bytes()).await))
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<Part>,
    ) -> Answer<Resource<DynInputStream>> {
        let part = self.ctx().table.delete(value)?;
        let stream: DynInputStream = Box::new(part.stream());
        Ok(Ok(self.ctx().table.push(stream)?))
    }

    async fn size(&mut self, value: Resource<Part>) -> wasmtime::Result<u64> {
        Ok(self.ctx().table.get(&value)?.length())
    }

    async fn drop(&mut self, value: Resource<Part>) -> wasmtime::Result<()> {
        self.ctx().table.delete(value)?;
        Ok(())
    }
}

impl container::Host for State {}

impl container::HostContainer for State {
    async fn name(&mut self, container: Resource<Container>) -> Answer<String> {
        Ok(Ok(held(self, &container)?.name.clone()))
    }

    async fn info(&mut self, container: Resource<Container>) -> Answer<types::ContainerMetadata> {
        let held = held(self, &container)?;
        let facts = held.run(|blobs, name| blobs.container_facts(name)).await;
        let name = held.name.clone();
        Ok(told(facts.map(|facts| types::ContainerMetadata {
            name,
            created_at: facts.created,
        })))
    }

    async fn get_data(
        &mut self,
        container: Resource<Container>,
        object: String,
        start: u64,
        end: u64,
    ) -> Answer<Resource<Part>> {
        let read = held(self, &container)?.run(move |blobs, name| {
            let open = blobs.hold_open()?;
            Ok(Part::new(blobs.read(name, &object)?, start, end, open)?)
        });
        match told(read.await) {
            Ok(part) => Ok(Ok(self.ctx().table.push(part)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn write_data(
        &mut self,
        container: Resource<Container>,
        object: String,
        value: Resource<Outgoing>,
    ) -> Answer<()> {
        let held = held(self, &container)?;
        let place = (held.name.clone(), object.clone());
        // Told here rather than by `finish`, when everything was sent already.
        let checked = held.run(move |blobs, name| {
            name::encode(&object)?;
            blobs.container_facts(name).map(drop)
        });
        if let Err(error) = checked.await {
            return Ok(Err(error.to_string()));
        }
        let outgoing = self.ctx().table.get_mut(&value)?;
        if outgoing.place.is_some() {
            return Ok(told(Err(BlobError::WrittenBefore)));
        }
        outgoing.place = Some(place);
        Ok(Ok(()))
    }

    async fn list_objects(&mut self, container: Resource<Container>) -> Answer<Resource<Names>> {
        let listed = held(self, &container)?.run(|blobs, name| blobs.list(name));
        match told(listed.await) {
            Ok(folder) => {
                let names = Names(Arc::new(Mutex::new(folder)));
                Ok(Ok(self.ctx().table.push(names)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete_object(
        &mut self,
        container: Resource<Container>,
        object: String,
    ) -> Answer<()> {
        self.delete_objects(container, vec![object]).await
    }

    async fn delete_objects(
        &mut self,
        container: Resource<Container>,
        objects: Vec<String>,
    ) -> Answer<()> {
        let held = held(self, &container)?;
        let deleted = held.run(move |blobs, name| blobs.delete(name, &objects));
        Ok(told(deleted.await))
    }

    async fn has_object(&mut self, container: Resource<Container>, object: String) -> Answer<bool> {
        let held = held(self, &container)?;
        let facts = held.run(move |blobs, name| blobs.object_facts(name, &object));
        Ok(told(match facts.await {
            Err(BlobError::NoObject(_)) => Ok(false),
            facts => facts.map(|_| true),
        }))
    }

    async fn object_info(
        &mut self,
        container: Resource<Container>,
        object: String,
    ) -> Answer<types::ObjectMetadata> {
        let held = held(self, &container)?;
        let named = object.clone();
        let facts = held.run(move |blobs, name| blobs.object_facts(name, &named));
        let container = held.name.clone();
        Ok(told(facts.await.map(|facts| types::ObjectMetadata {
            name: object,
            container,
            created_at: facts.created,
            size: facts.size,
        })))
    }

    async fn clear(&mut self, container: Resource<Container>) -> Answer<()> {
        let cleared = held(self, &container)?.run(|blobs, name| blobs.clear(name, false));
        Ok(told(cleared.await))
    }

    async fn drop(&mut self, container: Resource<Container>) -> wasmtime::Result<()> {
        self.ctx().table.delete(container)?;
        Ok(())
    }
}

/// The next names, and whether there are no more.
fn next_names(folder: &Mutex<Dir>, most: u64) -> Result<(Vec<String>, bool), BlobError> {
    let mut folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
    let mut names = Vec::new();
    while (names.len() as u64) < most.min(MOST_NAMES) {
        let Some(entry) = folder.read() else {
            return Ok((names, true));
        };
        let entry = entry?;
        if matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
            names.extend(name::decode(entry.file_name().to_bytes()));
        }
    }
    Ok((names, false))
}

impl container::HostStreamObjectNames for State {
    async fn read_stream_object_names(
        &mut self,
        names: Resource<Names>,
        most: u64,
    ) -> Answer<(Vec<String>, bool)> {
        let folder = self.ctx().table.get(&names)?.0.clone();
        Ok(told(blocking(move || next_names(&folder, most)).await))
    }

    async fn skip_stream_object_names(
        &mut self,
        names: Resource<Names>,
        most: u64,
    ) -> Answer<(u64, bool)> {
        let folder = self.ctx().table.get(&names)?.0.clone();
        let skipped = blocking(move || next_names(&folder, most)).await;
        Ok(told(skipped.map(|(names, end)| (names.len() as u64, end))))
    }

    async fn drop(&mut self, names: Resource<Names>) -> wasmtime::Result<()> {
        self.ctx().table.delete(names)?;
        Ok(())
    }
}

impl blobstore::Host for State {
    async fn create_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let container = match granted(self, &name).await {
            Ok(container) => container,
            Err(error) => return Ok(Err(error.to_string())),
        };
        match told(container.run(|blobs, name| blobs.create(name)).await) {
            Ok(()) => Ok(Ok(self.ctx().table.push(container)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn get_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let container = match granted(self, &name).await {
            Ok(container) => container,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let found = container.run(|blobs, name| blobs.container_facts(name));
        match told(found.await) {
            Ok(_) => Ok(Ok(self.ctx().table.push(container)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete_container(&mut self, name: String) -> Answer<()> {
        Ok(told(match granted(self, &name).await {
            Ok(container) => container.run(|blobs, name| blobs.clear(name, true)).await,
            Err(error) => Err(error),
        }))
    }

    async fn container_exists(&mut self, name: String) -> Answer<bool> {
        Ok(told(match granted(self, &name).await {
            Ok(container) => container.run(|blobs, name| blobs.exists(name)).await,
            Err(error) => Err(error),
        }))
    }

    async fn copy_object(&mut self, from: types::ObjectId, to: types::ObjectId) -> Answer<()> {
        Ok(told(copy(self, from, to).await))
    }

    async fn move_object(&mut self, from: types::ObjectId, to: types::ObjectId) -> Answer<()> {
        Ok(told(rename(self, from, to).await))
    }
}

async fn copy(
    state: &mut State,
    from: types::ObjectId,
    to: types::ObjectId,
) -> Result<(), BlobError> {
    let source = granted(state, &from.container).await?;
    let target = granted(state, &to.container).await?;
    let spool = Spool::new(target.blobs, target.room);
    let copied = spool.clone();
    let copy =
        source.run(move |blobs, container| copied.copy_from(&blobs.read(container, &from.object)?));
    copy.await?;
    spool.finish((to.container, to.object)).await
}

async fn rename(
    state: &mut State,
    from: types::ObjectId,
    to: types::ObjectId,
) -> Result<(), BlobError> {
    granted(state, &from.container).await?;
    let target = granted(state, &to.container).await?;
    let room = target.room;
    let job = move |blobs: &Arc<Blobs>, _: &str| {
        let from = (from.container.as_str(), from.object.as_str());
        let to = (to.container.as_str(), to.object.as_str());
        blobs.rename(from, to, room.store)
    };
    target.run(job).await
}
