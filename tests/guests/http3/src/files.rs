//! Files through the streams of WASI 0.3, as the request's body says: a list of steps, each a list of words, answered with the list of
//! what came of them. The second word is where a folder is mounted, the third a path below it.

use serde_json::{Value, json};
use wasip3::filesystem::preopens::get_directories;
use wasip3::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasip3::wit_bindgen::{StreamReader, spawn_local};
use wasip3::wit_stream;

/// Does the steps.
pub async fn run(asked: &Value) -> Value {
    let folders = get_directories();
    let mut results = Vec::new();
    for words in asked.as_array().into_iter().flatten() {
        results.push(match step(&folders, words).await {
            Ok(value) => value,
            Err(code) => json!({ "error": format!("{code:?}").replace("ErrorCode::", "") }),
        });
    }
    results.into()
}

async fn step(folders: &[(Descriptor, String)], words: &Value) -> Result<Value, ErrorCode> {
    let word = |index: usize| words[index].as_str().unwrap_or_default().to_owned();
    let at = |index: usize| {
        let mut mounts = folders.iter();
        let found = mounts.find(|(_, mount)| *mount == word(index));
        found
            .map(|(folder, _)| folder)
            .ok_or(ErrorCode::BadDescriptor)
    };
    let path = word(2);
    match word(0).as_str() {
        "folders" => return Ok(folders.iter().map(|(_, mount)| mount.as_str()).collect()),
        "read" => return read(&open(at(1)?, path, "r").await?).await.map(Value::from),
        "list" => return list(&open(at(1)?, path, "d").await?).await,
        "write" => {
            let file = open(at(1)?, path, "wc").await?;
            file.write_via_stream(sending(&words[3]), 0).await?;
        }
        "append" => {
            let file = open(at(1)?, path, "w").await?;
            file.append_via_stream(sending(&words[3])).await?;
        }
        "size" => {
            let file = open(at(1)?, path, "w").await?;
            file.set_size(words[3].as_u64().unwrap_or_default()).await?;
        }
        "stat" => return Ok(at(1)?.stat_at(PathFlags::empty(), path).await?.size.into()),
        "mkdir" => at(1)?.create_directory_at(path).await?,
        "unlink" => at(1)?.unlink_file_at(path).await?,
        "rename" => at(1)?.rename_at(path, at(3)?, word(4)).await?,
        "hold" => {
            let mut held = Vec::new();
            for _ in 0..words[3].as_u64().unwrap_or(1) {
                held.push(open(at(1)?, path.clone(), "r").await?);
            }
        }
        other => return Ok(json!(format!("no step {other}"))),
    }
    Ok(true.into())
}

/// The flags are letters: `r`ead, `w`rite, `c`reate, `d`irectory.
async fn open(folder: &Descriptor, path: String, flags: &str) -> Result<Descriptor, ErrorCode> {
    let mut opening = OpenFlags::empty();
    opening.set(OpenFlags::CREATE, flags.contains('c'));
    opening.set(OpenFlags::DIRECTORY, flags.contains('d'));
    let wanted = if flags.contains('w') {
        DescriptorFlags::WRITE
    } else {
        DescriptorFlags::READ
    };
    folder
        .open_at(PathFlags::SYMLINK_FOLLOW, path, opening, wanted)
        .await
}

async fn read(file: &Descriptor) -> Result<String, ErrorCode> {
    let (bytes, ended) = file.read_via_stream(0);
    let bytes = bytes.collect().await;
    ended.await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn list(folder: &Descriptor) -> Result<Value, ErrorCode> {
    let (entries, ended) = folder.read_directory();
    let mut names: Vec<_> = entries
        .collect()
        .await
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    ended.await?;
    names.sort();
    Ok(names.into())
}

/// A stream of a text, or of so many bytes.
fn sending(content: &Value) -> StreamReader<u8> {
    let bytes = match content.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => vec![b'x'; content.as_u64().unwrap_or_default() as usize],
    };
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        writer.write_all(bytes).await;
    });
    reader
}
