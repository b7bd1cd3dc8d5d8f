//! The folders that a guest sees.
//!
//! A component's folders are opened once, when its app is loaded; each instance gets the open descriptors. Wasmtime keeps a
//! guest inside of them, whatever path it names, and read-only folders read-only. What is added here, in front of its
//! functions and with the same types, is what a guest may take: so many open files, so much growth of one file and of a whole
//! folder ([`tally`]), and no path to what does not belong to the folder though it lies there:
//!
//! - A file that has another name (a hard link) may be somebody's outside of the folder. The owner may put such files into a
//!   folder, as package managers do, and a guest may read them. It may not change them, nor make one.
//! - What is neither a file nor a folder (a device, a socket, a pipe) is not opened: a pipe would hold a thread for ever.
//!
//! Functions of an instance without folders cost nothing but the look whether it has some.

mod consumer;
mod guard;
mod p2;
mod p3;
mod stream;
mod tally;
mod walk;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::filesystem::{Dir, WasiFilesystemCtxView};
use wasmtime_wasi::{FsPerms, OpenMode};

use crate::denial::{Denial, Denials, Table};
use crate::meter::Meter;
use crate::state::State;
pub(crate) use guard::Guard;
use tally::Tally;

/// A folder of the host, and where a guest sees it.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The folder on the host.
    pub source: PathBuf,
    /// Its name for the guest.
    pub mount: String,
    /// Whether the guest may change what is in it.
    pub write: bool,
}

/// What one component may take of its folders.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Files and folders that one instance has open.
    pub files: usize,
    /// Bytes to which it may let a file grow.
    pub file: u64,
    /// Bytes of each folder that it may write to.
    pub store: u64,
    /// Processes that share the folders.
    pub workers: u32,
}

/// Told what a component wanted of its folders and may not.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Takes what was not granted.
    pub denials: Arc<dyn Denials>,
    /// Takes the limits that it ran into.
    pub meter: Arc<dyn Meter>,
}

/// The open folders of one component, shared by its instances.
#[derive(Debug)]
pub struct Folders {
    mounts: Vec<Mount>,
    room: Room,
    listener: Listener,
}

struct Mount {
    dir: Dir,
    folder: Folder,
    /// What is in it; only for those that may be written to.
    tally: Option<Arc<Tally>>,
}

impl std::fmt::Debug for Mount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.folder.fmt(formatter)
    }
}

impl Folders {
    /// Opens the folders of a component; the error names the one that cannot be opened.
    pub fn open(folders: &[Folder], room: Room, listener: Listener) -> io::Result<Arc<Self>> {
        let mount = |folder: &Folder| {
            Mount::open(folder, room).map_err(|error| {
                let path = folder.source.display();
                io::Error::new(error.kind(), format!("the folder {path}: {error}"))
            })
        };
        Ok(Arc::new(Self {
            mounts: folders.iter().map(mount).collect::<io::Result<_>>()?,
            room,
            listener,
        }))
    }

    /// Says that a guest wanted something of a folder that is not granted.
    fn deny(&self, mount: usize, path: &str) {
        let Some(Mount { folder, .. }) = self.mounts.get(mount) else {
            return;
        };
        let source = folder
            .source
            .file_name()
            .unwrap_or(folder.source.as_os_str())
            .to_string_lossy();
        let name = &folder.mount;
        let (target, grant) = if leads_out(path) {
            let target = if path.starts_with('/') {
                path.to_owned()
            } else {
                format!("{name}/{path}")
            };
            (
                target,
                "files = [{ source = \"...\", mount = \"...\" }]".to_owned(),
            )
        } else {
            (
                format!("{}/{path}", name.trim_end_matches('/')),
                format!("files = [{{ source = {source:?}, mount = {name:?}, write = true }}]"),
            )
        };
        self.listener.denials.deny(Denial {
            import: "wasi:filesystem/types",
            target: &target,
            grant: &grant,
            table: Table::Grants,
        });
    }
}

/// Whether a path names something outside of the folder that it starts from, as far as its text tells.
fn leads_out(path: &str) -> bool {
    let mut depth = 0_i64;
    path.starts_with('/')
        || path.split('/').any(|part| {
            depth += match part {
                "" | "." => 0,
                ".." => -1,
                _ => 1,
            };
            depth < 0
        })
}

impl Mount {
    fn open(folder: &Folder, room: Room) -> io::Result<Self> {
        let opened = open_folder(&folder.source)?;
        let (permissions, mode) = if folder.write {
            (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE)
        } else {
            (FsPerms::ReadOnly, OpenMode::READ)
        };
        let tally = if folder.write {
            Some(Tally::new(opened.try_clone()?, room.store, room.workers))
        } else {
            None
        };
        Ok(Self {
            dir: Dir::new(opened, permissions, mode, false),
            folder: folder.clone(),
            tally: tally.map(Arc::new),
        })
    }
}

fn open_folder(path: &Path) -> io::Result<File> {
    let opened = File::open(path)?;
    if opened.metadata()?.is_dir() {
        Ok(opened)
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// `wasi:filesystem` in its versions, guarded.
pub(crate) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    p2::add_to_linker(linker)?;
    if concurrent {
        p3::add_to_linker(linker)?;
    }
    Ok(())
}

/// `wasi:filesystem` as guests get it: Wasmtime's, behind a guard.
pub(crate) struct Guarded;

impl HasData for Guarded {
    type Data<'a> = GuardedView<'a>;
}

/// The files of one instance, and what watches over them; `None` where an embedder gave it folders of its own, or nobody
/// gave it any.
pub(crate) struct GuardedView<'a> {
    pub(crate) files: WasiFilesystemCtxView<'a>,
    pub(crate) guard: Option<&'a mut Guard>,
}
