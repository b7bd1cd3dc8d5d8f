//! How long it takes to find a route among ten thousand; beside a hash map.

#[path = "support/processor.rs"]
mod processor;

use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use processor::Processor;
use std::collections::HashMap;
use std::hint::black_box;
use wisp_host::trigger::router::{Found, Route, Router};

const ROUTES: usize = 10_000;

fn router() -> Option<Router<usize>> {
    let routes = (0..ROUTES).map(|number| {
        let path = match number % 4 {
            0 | 1 => format!("/service{number}/process"),
            2 => format!("/service{number}/items/:id"),
            _ => format!("/service{number}/files/..."),
        };
        Route::new(&path, &["GET".to_owned(), "POST".to_owned()], &[], number)
    });
    Router::new(routes.collect()).ok()
}

fn lookups(criterion: &mut Criterion<Processor>) {
    let Some(router) = router() else { return };
    let mut group = criterion.benchmark_group("a route among 10000");
    for (name, path) in [
        ("exact", "/service5000/process"),
        ("parameter", "/service5002/items/4711"),
        ("prefix", "/service5003/files/a/b/c"),
        ("encoded", "/service5000/pro%63ess"),
        ("missing", "/service5001/nothing"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(
                || match router.find(&Method::GET, "example.com", black_box(path)) {
                    Found::Route(found) => Some(found.index()),
                    Found::OtherMethods(_) | Found::Nothing => None,
                },
            );
        });
    }
    // What nothing that finds a path can be faster than: no parameters, no prefixes, no methods.
    let paths: HashMap<String, usize> = (0..ROUTES)
        .map(|number| (format!("/service{number}/process"), number))
        .collect();
    group.bench_function("exact, in a hash map", |bencher| {
        bencher.iter(|| paths.get(black_box("/service5000/process")).copied());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = processor::criterion();
    targets = lookups
}
criterion_main!(benches);
