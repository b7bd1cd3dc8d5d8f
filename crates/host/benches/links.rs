//! What a call of one component by another costs, by how they are linked; beside bare Wasmtime.
//!
//! A guest calls a library a thousand times, which is divided away. `fused` is one component made of both, `bridged` is a link that
//! the worker answers with an instance of its own. For `wasmtime, fused` the same composed component runs in bare Wasmtime, for
//! `wasmtime, two stores` a function of the host calls the other instance, without permits, limits or deadlines.

#[path = "support/processor.rs"]
mod processor;
mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use processor::Processor;
use support::bare::Job;
use support::guests::{CALLS, NUMBERS};
use support::{Part, Worker, guests, order};

fn worker_fused(caller: &[u8]) -> Worker {
    let mut part = Part::job("caller", guests::fused(caller));
    part.reuse = u32::MAX;
    Worker::new(&[part])
}

fn worker_bridged(caller: &[u8]) -> Worker {
    let mut part = Part::job("caller", caller.to_vec());
    part.reuse = u32::MAX;
    part.link = Some((NUMBERS, "library"));
    let mut library = Part::job("library", guests::library());
    library.reuse = u32::MAX;
    library.job = false;
    Worker::new(&[part, library])
}

fn links(criterion: &mut Criterion<Processor>) {
    for (what, caller) in [
        ("two numbers in, one out", guests::adds()),
        ("16 bytes of text in and out", guests::texts()),
    ] {
        let mut group = criterion.benchmark_group(format!("{CALLS} linked calls, {what}"));
        group.throughput(Throughput::Elements(CALLS.into()));
        for (mode, worker) in [
            ("fused", worker_fused(&caller)),
            ("bridged", worker_bridged(&caller)),
        ] {
            group.bench_function(mode, |bencher| {
                bencher.to_async(&worker.runtime).iter_batched(
                    || order("caller"),
                    |order| worker.run(order),
                    BatchSize::SmallInput,
                );
            });
        }
        for (mode, bare) in [
            ("wasmtime, fused", Job::new(&guests::fused(&caller))),
            (
                "wasmtime, two stores",
                Job::calling(&caller, &guests::library()),
            ),
        ] {
            let mut running = bare.instance();
            group.bench_function(mode, |bencher| bencher.iter(|| running.run()));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = processor::criterion();
    targets = links
}
criterion_main!(benches);
