//! What one instance has open, and whether it may have more.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Weak};

use wasmtime_wasi::filesystem::{Descriptor, Dir};

use super::tally::{Left, Tally};
use super::walk::{self, ENTRY};
use super::{Folders, Mount};
use crate::meter::Limit;

/// Entries of folders that are listed at once: a list is kept in memory as a whole.
const LISTED: usize = 100_000;

/// Why a guest may not do something with its files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// Too many files are open.
    Quota,
    /// The file would be too large.
    FileTooLarge,
    /// The folder is full.
    InsufficientSpace,
    /// It is not allowed.
    NotPermitted,
    /// The two ends are in different folders.
    CrossDevice,
    /// The disk failed.
    Io,
}

/// The files of one instance.
#[derive(Debug)]
pub(crate) struct Guard {
    folders: Arc<Folders>,
    /// The folder that each descriptor belongs to.
    owners: HashMap<u32, usize>,
    /// What was opened. A descriptor of the system is there for as long as somebody holds it, a stream for example.
    opened: Vec<Weak<File>>,
    /// One for each stream that writes; the first is our own.
    writers: Arc<()>,
    /// How many entries each list has.
    lists: HashMap<u32, usize>,
}

/// Where a file is written to: what may grow there.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    folders: Arc<Folders>,
    mount: usize,
    /// Counts the streams.
    _writer: Arc<()>,
}

/// What an open of a path finds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// A file, a folder, or a link.
    pub(super) ordinary: bool,
    /// A file with more than one name.
    pub(super) shared: bool,
}

impl Guard {
    pub(crate) fn new(folders: Arc<Folders>) -> Self {
        Self {
            folders,
            owners: HashMap::new(),
            opened: Vec::new(),
            writers: Arc::new(()),
            lists: HashMap::new(),
        }
    }

    /// The folders, as descriptors and names; `push` gives each its handle.
    pub(super) fn preopens<T>(
        &mut self,
        mut push: impl FnMut(Dir) -> wasmtime::Result<(u32, T)>,
    ) -> wasmtime::Result<Vec<(T, String)>> {
        let mut results = Vec::new();
        for (index, mount) in self.folders.mounts.iter().enumerate() {
            let (handle, made) = push(mount.dir.clone())?;
            self.owners.insert(handle, index);
            results.push((made, mount.folder.mount.clone()));
        }
        Ok(results)
    }

    fn exceeded(&self, limit: Limit) {
        self.folders.listener.meter.exceeded(limit);
    }

    fn mount(&self, handle: u32) -> Option<(usize, &Mount)> {
        let index = *self.owners.get(&handle)?;
        Some((index, self.folders.mounts.get(index)?))
    }

    /// Whether one more file may be opened.
    pub(super) fn admit(&mut self) -> Result<(), Refusal> {
        let most = self.folders.room.files;
        if self.opened.len() >= most {
            self.opened.retain(|file| file.strong_count() > 0);
        }
        if self.opened.len() + self.lists.len() >= most {
            self.exceeded(Limit::Files);
            return Err(Refusal::Quota);
        }
        Ok(())
    }

    /// Something was opened from a descriptor.
    pub(super) fn opened(&mut self, from: u32, handle: u32, descriptor: &Descriptor) {
        let file = match descriptor {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(dir) => &dir.dir,
        };
        self.opened.push(Arc::downgrade(file));
        if let Some(owner) = self.owners.get(&from) {
            self.owners.insert(handle, *owner);
        }
    }

    pub(super) fn closed(&mut self, handle: u32) {
        self.owners.remove(&handle);
    }

    /// Whether what a path leads to may be opened, or changed.
    pub(super) fn approach(
        &self,
        from: u32,
        path: &str,
        found: Found,
        change: bool,
    ) -> Result<(), Refusal> {
        let Some((_, mount)) = self.mount(from) else {
            return Ok(());
        };
        if found.ordinary && !(found.shared && change && mount.folder.write) {
            return Ok(());
        }
        let (mount, tail) = (&mount.folder.mount, "and may belong to somebody else");
        let what = if found.ordinary {
            format!("{mount}/{path} may not be changed: it has another name, {tail}")
        } else {
            format!("{mount}/{path} is neither a file nor a folder, {tail}")
        };
        self.folders.listener.meter.refused(&what);
        Err(Refusal::NotPermitted)
    }

    /// Says that something was refused because it was not granted.
    pub(super) fn denied(&self, from: u32, path: &str) {
        if let Some((index, _)) = self.mount(from) {
            self.folders.deny(index, path);
        }
    }

    /// No guest makes a second name for a file: it could not be told from one that leads out.
    pub(super) fn refuse_link(&self, from: u32, path: &str) -> Result<(), Refusal> {
        if let Some((_, mount)) = self.mount(from) {
            let mount = &mount.folder.mount;
            let what = format!("{mount}/{path} may not get another name: hard links are refused");
            self.folders.listener.meter.refused(&what);
        }
        Err(Refusal::NotPermitted)
    }

    /// Whether two descriptors belong to one folder.
    pub(super) fn together(&self, one: u32, other: u32) -> Result<(), Refusal> {
        if self.owners.get(&one) == self.owners.get(&other) {
            Ok(())
        } else {
            Err(Refusal::CrossDevice)
        }
    }

    /// Something in the folder of a descriptor is removed, or may become smaller.
    pub(super) fn shrinks(&self, handle: u32) {
        if let Some((_, mount)) = self.mount(handle)
            && let Some(tally) = &mount.tally
        {
            tally.shrink();
        }
    }

    /// What grows when something is written to a descriptor; `None` where nothing may be written anyway.
    pub(super) fn ground(&self, handle: u32) -> Option<Ground> {
        let (mount, _) = self.mount(handle)?;
        Some(Ground {
            folders: self.folders.clone(),
            mount,
            _writer: self.writers.clone(),
        })
    }

    /// The same for a stream, of which there are no more than open files.
    pub(super) fn stream(&self, handle: u32) -> Result<Option<Ground>, Refusal> {
        if Arc::strong_count(&self.writers) > self.folders.room.files {
            self.exceeded(Limit::Files);
            return Err(Refusal::Quota);
        }
        Ok(self.ground(handle))
    }

    /// How many entries may still be listed.
    pub(super) fn listable(&mut self) -> Result<usize, Refusal> {
        self.admit()?;
        Ok(LISTED.saturating_sub(self.lists.values().sum()))
    }

    /// A list was opened.
    pub(super) fn listed(&mut self, handle: u32, entries: usize) {
        self.lists.insert(handle, entries);
    }

    pub(super) fn list_closed(&mut self, handle: u32) {
        self.lists.remove(&handle);
    }
}

impl Ground {
    fn mount(&self) -> Option<&Mount> {
        self.folders.mounts.get(self.mount)
    }

    fn tally(&self) -> Option<&Tally> {
        self.mount()?.tally.as_deref()
    }

    fn refuse(&self, limit: Limit) -> Refusal {
        self.folders.listener.meter.exceeded(limit);
        match limit {
            Limit::File => Refusal::FileTooLarge,
            _ => Refusal::InsufficientSpace,
        }
    }

    /// Bytes that may be written at a place of a file now, at most `wanted`; `None` when the folder has to be counted first.
    pub(super) fn room(
        &self,
        size: u64,
        position: u64,
        wanted: u64,
    ) -> Result<Option<u64>, Refusal> {
        let end = size.max(self.folders.room.file);
        let wanted = wanted.min(end.saturating_sub(position));
        if wanted == 0 {
            return Err(self.refuse(Limit::File));
        }
        let inside = size.saturating_sub(position);
        // What lies between the end of the file and the place counts too.
        let hole = position.saturating_sub(size);
        let Some(tally) = self.tally() else {
            return Ok(Some(wanted));
        };
        if wanted <= inside {
            return Ok(Some(wanted));
        }
        Ok(match tally.left() {
            Left::Unknown => None,
            Left::Bytes(left) if inside > 0 || left > hole => {
                Some(wanted.min(inside + left.saturating_sub(hole)))
            }
            _ if inside > 0 => Some(inside),
            _ => return Err(self.refuse(Limit::Store)),
        })
    }

    /// So much is written at a place of a file.
    pub(super) fn grow(&self, size: u64, position: u64, length: u64) {
        let growth = position.saturating_add(length).saturating_sub(size);
        if growth > 0
            && let Some(tally) = self.tally()
        {
            tally.grow(growth);
        }
    }

    /// Counts the folder.
    pub(super) async fn count(&self) -> Result<(), Refusal> {
        match self.tally() {
            Some(tally) => tally.count().await.map_err(|_| Refusal::Io),
            None => Ok(()),
        }
    }

    /// Takes the room of a new entry.
    pub(super) async fn add_entry(&self) -> Result<(), Refusal> {
        let Some(tally) = self.tally() else {
            return Ok(());
        };
        if tally.left() == Left::Unknown {
            self.count().await?;
        }
        match tally.left() {
            Left::Bytes(left) if left >= ENTRY => {
                tally.grow(ENTRY);
                Ok(())
            }
            _ => Err(self.refuse(Limit::Store)),
        }
    }

    /// Takes the room of a write to a place of a file, and gives how much of it may be written.
    pub(super) async fn take(
        &self,
        file: &File,
        position: u64,
        wanted: u64,
    ) -> Result<u64, Refusal> {
        let size = length(file)?;
        let room = if let Some(room) = self.room(size, position, wanted)? {
            room
        } else {
            self.count().await?;
            let counted = self.room(size, position, wanted)?;
            counted.ok_or_else(|| self.refuse(Limit::Store))?
        };
        self.grow(size, position, room);
        Ok(room)
    }
}

/// Bytes of a file; the system has them in memory.
pub(super) fn length(file: &File) -> Result<u64, Refusal> {
    file.metadata()
        .map(|metadata| metadata.len())
        .map_err(|_| Refusal::Io)
}

/// Whether an open file has more than one name.
pub(super) fn is_shared(descriptor: &Descriptor) -> bool {
    match descriptor {
        Descriptor::File(file) => file
            .file
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.nlink() > 1),
        Descriptor::Dir(_) => false,
    }
}

/// How many entries a folder has, or more than `most`.
pub(super) async fn count_entries(dir: Arc<File>, most: usize) -> Result<usize, Refusal> {
    let counted = tokio::task::spawn_blocking(move || walk::entries(&dir, most)).await;
    match counted {
        Ok(Ok(count)) => Ok(count),
        _ => Err(Refusal::Io),
    }
}
