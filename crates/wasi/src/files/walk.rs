//! What a folder holds, counted without leaving it.

use std::fs::File;
use std::io;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

/// What an entry costs beside its bytes: its place in the folder and on the disk.
pub(super) const ENTRY: u64 = 4096;
/// Folders inside of folders; one that is deeper counts as full. Each level takes a descriptor while it is counted.
const DEEPEST: usize = 100;

/// Bytes of a folder and all that is below it; links are not followed, so the sum is of this folder only.
pub(super) fn bytes(root: &File) -> io::Result<u64> {
    below(&reopened(root)?, DEEPEST)
}

/// How many entries a folder has; stops counting past `most`.
pub(super) fn entries(root: &File, most: usize) -> io::Result<usize> {
    let dir = Dir::new(reopened(root)?)?;
    // The two that each folder has are not listed.
    let listed = dir.take(most + 3).collect::<Result<Vec<_>, _>>()?;
    Ok(listed.len().saturating_sub(2))
}

/// A descriptor with a position of its own.
fn reopened(root: &File) -> io::Result<OwnedFd> {
    Ok(openat(root, c".", folder_flags(), Mode::empty())?)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn below(folder: &OwnedFd, deeper: usize) -> io::Result<u64> {
    let (mut sum, mut folders) = (0_u64, Vec::new());
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        // What is gone in the meantime takes no room.
        let Ok(status) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        sum = sum.saturating_add(ENTRY);
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => folders.push(name.to_owned()),
            FileType::RegularFile => {
                sum = sum.saturating_add(u64::try_from(status.st_size).unwrap_or_default());
            }
            _ => {}
        }
    }
    for name in folders {
        if deeper == 0 {
            return Ok(u64::MAX);
        }
        if let Ok(inner) = openat(folder.as_fd(), name, folder_flags(), Mode::empty()) {
            sum = sum.saturating_add(below(&inner, deeper - 1)?);
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_counts_its_files_and_not_what_links_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        std::fs::write(folder.path().join("a"), [0; 1000]).unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/c"), [0; 10]).unwrap();
        symlink("/usr", folder.path().join("d")).unwrap();

        assert_eq!(bytes(&root).unwrap(), 4 * ENTRY + 1010);
        assert_eq!(entries(&root, 100).unwrap(), 3);
        assert_eq!(entries(&root, 1).unwrap(), 2);
    }

    #[test]
    fn a_folder_that_is_too_deep_counts_as_full() {
        let folder = tempfile::tempdir().unwrap();
        let root = File::open(folder.path()).unwrap();
        let deep: std::path::PathBuf = std::iter::repeat_n("d", DEEPEST).collect();
        std::fs::create_dir_all(folder.path().join(&deep)).unwrap();

        assert_eq!(bytes(&root).unwrap(), ENTRY * DEEPEST as u64);
        std::fs::create_dir(folder.path().join(&deep).join("e")).unwrap();
        assert_eq!(bytes(&root).unwrap(), u64::MAX);
    }
}
