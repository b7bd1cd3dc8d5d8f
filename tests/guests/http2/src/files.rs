//! Whatever can be done with files, as the request's body says: a list of steps, each a list of words, answered with the
//! list of what came of them.
//!
//! `open FOLDER PATH FLAGS` gives the number of a descriptor; `FOLDER` is where a folder is mounted, or such a number. The
//! flags are letters: `r`ead, `w`rite, `c`reate, e`x`clusive, `t`runcate, `d`irectory, `f`ollow.

use serde_json::{Value, json};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
    filesystem_error_code,
};
use wasip2::io::streams::{OutputStream, StreamError};

/// What is open.
#[derive(Default)]
struct Open {
    folders: Vec<(Descriptor, String)>,
    opened: Vec<Option<Descriptor>>,
    streams: Vec<OutputStream>,
}

/// Does the steps.
pub fn run(steps: &[u8]) -> Value {
    let steps: Vec<Vec<Value>> = serde_json::from_slice(steps).expect("a list of lists");
    let mut open = Open {
        folders: get_directories(),
        ..Open::default()
    };
    let results = steps.iter().map(|step| match open.step(step) {
        Ok(value) => value,
        Err(code) => json!({"error": code.name()}),
    });
    results.collect()
}

fn text(step: &[Value], index: usize) -> &str {
    step.get(index).and_then(Value::as_str).unwrap_or_default()
}

fn number(step: &[Value], index: usize) -> u64 {
    step.get(index).and_then(Value::as_u64).unwrap_or_default()
}

fn follow(flags: &str) -> PathFlags {
    if flags.contains('f') {
        PathFlags::SYMLINK_FOLLOW
    } else {
        PathFlags::empty()
    }
}

impl Open {
    fn at(&self, step: &[Value], index: usize) -> Result<&Descriptor, ErrorCode> {
        if let Some(number) = step[index].as_u64() {
            let opened = self.opened.get(number as usize).and_then(Option::as_ref);
            return opened.ok_or(ErrorCode::BadDescriptor);
        }
        let name = text(step, index);
        let folder = self.folders.iter().find(|(_, mount)| mount == name);
        folder
            .map(|(descriptor, _)| descriptor)
            .ok_or(ErrorCode::BadDescriptor)
    }

    fn step(&mut self, step: &[Value]) -> Result<Value, ErrorCode> {
        let path = text(step, 2);
        match text(step, 0) {
            "folders" => {
                let names = self.folders.iter().map(|(_, name)| name.as_str());
                return Ok(names.collect());
            }
            "open" => return self.open(step),
            "close" => {
                self.opened[number(step, 1) as usize] = None;
            }
            "list" => {
                let entries = self.at(step, 1)?.read_directory()?;
                let mut names = Vec::new();
                while let Some(entry) = entries.read_directory_entry()? {
                    names.push(entry.name);
                }
                names.sort();
                return Ok(names.into());
            }
            "read" => {
                let (bytes, _) = self.at(step, 1)?.read(1 << 20, 0)?;
                return Ok(String::from_utf8_lossy(&bytes).into());
            }
            "write" => {
                let bytes = vec![b'w'; number(step, 2) as usize];
                let file = self.at(step, 1)?;
                let mut written = 0;
                while written < bytes.len() {
                    let offset = number(step, 3) + written as u64;
                    written += file.write(&bytes[written..], offset)? as usize;
                }
                return Ok(written.into());
            }
            "stream" => {
                let file = self.at(step, 1)?;
                let stream = match step.get(3).and_then(Value::as_u64) {
                    Some(offset) => file.write_via_stream(offset)?,
                    None => file.append_via_stream()?,
                };
                return pour(&stream, number(step, 2)).map(Value::from);
            }
            "keep-streams" => {
                for _ in 0..number(step, 2) {
                    let stream = self.at(step, 1)?.append_via_stream()?;
                    self.streams.push(stream);
                }
            }
            "size" => self.at(step, 1)?.set_size(number(step, 2))?,
            "times" => {
                let file = self.at(step, 1)?;
                file.set_times(NewTimestamp::Now, NewTimestamp::Now)?;
            }
            "times-at" => {
                let folder = self.at(step, 1)?;
                let flags = follow(text(step, 3));
                folder.set_times_at(flags, path, NewTimestamp::Now, NewTimestamp::Now)?;
            }
            "stat" => {
                let stat = self.at(step, 1)?.stat_at(follow(text(step, 3)), path)?;
                return Ok(stat.size.into());
            }
            "mkdir" => self.at(step, 1)?.create_directory_at(path)?,
            "rmdir" => self.at(step, 1)?.remove_directory_at(path)?,
            "unlink" => self.at(step, 1)?.unlink_file_at(path)?,
            "readlink" => return Ok(self.at(step, 1)?.readlink_at(path)?.into()),
            "symlink" => self.at(step, 1)?.symlink_at(path, text(step, 3))?,
            "link" => {
                let to = self.at(step, 3)?;
                self.at(step, 1)?
                    .link_at(PathFlags::empty(), path, to, text(step, 4))?;
            }
            "rename" => {
                let to = self.at(step, 3)?;
                self.at(step, 1)?.rename_at(path, to, text(step, 4))?;
            }
            other => panic!("there is no step {other}"),
        }
        Ok(Value::Bool(true))
    }

    fn open(&mut self, step: &[Value]) -> Result<Value, ErrorCode> {
        let letters = text(step, 3);
        let mut flags = DescriptorFlags::empty();
        flags.set(DescriptorFlags::READ, letters.contains('r'));
        flags.set(DescriptorFlags::WRITE, letters.contains('w'));
        let mut how = OpenFlags::empty();
        how.set(OpenFlags::CREATE, letters.contains('c'));
        how.set(OpenFlags::EXCLUSIVE, letters.contains('x'));
        how.set(OpenFlags::TRUNCATE, letters.contains('t'));
        how.set(OpenFlags::DIRECTORY, letters.contains('d'));
        let opened = self
            .at(step, 1)?
            .open_at(follow(letters), text(step, 2), how, flags)?;
        self.opened.push(Some(opened));
        Ok((self.opened.len() - 1).into())
    }
}

/// Writes so many bytes, and says how many there were before an error.
fn pour(stream: &OutputStream, bytes: u64) -> Result<u64, ErrorCode> {
    let mut left = bytes;
    while left > 0 {
        let piece = vec![b's'; left.min(4096) as usize];
        if let Err(error) = stream.blocking_write_and_flush(&piece) {
            let StreamError::LastOperationFailed(error) = error else {
                return Err(ErrorCode::Io);
            };
            return Err(filesystem_error_code(&error).unwrap_or(ErrorCode::Io));
        }
        left -= piece.len() as u64;
    }
    Ok(bytes)
}
