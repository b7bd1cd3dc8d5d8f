//! Everything that can be done with files.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

unsafe extern "C" {
    fn symlink(target: *const std::ffi::c_char, path: *const std::ffi::c_char) -> i32;
}

/// An error as the number that it has in wasi-libc.
pub fn code(error: &Error) -> String {
    match error.raw_os_error() {
        Some(code) => code.to_string(),
        None => format!("{:?}", error.kind()),
    }
}

/// Does what the words say.
pub fn perform(words: &[&str]) -> Result<String> {
    match words {
        ["write", path, text] => done(fs::write(path, text)),
        ["append", path, text] => append(path, text),
        ["new", path] => opened(OpenOptions::new().write(true).create_new(true).open(path)),
        ["open", path] => opened(File::open(path)),
        ["read", path] => fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        ["read-at", path, offset, length] => read_at(path, count(offset)?, count(length)?),
        ["write-at", path, offset, text] => write_at(path, count(offset)?, text),
        ["truncate", path, length] => truncate(path, count(length)?),
        ["list", path] => list(path),
        ["stat", path] => fs::metadata(path).map(|found| describe(&found)),
        ["lstat", path] => fs::symlink_metadata(path).map(|found| describe(&found)),
        ["mkdir", path] => done(fs::create_dir(path)),
        ["rmdir", path] => done(fs::remove_dir(path)),
        ["unlink", path] => done(fs::remove_file(path)),
        ["rename", from, to] => done(fs::rename(from, to)),
        ["link", from, to] => done(fs::hard_link(from, to)),
        ["symlink", target, path] => link_to(target, path),
        ["readlink", path] => fs::read_link(path).map(|target| target.display().to_string()),
        ["age", path, seconds] => age(path, count(seconds)?),
        ["sync", path] => done(File::open(path).and_then(|file| file.sync_all())),
        _ => Err(Error::new(ErrorKind::Unsupported, "unknown")),
    }
}

fn count(word: &str) -> Result<u64> {
    word.parse().map_err(|_| ErrorKind::InvalidInput.into())
}

fn done(result: Result<()>) -> Result<String> {
    result.map(|()| "done".to_owned())
}

fn opened(result: Result<File>) -> Result<String> {
    let found = result?.metadata()?;
    Ok(describe(&found))
}

fn append(path: &str, text: &str) -> Result<String> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    done(file.write_all(text.as_bytes()))
}

fn read_at(path: &str, offset: u64, length: u64) -> Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes.escape_ascii().to_string())
}

fn write_at(path: &str, offset: u64, text: &str) -> Result<String> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    done(file.write_all(text.as_bytes()))
}

fn truncate(path: &str, length: u64) -> Result<String> {
    let file = OpenOptions::new().write(true).open(path)?;
    done(file.set_len(length))
}

fn list(path: &str) -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{kind}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names.join(","))
}

fn describe(found: &fs::Metadata) -> String {
    if found.is_dir() {
        "folder".to_owned()
    } else if found.is_symlink() {
        "link".to_owned()
    } else {
        format!("file {}", found.len())
    }
}

fn link_to(target: &str, path: &str) -> Result<String> {
    let (target, path) = (CString::new(target)?, CString::new(path)?);
    // SAFETY: both are strings with a NUL at their end, which live until the call has returned.
    if unsafe { symlink(target.as_ptr(), path.as_ptr()) } == 0 {
        done(Ok(()))
    } else {
        Err(Error::last_os_error())
    }
}

/// Sets when a file was changed, and reads it back.
fn age(path: &str, seconds: u64) -> Result<String> {
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    OpenOptions::new()
        .write(true)
        .open(path)?
        .set_modified(moment)?;
    let since = fs::metadata(path)?
        .modified()?
        .duration_since(SystemTime::UNIX_EPOCH);
    Ok(since.map_or_else(|_| "before".to_owned(), |since| since.as_secs().to_string()))
}
