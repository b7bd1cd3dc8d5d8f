//! `wasi:blobstore`: containers of blobs.
//!
//! The interfaces are here, with the grants; what containers are says [`store`]; those in files are [`files`], those of a
//! lattice [`jetstream`].
//!
//! A value that a guest writes grows in the store and becomes an object when the guest says `finish`, see [`writing`]; one that it reads
//! comes piece by piece, see [`reading`]. So no object is ever in memory as a whole, and an object that is being read stays what it was.

#[cfg(test)]
mod conformance;
mod files;
mod folder;
mod jetstream;
#[cfg(test)]
mod memory;
mod name;
mod reading;
mod store;
#[cfg(test)]
mod tests;
mod writing;

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};
use wisp_wasi::{Limit, State};

use super::{Grantee, quoted};
pub(crate) use files::FileBlobs;
pub(crate) use jetstream::LatticeBlobs;
#[cfg(test)]
pub(crate) use memory::MemoryBlobs;
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub use reading::Part;
pub(crate) use store::Blobs;
use store::{BlobError, BlobNames, Place, Span};
use writing::{Body, Writing};

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
const MOST_NAMES: usize = 1000;
const NOWHERE_TO_GO: &str = "the value belongs to no container: write-data comes before finish";

type Answer<T> = wasmtime::Result<Result<T, String>>;

/// A container that a guest may use.
#[derive(Clone, Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Container {
    name: Arc<str>,
    blobs: Arc<dyn Blobs>,
    grantee: Arc<Grantee>,
}

/// The names of a container's objects, some at a time.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Names {
    names: Box<dyn BlobNames>,
    grantee: Arc<Grantee>,
}

/// A value that a guest is writing.
#[derive(Debug, Default)]
#[expect(unreachable_pub, reason = "the generated bindings name it as theirs")]
pub struct Outgoing {
    /// Where its bytes go; `None` before the first.
    writing: Option<Arc<Writing>>,
    /// Where it will be.
    place: Option<Place>,
    streamed: bool,
}

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    container::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    blobstore::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// What a guest is told of an error; the rest is for the log, and what has no room is counted.
fn told(grantee: &Grantee, error: BlobError) -> String {
    match error {
        BlobError::Failed(message) => {
            grantee.fault(&format!("the blobs: {message}"));
            "the store cannot be used; the log of the host says why".into()
        }
        told => {
            match told {
                BlobError::Full(_) => grantee.exceed(Limit::Store),
                BlobError::TooLarge(_) => grantee.exceed(Limit::File),
                _ => {}
            }
            told.to_string()
        }
    }
}

fn denied(container: &str) -> String {
    format!("access denied: the container `{container}` is not granted")
}

/// The container of this name, if it is granted; whether it is there is another question.
fn granted(state: &State, name: String) -> Result<Container, String> {
    let grantee = Grantee::of(state).ok_or_else(|| denied(""))?;
    if !grantee.grants.blobstore.contains(&name) {
        grantee.deny(
            INTERFACE,
            &name,
            &format!("blobstore = [{}]", quoted(&name)),
        );
        return Err(denied(&name));
    }
    Ok(Container {
        name: name.into(),
        blobs: grantee.stores.blobs(),
        grantee,
    })
}

impl Container {
    fn told(&self, error: BlobError) -> String {
        told(&self.grantee, error)
    }

    fn place(&self, object: String) -> Place {
        Place {
            container: self.name.clone(),
            object,
        }
    }
}

/// What a guest's handle means.
fn held(state: &mut State, container: &Resource<Container>) -> wasmtime::Result<Container> {
    Ok(state.ctx().table.get(container)?.clone())
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
        let outgoing = self.ctx().table.get_mut(&value)?;
        if std::mem::replace(&mut outgoing.streamed, true) {
            return Ok(Err(()));
        }
        let Ok(writing) = begin(Grantee::of(self)).await else {
            return Ok(Err(()));
        };
        self.ctx().table.get_mut(&value)?.writing = Some(writing.clone());
        let body: DynOutputStream = Box::new(Body(writing));
        Ok(Ok(self.ctx().table.push_child(body, &value)?))
    }

    async fn finish(&mut self, value: Resource<Outgoing>) -> Answer<()> {
        // A trap while its stream is there, as the standard has it.
        let outgoing = self.ctx().table.delete(value)?;
        let Some(place) = outgoing.place else {
            return Ok(Err(NOWHERE_TO_GO.into()));
        };
        let writing = match outgoing.writing {
            Some(writing) => writing,
            None => match begin(Grantee::of(self)).await {
                Ok(writing) => writing,
                Err(told) => return Ok(Err(told)),
            },
        };
        Ok(writing.finish(place).await)
    }

    async fn drop(&mut self, value: Resource<Outgoing>) -> wasmtime::Result<()> {
        self.ctx().table.delete(value)?;
        Ok(())
    }
}

/// Begins to write a value, which goes to one of the caller's containers.
async fn begin(grantee: Option<Arc<Grantee>>) -> Result<Arc<Writing>, String> {
    let grantee = grantee.ok_or_else(|| denied(""))?;
    if grantee.grants.blobstore.is_empty() {
        // It could go nowhere, so nothing of it is kept.
        return Err(NOWHERE_TO_GO.into());
    }
    let writer = grantee.stores.blobs().write().await;
    let writer = writer.map_err(|error| told(&grantee, error))?;
    Ok(Writing::new(writer, grantee))
}

impl types::HostIncomingValue for State {
    async fn incoming_value_consume_sync(&mut self, value: Resource<Part>) -> Answer<Vec<u8>> {
        let part = self.ctx().table.delete(value)?;
        Ok(part.bytes().await)
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
        Ok(self.ctx().table.get(&value)?.reader.left())
    }

    async fn drop(&mut self, value: Resource<Part>) -> wasmtime::Result<()> {
        self.ctx().table.delete(value)?;
        Ok(())
    }
}

impl container::Host for State {}

impl container::HostContainer for State {
    async fn name(&mut self, container: Resource<Container>) -> Answer<String> {
        Ok(Ok(held(self, &container)?.name.to_string()))
    }

    async fn info(&mut self, container: Resource<Container>) -> Answer<types::ContainerMetadata> {
        let held = held(self, &container)?;
        let facts = held.blobs.container(held.name.clone()).await;
        let metadata = facts.map(|facts| types::ContainerMetadata {
            name: held.name.to_string(),
            created_at: facts.created,
        });
        Ok(metadata.map_err(|error| held.told(error)))
    }

    async fn get_data(
        &mut self,
        container: Resource<Container>,
        object: String,
        first: u64,
        last: u64,
    ) -> Answer<Resource<Part>> {
        let held = held(self, &container)?;
        let read = held.blobs.read(held.place(object), Span { first, last });
        match read.await {
            Ok(reader) => {
                let grantee = held.grantee;
                Ok(Ok(self.ctx().table.push(Part { reader, grantee })?))
            }
            Err(error) => Ok(Err(held.told(error))),
        }
    }

    async fn write_data(
        &mut self,
        container: Resource<Container>,
        object: String,
        value: Resource<Outgoing>,
    ) -> Answer<()> {
        let held = held(self, &container)?;
        let place = held.place(object);
        // Told here rather than by `finish`, when everything was sent already.
        if let Err(error) = held.blobs.check(place.clone()).await {
            return Ok(Err(held.told(error)));
        }
        let outgoing = self.ctx().table.get_mut(&value)?;
        if outgoing.place.is_some() {
            return Ok(Err("the value was written to a container before".into()));
        }
        outgoing.place = Some(place);
        Ok(Ok(()))
    }

    async fn list_objects(&mut self, container: Resource<Container>) -> Answer<Resource<Names>> {
        let held = held(self, &container)?;
        match held.blobs.names(held.name.clone()).await {
            Ok(names) => {
                let grantee = held.grantee;
                Ok(Ok(self.ctx().table.push(Names { names, grantee })?))
            }
            Err(error) => Ok(Err(held.told(error))),
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
        let deleted = held.blobs.delete(held.name.clone(), objects).await;
        Ok(deleted.map_err(|error| held.told(error)))
    }

    async fn has_object(&mut self, container: Resource<Container>, object: String) -> Answer<bool> {
        let held = held(self, &container)?;
        Ok(match held.blobs.object(held.place(object)).await {
            Ok(_) => Ok(true),
            Err(BlobError::NoObject(_)) => Ok(false),
            Err(error) => Err(held.told(error)),
        })
    }

    async fn object_info(
        &mut self,
        container: Resource<Container>,
        object: String,
    ) -> Answer<types::ObjectMetadata> {
        let held = held(self, &container)?;
        let facts = held.blobs.object(held.place(object.clone())).await;
        let metadata = facts.map(|facts| types::ObjectMetadata {
            name: object,
            container: held.name.to_string(),
            created_at: facts.created,
            size: facts.size,
        });
        Ok(metadata.map_err(|error| held.told(error)))
    }

    async fn clear(&mut self, container: Resource<Container>) -> Answer<()> {
        let held = held(self, &container)?;
        let cleared = held.blobs.clear(held.name.clone()).await;
        Ok(cleared.map_err(|error| held.told(error)))
    }

    async fn drop(&mut self, container: Resource<Container>) -> wasmtime::Result<()> {
        self.ctx().table.delete(container)?;
        Ok(())
    }
}

/// The next names, and whether there are no more.
async fn next_names(
    state: &mut State,
    names: &Resource<Names>,
    most: u64,
) -> Answer<(Vec<String>, bool)> {
    let listed = state.ctx().table.get_mut(names)?;
    let most = usize::try_from(most).map_or(MOST_NAMES, |most| most.min(MOST_NAMES));
    let found = listed.names.next(most).await;
    let found = found.map_err(|error| told(&listed.grantee, error));
    Ok(found.map(|names| {
        let last = names.len() < most;
        (names, last)
    }))
}

impl container::HostStreamObjectNames for State {
    async fn read_stream_object_names(
        &mut self,
        names: Resource<Names>,
        most: u64,
    ) -> Answer<(Vec<String>, bool)> {
        next_names(self, &names, most).await
    }

    async fn skip_stream_object_names(
        &mut self,
        names: Resource<Names>,
        most: u64,
    ) -> Answer<(u64, bool)> {
        let skipped = next_names(self, &names, most).await?;
        Ok(skipped.map(|(names, last)| (names.len() as u64, last)))
    }

    async fn drop(&mut self, names: Resource<Names>) -> wasmtime::Result<()> {
        self.ctx().table.delete(names)?;
        Ok(())
    }
}

impl blobstore::Host for State {
    async fn create_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let container = match granted(self, name) {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        match container.blobs.create(container.name.clone()).await {
            Ok(()) => Ok(Ok(self.ctx().table.push(container)?)),
            Err(error) => Ok(Err(container.told(error))),
        }
    }

    async fn get_container(&mut self, name: String) -> Answer<Resource<Container>> {
        let container = match granted(self, name) {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        match container.blobs.container(container.name.clone()).await {
            Ok(_) => Ok(Ok(self.ctx().table.push(container)?)),
            Err(error) => Ok(Err(container.told(error))),
        }
    }

    async fn delete_container(&mut self, name: String) -> Answer<()> {
        let container = match granted(self, name) {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        let removed = container.blobs.remove(container.name.clone()).await;
        Ok(removed.map_err(|error| container.told(error)))
    }

    async fn container_exists(&mut self, name: String) -> Answer<bool> {
        let container = match granted(self, name) {
            Ok(container) => container,
            Err(told) => return Ok(Err(told)),
        };
        Ok(
            match container.blobs.container(container.name.clone()).await {
                Ok(_) => Ok(true),
                Err(BlobError::NoContainer(_)) => Ok(false),
                Err(error) => Err(container.told(error)),
            },
        )
    }

    async fn copy_object(&mut self, from: types::ObjectId, to: types::ObjectId) -> Answer<()> {
        let (source, target) = match both(self, from, to) {
            Ok((from, to)) => (from, to),
            Err(told) => return Ok(Err(told)),
        };
        let copied = target.0.blobs.copy(source.1, target.1).await;
        Ok(copied.map_err(|error| target.0.told(error)))
    }

    async fn move_object(&mut self, from: types::ObjectId, to: types::ObjectId) -> Answer<()> {
        let (source, target) = match both(self, from, to) {
            Ok((from, to)) => (from, to),
            Err(told) => return Ok(Err(told)),
        };
        let moved = target.0.blobs.rename(source.1, target.1).await;
        Ok(moved.map_err(|error| target.0.told(error)))
    }
}

type Located = (Container, Place);

/// Two objects of containers that are granted.
fn both(
    state: &State,
    from: types::ObjectId,
    to: types::ObjectId,
) -> Result<(Located, Located), String> {
    let located = |id: types::ObjectId| {
        let container = granted(state, id.container)?;
        let place = container.place(id.object);
        Ok::<_, String>((container, place))
    };
    Ok((located(from)?, located(to)?))
}
