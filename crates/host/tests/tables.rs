//! The tables of an instance, which no language's guest grows by itself.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

use std::any::Any;
use std::sync::{Arc, Mutex};

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine};
use wisp_wasi::{Allowance, Limit, Lines, Meter, State, Stream};

const GROWER: &str = r#"(component
    (core module $m
        (table $t 100 funcref)
        (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0))))
    (core instance $i (instantiate $m))
    (func (export "grow") (param "by" u32) (result s32) (canon lift (core func $i "grow"))))"#;

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<Limit>>);

impl Meter for Seen {
    fn exceeded(&self, limit: Limit) {
        self.0.lock().unwrap().push(limit);
    }

    fn refused(&self, _: &str) {}
}

#[derive(Debug)]
struct Silent;

impl Lines for Silent {
    fn line(&self, _: Stream, _: &str) {}

    fn entry(&self, _: &str, _: &str, _: &str) {}
}

fn allowance(table: usize, meter: Arc<Seen>) -> Allowance {
    Allowance {
        environment: Vec::new(),
        memory: 1 << 20,
        table,
        handles: 100,
        meter,
        folders: None,
        peers: None,
        egress: None,
        companion: Arc::new(()) as Arc<dyn Any + Send + Sync>,
    }
}

#[tokio::test]
async fn a_table_grows_to_the_limit_of_all_tables_and_no_further() {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, GROWER).unwrap();
    let seen = Arc::new(Seen::default());
    let mut store = State::service(&engine, Arc::new(Silent), &allowance(500, seen.clone()));
    let instance = Linker::new(&engine)
        .instantiate_async(&mut store, &component)
        .await
        .unwrap();
    let grow = instance
        .get_typed_func::<(u32,), (i32,)>(&mut store, "grow")
        .unwrap();

    let mut grown = Vec::new();
    for by in [400, 1, 0] {
        grown.push(grow.call_async(&mut store, (by,)).await.unwrap().0);
    }

    assert_eq!(grown, [100, -1, 500]);
    assert_eq!(*seen.0.lock().unwrap(), [Limit::Table]);
}
