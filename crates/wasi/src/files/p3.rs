//! `wasi:filesystem` 0.3, behind the guard.

use std::sync::Arc;

use tokio::sync::oneshot;
use wasmtime::AsContextMut;
use wasmtime::component::{Access, Accessor, FutureReader, Linker, Resource, StreamReader};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystem};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    HostDescriptorWithStore, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p3::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

use super::consumer::BoundedConsumer;
use super::guard::{Found, Ground, Guard, Refusal, is_shared, length};
use super::{Guarded, GuardedView};
use crate::state::State;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, Guarded>(linker, State::guarded_files)?;
    preopens::add_to_linker::<State, Guarded>(linker, State::guarded_files)
}

impl From<Refusal> for ErrorCode {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quota => Self::Quota,
            Refusal::FileTooLarge => Self::FileTooLarge,
            Refusal::InsufficientSpace => Self::InsufficientSpace,
            Refusal::NotPermitted => Self::NotPermitted,
            Refusal::CrossDevice => Self::CrossDevice,
            Refusal::Io => Self::Io,
        }
    }
}

impl From<Refusal> for FilesystemError {
    fn from(refusal: Refusal) -> Self {
        ErrorCode::from(refusal).into()
    }
}

type Fd = Resource<Descriptor>;
type Store = Accessor<State, Guarded>;
type Plain = WasiFilesystem;
type Written = FutureReader<Result<(), ErrorCode>>;

/// The same handle once more, for a call that only looks at it.
fn again(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

fn plain(store: &Store) -> Accessor<State, Plain> {
    store.with_getter::<Plain>(State::plain_files)
}

/// Looks at the guard, if there is one.
fn guarded<T>(store: &Store, look: impl FnOnce(&mut Guard) -> T) -> Option<T> {
    store.with(|mut access| access.get().guard.map(look))
}

fn ground(store: &Store, fd: &Fd) -> Option<Ground> {
    guarded(store, |guard| guard.ground(fd.rep())).flatten()
}

/// Says that a call failed because it was not granted, if that is why.
fn told<T>(store: &Store, result: FilesystemResult<T>, fd: &Fd, path: &str) -> FilesystemResult<T> {
    if let Err(error) = &result
        && matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted))
    {
        guarded(store, |guard| guard.denied(fd.rep(), path));
    }
    result
}

/// Whether there is something where a path leads, and it may be opened or changed.
async fn approach(
    store: &Store,
    fd: &Fd,
    flags: PathFlags,
    path: &str,
    change: bool,
) -> FilesystemResult<bool> {
    if guarded(store, |_| ()).is_none() {
        return Ok(true);
    }
    let stat = Plain::stat_at(&plain(store), again(fd), flags, path.to_owned()).await;
    let stat = match stat {
        Ok(stat) => stat,
        Err(error) if matches!(error.downcast_ref(), Some(ErrorCode::NoEntry)) => return Ok(false),
        error => return told(store, error, fd, path).map(|_| true),
    };
    let is_file = matches!(stat.type_, DescriptorType::RegularFile);
    let found = Found {
        ordinary: is_file
            || matches!(
                stat.type_,
                DescriptorType::Directory | DescriptorType::SymbolicLink
            ),
        shared: is_file && stat.link_count > 1,
    };
    guarded(store, |guard| guard.approach(fd.rep(), path, found, change)).transpose()?;
    Ok(true)
}

async fn add_entry(store: &Store, fd: &Fd) -> FilesystemResult<()> {
    if let Some(ground) = ground(store, fd) {
        ground.add_entry().await?;
    }
    Ok(())
}

fn shrinks(store: &Store, fd: &Fd) {
    guarded(store, |guard| guard.shrinks(fd.rep()));
}

/// Writes a stream to a file, within its limits, where there is a guard.
fn bounded(
    store: &mut Access<'_, State, Guarded>,
    fd: &Fd,
    data: &mut Option<StreamReader<u8>>,
    position: Option<Filesize>,
) -> wasmtime::Result<Option<Written>> {
    let GuardedView { files, guard } = store.get();
    let Some(guard) = guard else {
        return Ok(None);
    };
    let file = match files.table.get(fd)? {
        Descriptor::File(file) if !file.perms.write_not_permitted() => Arc::clone(&file.file),
        Descriptor::File(_) => {
            guard.denied(fd.rep(), "");
            return Ok(None);
        }
        Descriptor::Dir(_) => return Ok(None),
    };
    let stream = guard.stream(fd.rep());
    let (sender, result) = oneshot::channel();
    let (ground, Some(mut data)) = (stream, data.take()) else {
        return Ok(None);
    };
    if let Ok(Some(ground)) = ground {
        let consumer = BoundedConsumer::new(file, ground, position, sender);
        data.pipe(store.as_context_mut(), consumer)?;
    } else {
        let refusal = ground.err().unwrap_or(Refusal::NotPermitted);
        data.close(store.as_context_mut())?;
        // Its receiver is ours.
        let _ = sender.send(Err(refusal.into()));
    }
    Ok(Some(FutureReader::new(store.as_context_mut(), result)?))
}

fn plain_access<'a>(store: &'a mut Access<'_, State, Guarded>) -> Access<'a, State, Plain> {
    Access::<State, Plain>::new(store.as_context_mut(), State::plain_files)
}

impl types::Host for GuardedView<'_> {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl types::HostDescriptor for GuardedView<'_> {
    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        if let Some(guard) = &mut self.guard {
            guard.closed(fd.rep());
        }
        types::HostDescriptor::drop(&mut self.files, fd)
    }
}

impl preopens::Host for GuardedView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        let Some(guard) = &mut self.guard else {
            return preopens::Host::get_directories(&mut self.files);
        };
        let table = &mut *self.files.table;
        guard.preopens(|dir: Dir| {
            let handle = table.push(Descriptor::Dir(dir))?;
            Ok((handle.rep(), handle))
        })
    }
}

impl HostDescriptorWithStore<State> for Guarded {
    async fn open_at(
        store: &Store,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FilesystemResult<Fd> {
        let truncates = open_flags.contains(OpenFlags::TRUNCATE);
        let changes = truncates || flags.contains(DescriptorFlags::WRITE);
        guarded(store, Guard::admit).transpose()?;
        let there = approach(store, &fd, path_flags, &path, changes).await?;
        if open_flags.contains(OpenFlags::CREATE) && !there {
            add_entry(store, &fd).await?;
        }
        if truncates {
            shrinks(store, &fd);
        }
        let inner = plain(store);
        let opened = Plain::open_at(
            &inner,
            again(&fd),
            path_flags,
            path.clone(),
            open_flags,
            flags,
        );
        let opened = told(store, opened.await, &fd, &path)?;
        let refused = store.with(|mut access| {
            let GuardedView { files, guard } = access.get();
            let Some(guard) = guard else {
                return FilesystemResult::Ok(None);
            };
            let descriptor = files.table.get(&opened)?;
            guard.opened(fd.rep(), opened.rep(), descriptor);
            let found = Found {
                ordinary: true,
                shared: changes && is_shared(descriptor),
            };
            Ok(guard.approach(fd.rep(), &path, found, changes).err())
        })?;
        if let Some(refusal) = refused {
            let dropped =
                store.with(|mut access| types::HostDescriptor::drop(&mut access.get(), opened));
            dropped.map_err(FilesystemError::trap)?;
            return Err(refusal.into());
        }
        Ok(opened)
    }

    fn write_via_stream(
        mut store: Access<'_, State, Self>,
        fd: Fd,
        data: StreamReader<u8>,
        offset: Filesize,
    ) -> wasmtime::Result<Written> {
        let mut data = Some(data);
        if let Some(written) = bounded(&mut store, &fd, &mut data, Some(offset))? {
            return Ok(written);
        }
        let data = data.ok_or_else(|| wasmtime::format_err!("the stream was taken"))?;
        Plain::write_via_stream(plain_access(&mut store), fd, data, offset)
    }

    fn append_via_stream(
        mut store: Access<'_, State, Self>,
        fd: Fd,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<Written> {
        let mut data = Some(data);
        if let Some(written) = bounded(&mut store, &fd, &mut data, None)? {
            return Ok(written);
        }
        let data = data.ok_or_else(|| wasmtime::format_err!("the stream was taken"))?;
        Plain::append_via_stream(plain_access(&mut store), fd, data)
    }

    async fn set_size(store: &Store, fd: Fd, size: Filesize) -> FilesystemResult<()> {
        let file = store.with(|mut access| {
            Ok::<_, FilesystemError>(match access.get().files.table.get(&fd)? {
                Descriptor::File(file) if !file.perms.write_not_permitted() => {
                    Some(Arc::clone(&file.file))
                }
                _ => None,
            })
        })?;
        if let (Some(ground), Some(file)) = (ground(store, &fd), file) {
            let present = length(&file)?;
            let more = size.saturating_sub(present);
            if more > 0 && ground.take(&file, present, more).await? < more {
                return Err(ErrorCode::InsufficientSpace.into());
            }
            shrinks(store, &fd);
        }
        let result = Plain::set_size(&plain(store), again(&fd), size).await;
        told(store, result, &fd, "")
    }

    async fn set_times(
        store: &Store,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FilesystemResult<()> {
        store.with(|mut access| {
            let GuardedView { files, guard } = access.get();
            let found = Found {
                ordinary: true,
                shared: is_shared(files.table.get(&fd)?),
            };
            if let Some(guard) = guard {
                guard.approach(fd.rep(), "", found, true)?;
            }
            FilesystemResult::Ok(())
        })?;
        let result = Plain::set_times(&plain(store), again(&fd), accessed, modified).await;
        told(store, result, &fd, "")
    }

    async fn set_times_at(
        store: &Store,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FilesystemResult<()> {
        approach(store, &fd, flags, &path, true).await?;
        let inner = plain(store);
        let result =
            Plain::set_times_at(&inner, again(&fd), flags, path.clone(), accessed, modified).await;
        told(store, result, &fd, &path)
    }

    async fn create_directory_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        add_entry(store, &fd).await?;
        let result = Plain::create_directory_at(&plain(store), again(&fd), path.clone()).await;
        told(store, result, &fd, &path)
    }

    async fn symlink_at(store: &Store, fd: Fd, old: String, new: String) -> FilesystemResult<()> {
        add_entry(store, &fd).await?;
        let result = Plain::symlink_at(&plain(store), again(&fd), old, new.clone()).await;
        told(store, result, &fd, &new)
    }

    async fn link_at(
        store: &Store,
        fd: Fd,
        flags: PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        guarded(store, |guard| guard.refuse_link(fd.rep(), &old)).transpose()?;
        Plain::link_at(&plain(store), fd, flags, old, new_fd, new).await
    }

    async fn rename_at(
        store: &Store,
        fd: Fd,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FilesystemResult<()> {
        guarded(store, |guard| guard.together(fd.rep(), new_fd.rep())).transpose()?;
        shrinks(store, &fd);
        let inner = plain(store);
        let result = Plain::rename_at(&inner, again(&fd), old, again(&new_fd), new.clone()).await;
        told(store, result, &fd, &new)
    }

    async fn unlink_file_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        shrinks(store, &fd);
        let result = Plain::unlink_file_at(&plain(store), again(&fd), path.clone()).await;
        told(store, result, &fd, &path)
    }

    async fn remove_directory_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<()> {
        shrinks(store, &fd);
        let result = Plain::remove_directory_at(&plain(store), again(&fd), path.clone()).await;
        told(store, result, &fd, &path)
    }

    async fn stat_at(
        store: &Store,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FilesystemResult<DescriptorStat> {
        let result = Plain::stat_at(&plain(store), again(&fd), flags, path.clone()).await;
        told(store, result, &fd, &path)
    }

    async fn readlink_at(store: &Store, fd: Fd, path: String) -> FilesystemResult<String> {
        let result = Plain::readlink_at(&plain(store), again(&fd), path.clone()).await;
        told(store, result, &fd, &path)
    }

    // What follows takes nothing and reaches nothing that was not opened before.

    fn read_via_stream(
        mut store: Access<'_, State, Self>,
        fd: Fd,
        offset: Filesize,
    ) -> wasmtime::Result<(StreamReader<u8>, Written)> {
        Plain::read_via_stream(plain_access(&mut store), fd, offset)
    }

    fn read_directory(
        mut store: Access<'_, State, Self>,
        fd: Fd,
    ) -> wasmtime::Result<(StreamReader<DirectoryEntry>, Written)> {
        Plain::read_directory(plain_access(&mut store), fd)
    }

    async fn advise(
        store: &Store,
        fd: Fd,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FilesystemResult<()> {
        Plain::advise(&plain(store), fd, offset, length, advice).await
    }

    async fn sync_data(store: &Store, fd: Fd) -> FilesystemResult<()> {
        Plain::sync_data(&plain(store), fd).await
    }

    async fn sync(store: &Store, fd: Fd) -> FilesystemResult<()> {
        Plain::sync(&plain(store), fd).await
    }

    async fn get_flags(store: &Store, fd: Fd) -> FilesystemResult<DescriptorFlags> {
        Plain::get_flags(&plain(store), fd).await
    }

    async fn get_type(store: &Store, fd: Fd) -> FilesystemResult<DescriptorType> {
        Plain::get_type(&plain(store), fd).await
    }

    async fn stat(store: &Store, fd: Fd) -> FilesystemResult<DescriptorStat> {
        Plain::stat(&plain(store), fd).await
    }

    async fn is_same_object(store: &Store, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        Plain::is_same_object(&plain(store), one, other).await
    }

    async fn metadata_hash(store: &Store, fd: Fd) -> FilesystemResult<MetadataHashValue> {
        Plain::metadata_hash(&plain(store), fd).await
    }

    async fn metadata_hash_at(
        store: &Store,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FilesystemResult<MetadataHashValue> {
        Plain::metadata_hash_at(&plain(store), fd, flags, path).await
    }
}
