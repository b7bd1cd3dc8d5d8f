//! What large memories begin with: taken out of a component when it is compiled, mapped when an instance is made.
//!
//! An interpreter's memory is a snapshot of many megabytes, of which a request writes a few hundred pages. Kept apart from the
//! code, it is mapped into a memory that stays with its place ([`crate::memory`]), and between two instances only those pages
//! are copied that were written. An artifact is what Wasmtime compiled, the snapshots, and a table of them at the very end.

use std::cell::RefCell;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::pin::pin;
use std::sync::Arc;

use crate::error::HostError;
use crate::mapping::Mapping;

mod split;

/// Counts the changes of what is taken out of components and of how it is written.
pub(crate) const FORMAT: u32 = 1;
/// The last bytes of every artifact.
const MAGIC: [u8; 8] = *b"snapshot";
/// Of the table: the memory's size, where the bytes belong, where they are in the file, and how many.
const ENTRY: usize = 4 * 8;
/// How many entries, and the magic bytes.
const END: usize = 8 + 8;
/// No component has more memories than that.
const MOST: usize = 1000;

/// Tells a snapshot from all others, also when its component is loaded again: device, file, and where in the file it is.
pub(crate) type Key = (u64, u64, u64);

/// What one memory begins with.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) key: Key,
    minimum: usize,
    /// Where in the memory it begins.
    pub(crate) start: usize,
    /// The bytes as they are, to copy from.
    pub(crate) bytes: Mapping,
    file: Arc<File>,
}

/// What the memories of one component begin with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots(Arc<[Arc<Snapshot>]>);

thread_local! {
    /// Those of the component that is being instantiated on this thread: who makes a memory is told nothing but its size.
    static CURRENT: RefCell<Option<Snapshots>> = const { RefCell::new(None) };
}

/// Compiles a component without the data that can be mapped, and puts that behind the code.
pub(crate) fn compiled(
    wasm: &[u8],
    compile: impl FnOnce(&[u8]) -> Result<Vec<u8>, HostError>,
) -> Result<Vec<u8>, HostError> {
    if !cfg!(target_os = "linux") {
        return Ok(with_table(compile(wasm)?, &[]));
    }
    let (component, taken) =
        split::split(wasm).map_err(|error| HostError::Compile(error.to_string()))?;
    Ok(with_table(compile(&component)?, &taken))
}

fn with_table(mut artifact: Vec<u8>, taken: &[split::Taken]) -> Vec<u8> {
    let mut table = Vec::new();
    for one in taken {
        artifact.resize(artifact.len().next_multiple_of(split::ALIGNMENT), 0);
        for number in [one.minimum, one.start, artifact.len(), one.bytes.len()] {
            table.extend(u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes());
        }
        artifact.extend_from_slice(&one.bytes);
    }
    artifact.extend_from_slice(&table);
    artifact.extend(u64::try_from(taken.len()).unwrap_or(u64::MAX).to_le_bytes());
    artifact.extend(MAGIC);
    artifact
}

impl Snapshots {
    /// Maps those of an artifact.
    pub(crate) fn read(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut end = [0; END];
        let at = length.checked_sub(word(END)).ok_or_else(torn)?;
        file.read_exact_at(&mut end, at)?;
        let (count, magic) = end.split_at(8);
        let count = usize::try_from(number(count)).unwrap_or(usize::MAX);
        if magic != MAGIC || count > MOST {
            return Err(torn());
        }
        let mut table = vec![0; count * ENTRY];
        let at = at.checked_sub(word(table.len())).ok_or_else(torn)?;
        file.read_exact_at(&mut table, at)?;
        let file = Arc::new(file);
        let entries = table.chunks_exact(ENTRY);
        let all = entries.map(|entry| Snapshot::map(entry, &file, at).map(Arc::new));
        Ok(Self(all.collect::<io::Result<_>>()?))
    }

    /// Makes an instance whose memories begin with these.
    pub(crate) async fn around<F: Future>(&self, instantiate: F) -> F::Output {
        let mut instantiate = pin!(instantiate);
        poll_fn(|cx| {
            let _current = Current::enter(self);
            instantiate.as_mut().poll(cx)
        })
        .await
    }

    /// What a memory of this size begins with, of the component that is being instantiated.
    pub(crate) fn current(minimum: usize) -> Option<Arc<Snapshot>> {
        CURRENT.with_borrow(|current| {
            let mut all = current.iter().flat_map(|current| current.0.iter());
            all.find(|snapshot| snapshot.minimum == minimum).cloned()
        })
    }
}

/// Until it is dropped, memories that are made on this thread begin with the snapshots of one component.
struct Current(Option<Snapshots>);

impl Current {
    fn enter(snapshots: &Snapshots) -> Self {
        Self(CURRENT.replace(Some(snapshots.clone())))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl Snapshot {
    fn map(entry: &[u8], file: &Arc<File>, end: u64) -> io::Result<Self> {
        let mut numbers = entry.chunks_exact(8).map(number);
        let mut next = || numbers.next().ok_or_else(torn);
        let (minimum, start, offset, length) = (next()?, next()?, next()?, next()?);
        let inside = offset.checked_add(length).is_some_and(|last| last <= end)
            && start
                .checked_add(length)
                .is_some_and(|last| last <= minimum);
        let aligned = [minimum, start, offset, length]
            .iter()
            .all(|number| number % word(split::ALIGNMENT) == 0);
        if !inside || !aligned || length == 0 {
            return Err(torn());
        }
        let size = |number: u64| usize::try_from(number).map_err(|_| torn());
        let metadata = file.metadata()?;
        Ok(Self {
            key: (metadata.dev(), metadata.ino(), offset),
            minimum: size(minimum)?,
            start: size(start)?,
            bytes: Mapping::of(file, offset, size(length)?)?,
            file: file.clone(),
        })
    }

    /// The file that holds it, and where.
    pub(crate) fn origin(&self) -> (&File, u64) {
        (&self.file, self.key.2)
    }

    /// Where in the memory it ends.
    pub(crate) fn end(&self) -> usize {
        self.start + self.bytes.len()
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(u64::MAX, u64::from_le_bytes)
}

fn word(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn torn() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "its end is not that of an artifact",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(artifact: &[u8]) -> io::Result<Snapshots> {
        let mut file = tempfile::tempfile()?;
        file.write_all(artifact)?;
        Snapshots::read(file)
    }

    fn taken(minimum: usize, letter: u8) -> split::Taken {
        split::Taken {
            minimum,
            start: 1 << 16,
            bytes: vec![letter; 2 << 16],
        }
    }

    #[test]
    fn what_is_written_behind_the_code_is_read_again() {
        let artifact = with_table(b"code".to_vec(), &[taken(3 << 16, 3), taken(4 << 16, 4)]);

        let read = read(&artifact).unwrap();

        assert!(artifact.starts_with(b"code"));
        for (snapshot, (minimum, letter)) in read.0.iter().zip([(3 << 16, 3), (4 << 16, 4)]) {
            assert_eq!((snapshot.minimum, snapshot.start), (minimum, 1 << 16));
            assert_eq!(snapshot.bytes.as_slice(), vec![letter; 2 << 16]);
        }
        assert_eq!(read.0.len(), 2);
    }

    #[test]
    fn a_table_that_leads_out_of_the_file_or_of_the_memory_is_refused() {
        let artifact = with_table(b"code".to_vec(), &[taken(3 << 16, 3)]);
        let table = artifact.len() - END - ENTRY;
        for (number, value) in [
            (0, 2_u64 << 16),
            (1, 2 << 16),
            (2, 4 << 16),
            (3, 3 << 16),
            (3, 0),
            (1, 1),
            (2, u64::MAX),
        ] {
            let mut wrong = artifact.clone();
            let at = table + number * 8;
            wrong[at..at + 8].copy_from_slice(&value.to_le_bytes());

            assert!(read(&wrong).is_err(), "{number} {value}");
        }
        for end in [0, 3, END, artifact.len() - 1] {
            assert!(read(&artifact[..end]).is_err(), "{end}");
        }
        read(&artifact).unwrap();
    }
}
