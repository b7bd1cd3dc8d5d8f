//! Blobs in the files of a [`BlobFolder`], whose jobs run on blocking threads.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::{Dir, FileType};
use tokio::sync::OnceCell;

use super::folder::{BlobFolder, Open};
use super::name;
use super::store::{BlobError, BlobNames, BlobReader, BlobWriter, Blobs, Facts, Place, Span};
use crate::capability::stores::Room;

/// The blobs below an app's folder, as one component uses them.
#[derive(Debug)]
pub(crate) struct FileBlobs {
    state: PathBuf,
    room: Room,
    opened: OnceCell<Arc<BlobFolder>>,
}

/// Runs what touches the disk on a blocking thread.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    let done = tokio::task::spawn_blocking(job).await;
    done.unwrap_or_else(|gone| Err(BlobError::Failed(gone.to_string())))
}

impl FileBlobs {
    pub(crate) fn new(state: &Path, room: Room) -> Self {
        Self {
            state: state.to_owned(),
            room,
            opened: OnceCell::new(),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<BlobFolder>) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let open = || {
            let state = self.state.clone();
            blocking(move || BlobFolder::at(&state))
        };
        let folder = self.opened.get_or_try_init(open).await?.clone();
        blocking(move || job(&folder)).await
    }
}

#[wasmtime_wasi::async_trait]
impl Blobs for FileBlobs {
    async fn create(&self, container: Arc<str>) -> Result<(), BlobError> {
        self.run(move |folder| folder.create(&container)).await
    }

    async fn container(&self, container: Arc<str>) -> Result<Facts, BlobError> {
        self.run(move |folder| folder.container_facts(&container))
            .await
    }

    async fn clear(&self, container: Arc<str>) -> Result<(), BlobError> {
        self.run(move |folder| folder.clear(&container, false))
            .await
    }

    async fn remove(&self, container: Arc<str>) -> Result<(), BlobError> {
        self.run(move |folder| folder.clear(&container, true)).await
    }

    async fn names(&self, container: Arc<str>) -> Result<Box<dyn BlobNames>, BlobError> {
        let listed = self.run(move |folder| folder.list(&container)).await?;
        Ok(Box::new(FileNames(Arc::new(Mutex::new(listed)))))
    }

    async fn object(&self, place: Place) -> Result<Facts, BlobError> {
        self.run(move |folder| folder.object_facts(&place.container, &place.object))
            .await
    }

    async fn delete(&self, container: Arc<str>, objects: Vec<String>) -> Result<(), BlobError> {
        self.run(move |folder| folder.delete(&container, &objects))
            .await
    }

    async fn copy(&self, from: Place, to: Place) -> Result<(), BlobError> {
        let room = self.room;
        self.run(move |folder| {
            let source = folder.read(&from.container, &from.object)?;
            let target = Unfinished::new(folder)?;
            target.copy_from(&source, room)?;
            target.commit(&to, room)
        })
        .await
    }

    async fn rename(&self, from: Place, to: Place) -> Result<(), BlobError> {
        let store = self.room.store;
        self.run(move |folder| folder.rename(from.names(), to.names(), store))
            .await
    }

    async fn check(&self, place: Place) -> Result<(), BlobError> {
        self.run(move |folder| {
            name::encode(&place.object)?;
            folder.container_facts(&place.container).map(drop)
        })
        .await
    }

    async fn read(&self, place: Place, span: Span) -> Result<Box<dyn BlobReader>, BlobError> {
        let read = self.run(move |folder| {
            let open = folder.hold_open()?;
            let file = folder.read(&place.container, &place.object)?;
            FileReader::new(file, span, open)
        });
        Ok(Box::new(read.await?))
    }

    async fn write(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        let unfinished = self.run(|folder| Unfinished::new(folder).map(Arc::new));
        Ok(Box::new(FileWriter {
            unfinished: Some(unfinished.await?),
            room: self.room,
        }))
    }
}

#[derive(Debug)]
struct FileNames(Arc<Mutex<Dir>>);

#[wasmtime_wasi::async_trait]
impl BlobNames for FileNames {
    async fn next(&mut self, most: usize) -> Result<Vec<String>, BlobError> {
        let listed = self.0.clone();
        blocking(move || {
            let mut listed = listed.lock().unwrap_or_else(PoisonError::into_inner);
            some_names(&mut listed, most)
        })
        .await
    }
}

/// The next names of a container's folder.
fn some_names(listed: &mut Dir, most: usize) -> Result<Vec<String>, BlobError> {
    let mut names = Vec::new();
    while names.len() < most {
        let Some(entry) = listed.read() else {
            break;
        };
        let entry = entry?;
        if matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
            names.extend(name::decode(entry.file_name().to_bytes()));
        }
    }
    Ok(names)
}

/// An object that is open for reading.
#[derive(Debug)]
struct FileReader {
    file: Arc<File>,
    position: u64,
    left: u64,
    /// Counts for as long as this is open.
    _open: Open,
}

impl FileReader {
    fn new(file: File, span: Span, open: Open) -> Result<Self, BlobError> {
        let size = file.metadata()?.len();
        let end = size.min(span.last.saturating_add(1));
        Ok(Self {
            file: Arc::new(file),
            position: span.first,
            left: end.saturating_sub(span.first),
            _open: open,
        })
    }
}

#[wasmtime_wasi::async_trait]
impl BlobReader for FileReader {
    fn left(&self) -> u64 {
        self.left
    }

    async fn next(&mut self, most: usize) -> Result<Bytes, BlobError> {
        let most = most.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(Bytes::new());
        }
        let (file, position) = (self.file.clone(), self.position);
        let bytes = blocking(move || {
            let mut bytes = vec![0; most];
            let read = file.read_at(&mut bytes, position)?;
            if read == 0 {
                // An object never shrinks: it is replaced.
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            bytes.truncate(read);
            Ok(Bytes::from(bytes))
        })
        .await?;
        let read = u64::try_from(bytes.len()).unwrap_or_default();
        self.position += read;
        self.left = self.left.saturating_sub(read);
        Ok(bytes)
    }
}

/// A file in `.incoming`, removed when nothing became of it.
#[derive(Debug)]
struct Unfinished {
    folder: Arc<BlobFolder>,
    file: File,
    name: String,
    written: AtomicU64,
}

impl Unfinished {
    fn new(folder: &Arc<BlobFolder>) -> Result<Self, BlobError> {
        let (file, name) = folder.begin()?;
        Ok(Self {
            folder: folder.clone(),
            file,
            name,
            written: AtomicU64::new(0),
        })
    }

    /// Counts bytes that are about to be written.
    fn admit(&self, length: u64, room: Room) -> Result<(), BlobError> {
        let written = self.written.load(Ordering::Acquire);
        if written.saturating_add(length) > room.file {
            return Err(BlobError::TooLarge(room.file));
        }
        let spooled = &self.folder.spooled;
        let before = spooled.fetch_add(length, Ordering::AcqRel);
        if before.saturating_add(length) > room.store {
            spooled.fetch_sub(length, Ordering::AcqRel);
            return Err(BlobError::Full(room.store));
        }
        self.written.store(written + length, Ordering::Release);
        Ok(())
    }

    /// Gives back the room that it has taken, once.
    fn release(&self) {
        let written = self.written.swap(0, Ordering::AcqRel);
        self.folder.spooled.fetch_sub(written, Ordering::AcqRel);
    }

    fn copy_from(&self, source: &File, room: Room) -> Result<(), BlobError> {
        let size = source.metadata()?.len();
        self.admit(size, room)?;
        let copied = io::copy(&mut io::Read::take(source, size), &mut &self.file)?;
        if copied != size {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    fn commit(&self, place: &Place, room: Room) -> Result<(), BlobError> {
        let from = (&self.file, self.name.as_str());
        self.folder.commit(from, place.names(), room.store)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.release();
        self.folder.discard(&self.name);
    }
}

/// An object that is being written.
#[derive(Debug)]
struct FileWriter {
    /// Nothing when it was finished.
    unfinished: Option<Arc<Unfinished>>,
    room: Room,
}

fn gone() -> BlobError {
    BlobError::Failed("it was finished before".into())
}

#[wasmtime_wasi::async_trait]
impl BlobWriter for FileWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let unfinished = self.unfinished.clone().ok_or_else(gone)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        unfinished.admit(length, self.room)?;
        blocking(move || Ok((&unfinished.file).write_all(&bytes)?)).await
    }

    async fn finish(mut self: Box<Self>, place: Place) -> Result<(), BlobError> {
        let unfinished = self.unfinished.take().ok_or_else(gone)?;
        let room = self.room;
        blocking(move || unfinished.commit(&place, room)).await
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        let Some(unfinished) = self.unfinished.take() else {
            return;
        };
        unfinished.release();
        // Removing the file of what came to nothing may take its time.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(unfinished));
        }
    }
}

#[cfg(test)]
mod tests;
