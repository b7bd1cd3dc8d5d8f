//! Small components to compose, of the worlds in `data/compose.wit`.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test takes what it needs"
)]

use std::collections::BTreeMap;

use wasmtime::component::{Component, Linker, TypedFunc};
use wasmtime::{Config, Engine, Store};
use wisp_host::{Composition, Part};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

pub const WIT: &str = include_str!("../data/compose.wit");

/// A component of a world in `data/compose.wit`.
pub fn component(world: &str, core: &str) -> Vec<u8> {
    component_of(WIT, world, core)
}

pub fn component_of(wit: &str, world: &str, core: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("compose.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(core).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap();
    encoder.encode().unwrap()
}

/// Counts: each call of `next` gives the next number.
pub fn counter() -> Vec<u8> {
    component(
        "counting",
        r#"(module
            (global $count (mut i32) (i32.const 0))
            (func (export "test:counts/counter@1.0.0#next") (result i32)
                (global.set $count (i32.add (global.get $count) (i32.const 1)))
                (global.get $count)))"#,
    )
}

/// Hands calls on to a counter, under another name.
pub fn relay(world: &str, export: &str) -> Vec<u8> {
    let core = format!(
        r#"(module
            (import "test:counts/counter@1.0.0" "next" (func $next (result i32)))
            (func (export "{export}#value") (result i32) (call $next)))"#
    );
    component(world, &core)
}

/// Asks both sides, and gives left times ten plus right.
pub fn both() -> Vec<u8> {
    component(
        "both",
        r#"(module
            (import "test:parts/left" "value" (func $left (result i32)))
            (import "test:parts/right" "value" (func $right (result i32)))
            (func (export "test:parts/answer#get") (result i32)
                (i32.add (i32.mul (call $left) (i32.const 10)) (call $right))))"#,
    )
}

pub fn part(component: usize, links: &[(&str, &str)]) -> Part {
    let links = links
        .iter()
        .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
    Part {
        component,
        links: links.collect(),
        ..Part::default()
    }
}

pub fn composition<const COUNT: usize>(entry: &str, parts: [(&str, Part); COUNT]) -> Composition {
    Composition {
        entry: entry.to_owned(),
        parts: BTreeMap::from(parts.map(|(name, part)| (name.to_owned(), part))),
    }
}

/// Two parts, the first linked to the second for this interface.
pub fn pair(user: &str, interface: &str, library: &str) -> Composition {
    composition(
        user,
        [
            (user, part(0, &[(interface, library)])),
            (library, part(1, &[])),
        ],
    )
}

pub const COUNTER: &str = "test:counts/counter@1.0.0";
pub const LEFT: &str = "test:parts/left";
pub const RIGHT: &str = "test:parts/right";

pub fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    Engine::new(&config).unwrap()
}

type Getter = TypedFunc<(), (u32,)>;

/// Instantiates a component without imports, and finds `get` of this interface.
fn getter(component: &[u8], interface: &str) -> wasmtime::Result<(Store<()>, Getter)> {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let component = Component::new(&engine, component)?;
    let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
    let interface = instance.get_export_index(&mut store, None, interface);
    let get = instance.get_export_index(&mut store, interface.as_ref(), "get");
    let get = instance.get_typed_func(&mut store, get.unwrap())?;
    Ok((store, get))
}

/// Calls `get` of the interface `answer`.
pub fn answer(component: &[u8]) -> wasmtime::Result<u32> {
    let (mut store, get) = getter(component, "test:parts/answer")?;
    Ok(get.call(&mut store, ())?.0)
}

/// Calls `get` of the interface `later-answer`.
pub async fn later_answer(component: &[u8]) -> wasmtime::Result<u32> {
    let (mut store, get) = getter(component, "test:parts/later-answer")?;
    Ok(get.call_async(&mut store, ()).await?.0)
}

/// Makes boxes that hold a number, and says how many were dropped.
pub fn boxes() -> Vec<u8> {
    component(
        "boxing",
        r#"(module
            (import "[export]test:parts/boxes" "[resource-new]box" (func $new (param i32) (result i32)))
            (global $dropped (mut i32) (i32.const 0))
            (func (export "test:parts/boxes#[constructor]box") (param i32) (result i32)
                (call $new (local.get 0)))
            (func (export "test:parts/boxes#[method]box.open") (param i32) (result i32) (local.get 0))
            (func (export "test:parts/boxes#dropped") (result i32) (global.get $dropped))
            (func (export "test:parts/boxes#[dtor]box") (param i32)
                (global.set $dropped (i32.add (global.get $dropped) (i32.const 1)))))"#,
    )
}

/// Asks for a secret, and gives 1000 plus the length of the error, or the length of the secret.
pub fn spy() -> Vec<u8> {
    component(
        "spying",
        r#"(module
            (import "test:parts/vault" "read" (func $read (param i32 i32 i32)))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (data (i32.const 0) "name")
            (func (export "test:parts/answer#get") (result i32)
                (call $read (i32.const 0) (i32.const 4) (i32.const 16))
                (i32.add
                    (i32.mul (i32.load8_u (i32.const 16)) (i32.const 1000))
                    (i32.load (i32.const 24)))))"#,
    )
}

/// Hands its calls on.
pub fn front() -> Vec<u8> {
    component(
        "front",
        r#"(module
            (import "test:parts/answer" "get" (func $get (result i32)))
            (func (export "test:parts/answer#get") (result i32) (call $get)))"#,
    )
}

pub const ANSWER: &str = "test:parts/answer";
