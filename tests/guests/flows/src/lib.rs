//! A component of the asynchronous component model: streams and futures in and out, several calls at once.

mod bindings {
    wit_bindgen::generate!({ world: "flows", path: "wit" });
}

use std::sync::atomic::{AtomicBool, Ordering};

use bindings::exports::test::flows::flow::{self, Guest as Flow};
use bindings::test::flows::source;
use bindings::{wit_future, wit_stream};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult, spawn_local};

struct Guest;

bindings::export!(Guest with_types_in bindings);

static NOTICED: AtomicBool = AtomicBool::new(false);

macro_rules! mapped {
    ($($name:ident: $ty:ty => |$item:ident| $result:expr),* $(,)?) => {
        $(async fn $name(mut values: StreamReader<$ty>) -> StreamReader<$ty> {
            let (mut writer, reader) = wit_stream::new::<$ty>();
            spawn_local(async move {
                while let Some($item) = values.next().await {
                    if !writer.write_all(vec![$result]).await.is_empty() {
                        return;
                    }
                }
            });
            reader
        })*
    };
}

struct Value(u32);

impl flow::GuestBox for Value {
    fn new(value: u32) -> Self {
        Self(value)
    }

    fn value(&self) -> u32 {
        self.0
    }
}

impl Flow for Guest {
    type Box = Value;

    mapped! {
        doubled: u32 => |item| item * 2,
        booleans: bool => |item| !item,
        floats: f64 => |item| item / 2.0,
        texts: String => |item| item + "!",
    }

    async fn count(to: u32) -> StreamReader<u32> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            writer.write_all((0..to).collect()).await;
        });
        reader
    }

    async fn upper(mut text: StreamReader<u8>) -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            loop {
                let (result, mut bytes) = text.read(Vec::with_capacity(65536)).await;
                bytes.make_ascii_uppercase();
                if !writer.write_all(bytes).await.is_empty() || result == StreamResult::Dropped {
                    return;
                }
            }
        });
        reader
    }

    async fn first(mut numbers: StreamReader<u32>) -> u32 {
        numbers.next().await.unwrap_or(u32::MAX)
    }

    async fn later(value: u32) -> FutureReader<u32> {
        let (writer, reader) = wit_future::new(|| 0);
        spawn_local(async move {
            let _ = writer.write(value).await;
        });
        reader
    }

    async fn resolved(value: FutureReader<String>) -> String {
        value.await
    }

    async fn pairs() -> StreamReader<(u32, u32)> {
        wit_stream::new().1
    }

    async fn nothings(_: StreamReader<()>) -> u32 {
        0
    }

    async fn endless() -> StreamReader<u32> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            let mut number = 0;
            while writer.write_all(vec![number]).await.is_empty() {
                number += 1;
            }
            NOTICED.store(true, Ordering::Relaxed);
        });
        reader
    }

    fn noticed() -> bool {
        NOTICED.load(Ordering::Relaxed)
    }

    async fn broken() -> StreamReader<u32> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            writer.write_all(vec![7]).await;
            panic!("broken on request");
        });
        reader
    }

    async fn ask(value: u32) -> u32 {
        source::slow(value).await
    }

    async fn read(name: String) -> Vec<u8> {
        source::bytes(name).await.collect().await
    }

    async fn sum(to: u32) -> u64 {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            writer.write_all((0..=to).collect()).await;
        });
        source::total(reader).await
    }

    async fn ask_later(value: u32) -> u32 {
        source::later(value).await.await
    }

    async fn spin() {
        let mut number = 0_u64;
        loop {
            number = std::hint::black_box(number.wrapping_add(1));
        }
    }

    async fn trap() {
        panic!("trapped on request");
    }

    fn plain(value: u32) -> u32 {
        value + 1
    }
}
