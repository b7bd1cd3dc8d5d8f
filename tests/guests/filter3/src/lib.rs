//! A library of WASI 0.3 that others call: what it is given and what it gives are streams.

mod bindings {
    wit_bindgen::generate!({ world: "library", path: "wit" });
}

use bindings::exports::test::filter::filter;
use bindings::{wit_future, wit_stream};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, spawn_local};

struct Guest;

bindings::export!(Guest with_types_in bindings);

const CHUNK: usize = 65536;

impl filter::Guest for Guest {
    async fn upper(mut text: StreamReader<u8>) -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            loop {
                let (result, mut bytes) = text.read(Vec::with_capacity(CHUNK)).await;
                bytes.make_ascii_uppercase();
                let left = writer.write_all(bytes).await;
                if !left.is_empty() || result == StreamResult::Dropped {
                    return;
                }
            }
        });
        reader
    }

    async fn measure(mut text: StreamReader<u8>) -> FutureReader<String> {
        let (writer, reader) = wit_future::new(|| "nothing came".to_owned());
        spawn_local(async move {
            let mut count = 0;
            loop {
                let (result, bytes) = text.read(Vec::with_capacity(CHUNK)).await;
                count += bytes.len();
                if result == StreamResult::Dropped {
                    break;
                }
            }
            // Who asked may be gone by now.
            let _ = writer.write(format!("{count} bytes")).await;
        });
        reader
    }

    async fn fail() -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            writer.write_all(b"the first half".to_vec()).await;
            panic!("trapped in the middle of a stream");
        });
        reader
    }
}
