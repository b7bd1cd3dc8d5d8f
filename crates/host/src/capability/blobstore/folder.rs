//! The folders of an app's blobs.
//!
//! ```text
//! <state>/blobstore/<container>/<object>   one file for each object
//! <state>/blobstore/.incoming/             what is being written
//! <state>/blobstore/.used/<container>      how many bytes the container has; its lock is the container's
//! ```
//!
//! An object is written beside, brought to the disk, and then renamed over the one that was there: whoever reads sees the old
//! one or the new one, whole, whatever is killed when. Readers take no lock. Whoever changes a container holds the lock of its
//! file in `.used`, in all workers, so that the number in it is true; each worker counts anew when it first comes to a
//! container, because one that was killed may have left it behind.
//!
//! Every step starts from an open folder and follows no symbolic link, so that one that somebody planted leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::name;
use super::store::{BlobError, Facts};

const INCOMING: &str = ".incoming";
const USED: &str = ".used";
/// What an object takes at least, and is rounded up to: a file without bytes takes room too.
const BLOCK: u64 = 4096;
/// Blobs that one worker has open for reading at once, so that they leave descriptors for connections.
const MOST_OPEN: u32 = 256;
/// What is in `.incoming` longer than this, and locked by nobody, was left by a worker that was killed.
const STALE: Duration = Duration::from_mins(1);

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const NOT_FOLLOWED: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// The blobs of one app, as one worker uses them.
#[derive(Debug)]
pub(super) struct BlobFolder {
    root: OwnedFd,
    incoming: OwnedFd,
    used: OwnedFd,
    /// Containers that this worker has counted.
    counted: Mutex<BTreeSet<String>>,
    /// Bytes that lie in `.incoming` for this worker.
    pub(super) spooled: AtomicU64,
    open: AtomicU32,
    number: AtomicU64,
}

/// One of the blobs that may be open.
#[derive(Debug)]
pub(super) struct Open(Arc<BlobFolder>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl From<std::io::Error> for BlobError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Errno> for BlobError {
    fn from(error: Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

fn facts(file: &File) -> std::io::Result<Facts> {
    let metadata = file.metadata()?;
    let made = metadata.created().or_else(|_| metadata.modified())?;
    Ok(Facts {
        created: made
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs(),
        size: metadata.len(),
    })
}

/// The right to change a container, and what it has.
struct Ledger {
    file: File,
    used: u64,
}

impl Ledger {
    fn set(&mut self, used: u64) -> std::io::Result<()> {
        self.used = used;
        self.file.rewind()?;
        // A fixed width, so that a shorter number leaves nothing of a longer one.
        self.file.write_all(format!("{used:020}\n").as_bytes())
    }
}

/// What an object of this size counts.
fn charge(size: u64) -> u64 {
    size.max(1).next_multiple_of(BLOCK)
}

fn subfolder(parent: &OwnedFd, name: &str) -> Result<OwnedFd, BlobError> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(rustix::fs::openat(parent, name, FOLDER, Mode::empty())?)
}

/// The regular files of a folder, by name and size.
fn files(folder: &OwnedFd) -> Result<Vec<(Vec<u8>, u64)>, BlobError> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            let size = u64::try_from(stat.st_size).unwrap_or_default();
            found.push((name.to_bytes().to_vec(), size));
        }
    }
    Ok(found)
}

impl BlobFolder {
    /// Those below this folder of an app; the same ones for all that ask in this process.
    pub(super) fn at(state: &Path) -> Result<Arc<Self>, BlobError> {
        static OPENED: Mutex<BTreeMap<PathBuf, Arc<BlobFolder>>> = Mutex::new(BTreeMap::new());
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(blobs) = opened.get(state) {
            return Ok(blobs.clone());
        }
        let blobs = Arc::new(Self::open(state)?);
        opened.insert(state.to_owned(), blobs.clone());
        Ok(blobs)
    }

    pub(super) fn open(state: &Path) -> Result<Self, BlobError> {
        std::fs::create_dir_all(state)?;
        let state = rustix::fs::open(state, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let root = subfolder(&state, "blobstore")?;
        let blobs = Self {
            incoming: subfolder(&root, INCOMING)?,
            used: subfolder(&root, USED)?,
            root,
            counted: Mutex::default(),
            spooled: AtomicU64::new(0),
            open: AtomicU32::new(0),
            number: AtomicU64::new(0),
        };
        blobs.sweep()?;
        Ok(blobs)
    }

    /// Removes what killed workers were writing.
    fn sweep(&self) -> Result<(), BlobError> {
        for (name, _) in files(&self.incoming)? {
            let name = std::ffi::OsStr::from_bytes(&name);
            let flags = OFlags::RDONLY | NOT_FOLLOWED;
            let Ok(file) = rustix::fs::openat(&self.incoming, name, flags, Mode::empty()) else {
                continue;
            };
            let file = File::from(file);
            let age = SystemTime::now().duration_since(file.metadata()?.modified()?);
            let stale = age.is_ok_and(|age| age > STALE);
            if stale && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                rustix::fs::unlinkat(&self.incoming, name, AtFlags::empty())?;
            }
        }
        Ok(())
    }

    fn folder(&self, container: &str) -> Result<OwnedFd, BlobError> {
        let name = name::encode(container)?;
        match rustix::fs::openat(&self.root, &name, FOLDER, Mode::empty()) {
            Ok(folder) => Ok(folder),
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {
                Err(BlobError::NoContainer(container.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the right to change a container.
    fn lock(&self, container: &str) -> Result<Ledger, BlobError> {
        let name = name::encode(container)?;
        let flags = OFlags::RDWR | OFlags::CREATE | NOT_FOLLOWED;
        let file = rustix::fs::openat(&self.used, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let used = text.trim().parse().unwrap_or_default();
        let mut ledger = Ledger { file, used };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if !counted.contains(&name) {
            let found = match self.folder(container) {
                Ok(folder) => files(&folder)?,
                Err(BlobError::NoContainer(_)) => Vec::new(),
                Err(error) => return Err(error),
            };
            ledger.set(found.iter().map(|(_, size)| charge(*size)).sum())?;
            counted.insert(name);
        }
        Ok(ledger)
    }

    pub(super) fn create(&self, container: &str) -> Result<(), BlobError> {
        let mut ledger = self.lock(container)?;
        match rustix::fs::mkdirat(&self.root, name::encode(container)?, Mode::RWXU) {
            Ok(()) => Ok(ledger.set(0)?),
            Err(Errno::EXIST) => Err(BlobError::ContainerExists(container.to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn container_facts(&self, container: &str) -> Result<Facts, BlobError> {
        Ok(facts(&File::from(self.folder(container)?))?)
    }

    /// Removes all objects, and the container itself when `whole`.
    pub(super) fn clear(&self, container: &str, whole: bool) -> Result<(), BlobError> {
        let mut ledger = self.lock(container)?;
        let folder = match self.folder(container) {
            Err(BlobError::NoContainer(_)) if whole => return Ok(()),
            folder => folder?,
        };
        for (file, size) in files(&folder)? {
            let file = std::ffi::OsStr::from_bytes(&file);
            rustix::fs::unlinkat(&folder, file, AtFlags::empty())?;
            let used = ledger.used.saturating_sub(charge(size));
            ledger.set(used)?;
        }
        if whole {
            rustix::fs::unlinkat(&self.root, name::encode(container)?, AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }

    /// Opens an object for reading. It stays readable when it is replaced or deleted.
    pub(super) fn read(&self, container: &str, object: &str) -> Result<File, BlobError> {
        let folder = self.folder(container)?;
        // Without NONBLOCK a planted pipe would hold the thread.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | NOT_FOLLOWED;
        let opened = rustix::fs::openat(&folder, name::encode(object)?, flags, Mode::empty());
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Err(BlobError::NoObject(object.to_owned())),
            Err(Errno::LOOP) => return Err(BlobError::NoFile),
            Err(error) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            return Err(BlobError::NoFile);
        }
        Ok(file)
    }

    pub(super) fn object_facts(&self, container: &str, object: &str) -> Result<Facts, BlobError> {
        Ok(facts(&self.read(container, object)?)?)
    }

    /// Counts one more open blob.
    pub(super) fn hold_open(self: &Arc<Self>) -> Result<Open, BlobError> {
        if self.open.fetch_add(1, Ordering::AcqRel) >= MOST_OPEN {
            self.open.fetch_sub(1, Ordering::AcqRel);
            return Err(BlobError::TooManyOpen(MOST_OPEN));
        }
        Ok(Open(self.clone()))
    }

    /// The names of a container's objects, in no order.
    pub(super) fn list(&self, container: &str) -> Result<Dir, BlobError> {
        Ok(Dir::new(self.folder(container)?)?)
    }

    /// Deletes objects, those that are there.
    pub(super) fn delete(&self, container: &str, objects: &[String]) -> Result<(), BlobError> {
        let mut ledger = self.lock(container)?;
        let folder = self.folder(container)?;
        for object in objects {
            let file = name::encode(object)?;
            let Some(size) = size_of(&folder, &file)? else {
                continue;
            };
            rustix::fs::unlinkat(&folder, &file, AtFlags::empty())?;
            let used = ledger.used.saturating_sub(charge(size));
            ledger.set(used)?;
        }
        Ok(())
    }

    /// A new file in `.incoming`, locked for as long as it is open, and its name.
    pub(super) fn begin(&self) -> Result<(File, String), BlobError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("{}-{}-{number}", std::process::id(), since.as_nanos());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | NOT_FOLLOWED;
        let file = rustix::fs::openat(&self.incoming, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(file);
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok((file, name))
    }

    pub(super) fn discard(&self, incoming: &str) {
        // What cannot be removed now is removed when a worker starts.
        let _ = rustix::fs::unlinkat(&self.incoming, incoming, AtFlags::empty());
    }

    /// Puts a file of `.incoming` where an object is, or was; `store` is what the container may have.
    pub(super) fn commit(
        &self,
        (file, incoming): (&File, &str),
        (container, object): (&str, &str),
        store: u64,
    ) -> Result<(), BlobError> {
        let target = name::encode(object)?;
        file.sync_all()?;
        let size = file.metadata()?.len();
        let mut ledger = self.lock(container)?;
        let folder = self.folder(container)?;
        let replaced = size_of(&folder, &target)?.map_or(0, charge);
        let used = ledger
            .used
            .saturating_sub(replaced)
            .saturating_add(charge(size));
        if used > store {
            return Err(BlobError::Full(store));
        }
        rustix::fs::renameat(&self.incoming, incoming, &folder, &target)?;
        rustix::fs::fsync(&folder)?;
        Ok(ledger.set(used)?)
    }

    /// Renames an object, which may be to another container.
    pub(super) fn rename(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        store: u64,
    ) -> Result<(), BlobError> {
        if from == to {
            return self.read(from.0, from.1).map(drop);
        }
        // Always in the same order, so that two that move in opposite directions do not wait for each other.
        let (first, second) = (from.0.min(to.0), from.0.max(to.0));
        let mut ledgers = BTreeMap::from([(first, self.lock(first)?)]);
        if first != second {
            ledgers.insert(second, self.lock(second)?);
        }
        let (source, target) = (self.folder(from.0)?, self.folder(to.0)?);
        let (old, new) = (name::encode(from.1)?, name::encode(to.1)?);
        let no_object = || BlobError::NoObject(from.1.to_owned());
        let size = charge(size_of(&source, &old)?.ok_or_else(no_object)?);
        let replaced = size_of(&target, &new)?.map_or(0, charge);
        let grows = if from.0 == to.0 { 0 } else { size };
        let used = |name| ledgers.get(name).map_or(0, |ledger: &Ledger| ledger.used);
        let (left, arrived) = (
            used(from.0).saturating_sub(size),
            used(to.0).saturating_sub(replaced).saturating_add(grows),
        );
        if grows > 0 && arrived > store {
            return Err(BlobError::Full(store));
        }
        rustix::fs::renameat(&source, &old, &target, &new)?;
        rustix::fs::fsync(&target)?;
        for (name, used) in [(from.0, left), (to.0, arrived)] {
            if let Some(ledger) = ledgers.get_mut(name) {
                ledger.set(used)?;
            }
        }
        Ok(())
    }
}

/// The size of the file of this name, if there is one.
fn size_of(folder: &OwnedFd, file: &str) -> Result<Option<u64>, BlobError> {
    match rustix::fs::statat(folder, file, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(u64::try_from(stat.st_size).unwrap_or_default())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
