//! What it costs to be admitted: with a permit that is free, and with one that another request gives back; beside tokio's semaphore.

#[allow(dead_code, reason = "a bench uses a part of what the pool does")]
#[path = "../src/pool/admission.rs"]
mod admission;
#[path = "support/processor.rs"]
mod processor;
#[allow(dead_code, reason = "a bench uses a part of what the pool does")]
#[path = "../src/pool/slots.rs"]
mod slots;

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use futures::poll;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use admission::Admission;
use processor::Processor;

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn admissions(criterion: &mut Criterion<Processor>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    let mut group = criterion.benchmark_group("admission, a permit is free");
    let admission = Admission::new(64, 64, Duration::from_mins(1));
    group.bench_function("wisp", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { admission.admit(soon()).await.is_ok() });
    });
    let semaphore = Arc::new(Semaphore::new(64));
    group.bench_function("tokio", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { semaphore.clone().acquire_owned().await.is_ok() });
    });
    group.finish();

    let mut group = criterion.benchmark_group("admission, after waiting for another to end");
    let admission = Admission::new(1, 64, Duration::from_mins(1));
    group.bench_function("wisp", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let first = admission.admit(soon()).await;
            let mut second = std::pin::pin!(admission.admit(soon()));
            assert!(poll!(second.as_mut()).is_pending());
            drop(first);
            second.await.is_ok()
        });
    });
    let semaphore = Arc::new(Semaphore::new(1));
    group.bench_function("tokio", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let first = semaphore.clone().acquire_owned().await;
            let mut second = std::pin::pin!(semaphore.clone().acquire_owned());
            assert!(poll!(second.as_mut()).is_pending());
            drop(first);
            second.await.is_ok()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = processor::criterion();
    targets = admissions
}
criterion_main!(benches);
