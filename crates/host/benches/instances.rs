//! What a fresh instance costs from its making to its end, and a call of one that waits; beside bare Wasmtime.
//!
//! `wisp` is what a worker does for a run by the clock: a permit, an instance in a store with limits and a context of WASI, a call
//! that is bounded in time, the end of the instance. `wasmtime` is an instance from Wasmtime's own pool, a call, its end.

#[path = "support/processor.rs"]
mod processor;
mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use processor::Processor;
use support::bare::Job;
use support::{Part, Worker, guests, order};

fn instances(criterion: &mut Criterion<Processor>) {
    let sizes = [
        ("little memory", guests::little()),
        ("a snapshot of 17 MiB", guests::snapshot()),
    ];
    for (size, wasm) in sizes {
        let mut group = criterion.benchmark_group(format!("a fresh instance, {size}"));
        let part = Part::job("guest", wasm.clone());
        let worker = Worker::new(&[part]);
        group.bench_function("wisp", |bencher| {
            bencher.to_async(&worker.runtime).iter_batched(
                || order("guest"),
                |order| worker.run(order),
                BatchSize::SmallInput,
            );
        });
        let bare = Job::new(&wasm);
        group.bench_function("wasmtime", |bencher| {
            bencher.iter(|| bare.instance().run());
        });
        group.finish();
    }
}

fn calls(criterion: &mut Criterion<Processor>) {
    let mut group = criterion.benchmark_group("a call of a warm instance");
    let mut part = Part::job("guest", guests::little());
    part.reuse = u32::MAX;
    let worker = Worker::new(&[part]);
    group.bench_function("wisp", |bencher| {
        bencher.to_async(&worker.runtime).iter_batched(
            || order("guest"),
            |order| worker.run(order),
            BatchSize::SmallInput,
        );
    });
    let mut bare = Job::new(&guests::little()).instance();
    group.bench_function("wasmtime", |bencher| bencher.iter(|| bare.run()));
    group.finish();
}

criterion_group! {
    name = benches;
    config = processor::criterion();
    targets = instances, calls
}
criterion_main!(benches);
