//! What a bridged call costs: a guest that makes ten thousand of them to answer one request, beside bare Wasmtime, where
//! the host calls the same function of one instance.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a bench may fail"
)]

#[path = "../tests/links/app.rs"]
#[allow(dead_code, reason = "a bench refuses nothing")]
mod app;
#[path = "../tests/links/guests.rs"]
#[allow(dead_code, reason = "a bench uses its own part")]
mod guests;
#[path = "../tests/http_support/mod.rs"]
mod http_support;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};
use wisp_host::Profile;

use app::{App, Part};
use guests::{caller, numbers};

const CALLS: u32 = 10_000;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The time of so many requests, for one of their calls each.
async fn requests(app: &App, count: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        assert_eq!(app.status().await, 200);
    }
    start.elapsed() / CALLS
}

fn bridged(criterion: &mut Criterion) {
    let runtime = runtime();
    let body = format!(
        "(local $count i32)
         (loop $more
            (drop (call $add (i32.const 1) (i32.const 2)))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $count) (i32.const {CALLS}))))
         (i32.const 200)"
    );
    for (name, profile) in [("0.2", Profile::Sync), ("0.3", Profile::Async)] {
        let gateway = Part::new("gateway", caller(&body)).linked("test:links/numbers", "numbers");
        let callee = Part::new("numbers", numbers()).reuse(u32::MAX);
        let app =
            runtime.block_on(async { App::serve(&[gateway.on(profile), callee.on(profile)]) });
        criterion.bench_function(
            &format!("a bridged call on the engine of {name}"),
            |bencher| {
                bencher.iter_custom(|count| runtime.block_on(requests(&app, count)));
            },
        );
        runtime.block_on(app.end());
    }
}

fn bare(criterion: &mut Criterion) {
    let runtime = runtime();
    let engine = Engine::new(Config::new().concurrency_support(false)).unwrap();
    let component = Component::new(&engine, numbers()).unwrap();
    let mut store = Store::new(&engine, ());
    let add = runtime.block_on(async {
        let linker = Linker::new(&engine);
        let instance = linker
            .instantiate_async(&mut store, &component)
            .await
            .unwrap();
        let interface = instance
            .get_export_index(&mut store, None, "test:links/numbers")
            .unwrap();
        let add = instance
            .get_export_index(&mut store, Some(&interface), "add")
            .unwrap();
        instance
            .get_typed_func::<(u32, u32), (u32,)>(&mut store, add)
            .unwrap()
    });
    criterion.bench_function("a typed call of bare Wasmtime", |bencher| {
        bencher.iter(|| {
            runtime
                .block_on(add.call_async(&mut store, (1, 2)))
                .unwrap()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = bridged, bare
}
criterion_main!(benches);
