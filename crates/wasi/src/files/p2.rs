//! `wasi:filesystem` 0.2, behind the guard.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream,
};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::guard::{Found, Refusal, count_entries, is_shared};
use super::stream::BoundedOutput;
use super::{Guarded, GuardedView};
use crate::state::State;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, Guarded>(linker, State::guarded_files)?;
    preopens::add_to_linker::<State, Guarded>(linker, State::guarded_files)
}

impl From<Refusal> for FsError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quota => ErrorCode::Quota,
            Refusal::FileTooLarge => ErrorCode::FileTooLarge,
            Refusal::InsufficientSpace => ErrorCode::InsufficientSpace,
            Refusal::NotPermitted => ErrorCode::NotPermitted,
            Refusal::CrossDevice => ErrorCode::CrossDevice,
            Refusal::Io => ErrorCode::Io,
        }
        .into()
    }
}

type Fd = Resource<Descriptor>;

/// The same handle once more, for a call that only looks at it.
fn again(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

fn is_permission(error: &FsError) -> bool {
    matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted))
}

impl GuardedView<'_> {
    /// Says that a call failed because it was not granted, if that is why.
    fn told<T>(&self, result: FsResult<T>, fd: u32, path: &str) -> FsResult<T> {
        if let (Err(error), Some(guard)) = (&result, &self.guard)
            && is_permission(error)
        {
            guard.denied(fd, path);
        }
        result
    }

    /// What a path leads to, where a guard wants to know; `None` where there is nothing.
    async fn approach(
        &mut self,
        fd: &Fd,
        flags: types::PathFlags,
        path: &str,
        change: bool,
    ) -> FsResult<bool> {
        if self.guard.is_none() {
            return Ok(true);
        }
        let stat = self.files.stat_at(again(fd), flags, path.to_owned()).await;
        let stat = match stat {
            Ok(stat) => stat,
            Err(error) if matches!(error.downcast_ref(), Some(ErrorCode::NoEntry)) => {
                return Ok(false);
            }
            error => return self.told(error, fd.rep(), path).map(|_| true),
        };
        let found = Found {
            ordinary: matches!(
                stat.type_,
                types::DescriptorType::RegularFile
                    | types::DescriptorType::Directory
                    | types::DescriptorType::SymbolicLink
            ),
            shared: stat.type_ == types::DescriptorType::RegularFile && stat.link_count > 1,
        };
        if let Some(guard) = &self.guard {
            guard.approach(fd.rep(), path, found, change)?;
        }
        Ok(true)
    }

    async fn add_entry(&mut self, fd: &Fd) -> FsResult<()> {
        let ground = self.guard.as_ref().and_then(|guard| guard.ground(fd.rep()));
        match ground {
            Some(ground) => Ok(ground.add_entry().await?),
            None => Ok(()),
        }
    }

    fn shrinks(&self, fd: &Fd) {
        if let Some(guard) = &self.guard {
            guard.shrinks(fd.rep());
        }
    }

    /// A stream that writes, bounded.
    fn bounded(
        &mut self,
        fd: &Fd,
        position: Option<u64>,
        open: impl FnOnce(&mut WasiFilesystemCtxView<'_>) -> FsResult<Resource<DynOutputStream>>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let ground = match &self.guard {
            Some(guard) => guard.stream(fd.rep())?,
            None => None,
        };
        let stream = open(&mut self.files);
        let stream = self.told(stream, fd.rep(), "")?;
        let Some(ground) = ground else {
            return Ok(stream);
        };
        let file = match self.files.table.get(fd)? {
            Descriptor::File(file) => file.file.clone(),
            Descriptor::Dir(_) => return Ok(stream),
        };
        let inner = self.files.table.delete(stream)?;
        let bounded: DynOutputStream = Box::new(BoundedOutput::new(inner, file, ground, position));
        Ok(self.files.table.push(bounded)?)
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

impl types::Host for GuardedView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.files, error)
    }
}

impl HostDescriptor for GuardedView<'_> {
    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        open_flags: types::OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        let truncates = open_flags.contains(types::OpenFlags::TRUNCATE);
        let creates = open_flags.contains(types::OpenFlags::CREATE);
        let changes = truncates || flags.contains(types::DescriptorFlags::WRITE);
        if let Some(guard) = &mut self.guard {
            guard.admit()?;
        }
        let there = self.approach(&fd, path_flags, &path, changes).await?;
        if creates && !there {
            self.add_entry(&fd).await?;
        }
        if truncates {
            self.shrinks(&fd);
        }
        let opened = self
            .files
            .open_at(again(&fd), path_flags, path.clone(), open_flags, flags)
            .await;
        let opened = self.told(opened, fd.rep(), &path)?;
        if let Some(guard) = &mut self.guard {
            let descriptor = self.files.table.get(&opened)?;
            guard.opened(fd.rep(), opened.rep(), descriptor);
            let shared = changes && is_shared(descriptor);
            let found = Found {
                ordinary: true,
                shared,
            };
            if let Err(refusal) = guard.approach(fd.rep(), &path, found, changes) {
                HostDescriptor::drop(self, opened).map_err(FsError::trap)?;
                return Err(refusal.into());
            }
        }
        Ok(opened)
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        if let Some(guard) = &mut self.guard {
            guard.closed(fd.rep());
        }
        HostDescriptor::drop(&mut self.files, fd)
    }

    async fn write(&mut self, fd: Fd, mut bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let ground = self.guard.as_ref().and_then(|guard| guard.ground(fd.rep()));
        if let (Some(ground), Descriptor::File(file)) = (ground, self.files.table.get(&fd)?)
            && !file.perms.write_not_permitted()
            && !bytes.is_empty()
        {
            let file = file.file.clone();
            let wanted = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let room = ground.take(&file, offset, wanted).await?;
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        let result = self.files.write(again(&fd), bytes, offset).await;
        self.told(result, fd.rep(), "")
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let same = again(&fd);
        self.bounded(&fd, Some(offset), |files| {
            files.write_via_stream(same, offset)
        })
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let same = again(&fd);
        self.bounded(&fd, None, |files| files.append_via_stream(same))
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        let ground = self.guard.as_ref().and_then(|guard| guard.ground(fd.rep()));
        if let (Some(ground), Descriptor::File(file)) = (ground, self.files.table.get(&fd)?)
            && !file.perms.write_not_permitted()
        {
            let file = file.file.clone();
            let present = super::guard::length(&file)?;
            if size > present && ground.take(&file, present, size - present).await? < size - present
            {
                return Err(ErrorCode::InsufficientSpace.into());
            }
            self.shrinks(&fd);
        }
        let result = self.files.set_size(again(&fd), size).await;
        self.told(result, fd.rep(), "")
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        if let Some(guard) = &self.guard {
            let found = Found {
                ordinary: true,
                shared: is_shared(self.files.table.get(&fd)?),
            };
            guard.approach(fd.rep(), "", found, true)?;
        }
        let result = self.files.set_times(again(&fd), accessed, modified).await;
        self.told(result, fd.rep(), "")
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        path_flags: types::PathFlags,
        path: String,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        self.approach(&fd, path_flags, &path, true).await?;
        let result = self
            .files
            .set_times_at(again(&fd), path_flags, path.clone(), accessed, modified)
            .await;
        self.told(result, fd.rep(), &path)
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<types::DirectoryEntryStream>> {
        let mut count = 0;
        if let Some(guard) = &mut self.guard
            && let Descriptor::Dir(dir) = self.files.table.get(&fd)?
        {
            let most = guard.listable()?;
            count = count_entries(dir.dir.clone(), most).await?;
            if count > most {
                return Err(ErrorCode::InsufficientMemory.into());
            }
        }
        let list = self.files.read_directory(fd).await?;
        if let Some(guard) = &mut self.guard {
            guard.listed(list.rep(), count);
        }
        Ok(list)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.add_entry(&fd).await?;
        let result = self
            .files
            .create_directory_at(again(&fd), path.clone())
            .await;
        self.told(result, fd.rep(), &path)
    }

    async fn symlink_at(&mut self, fd: Fd, old: String, new: String) -> FsResult<()> {
        self.add_entry(&fd).await?;
        let result = self.files.symlink_at(again(&fd), old, new.clone()).await;
        self.told(result, fd.rep(), &new)
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        old: String,
        new_fd: Fd,
        new: String,
    ) -> FsResult<()> {
        if let Some(guard) = &self.guard {
            guard.refuse_link(fd.rep(), &old)?;
        }
        self.files.link_at(fd, flags, old, new_fd, new).await
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        if let Some(guard) = &self.guard {
            guard.together(fd.rep(), new_fd.rep())?;
        }
        self.shrinks(&fd);
        let result = self
            .files
            .rename_at(again(&fd), old, again(&new_fd), new.clone())
            .await;
        self.told(result, fd.rep(), &new)
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.shrinks(&fd);
        let result = self.files.unlink_file_at(again(&fd), path.clone()).await;
        self.told(result, fd.rep(), &path)
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.shrinks(&fd);
        let result = self
            .files
            .remove_directory_at(again(&fd), path.clone())
            .await;
        self.told(result, fd.rep(), &path)
    }

    async fn stat_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        let result = self.files.stat_at(again(&fd), flags, path.clone()).await;
        self.told(result, fd.rep(), &path)
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        let result = self.files.readlink_at(again(&fd), path.clone()).await;
        self.told(result, fd.rep(), &path)
    }

    // What follows takes nothing and reaches nothing that was not opened before.

    async fn advise(
        &mut self,
        fd: Fd,
        offset: Filesize,
        length: Filesize,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.files.advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.files.sync_data(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.files.sync(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<types::DescriptorFlags> {
        self.files.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<types::DescriptorType> {
        self.files.get_type(fd).await
    }

    async fn read(
        &mut self,
        fd: Fd,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.files.read(fd, length, offset).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.files.read_via_stream(fd, offset)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<types::DescriptorStat> {
        self.files.stat(fd).await
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        self.files.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<types::MetadataHashValue> {
        self.files.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: types::PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        self.files.metadata_hash_at(fd, flags, path).await
    }
}

impl HostDirectoryEntryStream for GuardedView<'_> {
    async fn read_directory_entry(
        &mut self,
        list: Resource<types::DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        self.files.read_directory_entry(list).await
    }

    fn drop(&mut self, list: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        if let Some(guard) = &mut self.guard {
            guard.list_closed(list.rep());
        }
        HostDirectoryEntryStream::drop(&mut self.files, list)
    }
}
