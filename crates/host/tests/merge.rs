//! Merging the core modules of components.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

use wasmtime::component::{Component, Linker, ResourceAny};
use wasmtime::{Engine, Store, StoreContextMut};
use wisp_host::{MergeError, inspect, merge};

/// What a component said through its import.
type Said = Vec<String>;

/// Two libraries that are linked when they are instantiated, as componentize-py links its own: they share a memory and a table, the first takes
/// a function and an address from the second, and each has a constructor.
fn linked() -> Vec<u8> {
    let world = "package test:linked; world linked { import say: func(text: string); export process: func(number: u32) -> u32; }";
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("world.wit", world).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut first = wat::parse_str(include_str!("data/first.wat")).unwrap();
    wit_component::embed_component_metadata(
        &mut first,
        &resolve,
        world,
        wit_component::StringEncoding::UTF8,
    )
    .unwrap();
    let second = wat::parse_str(include_str!("data/second.wat")).unwrap();
    let linker = wit_component::Linker::default().validate(true);
    linker
        .library("first", &first, false)
        .unwrap()
        .library("second", &second, false)
        .unwrap()
        .encode()
        .unwrap()
}

fn process(component: &[u8], number: u32) -> (u32, Said) {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Said::new());
    let mut linker = Linker::new(&engine);
    let say = |mut store: StoreContextMut<'_, Said>, (text,): (String,)| {
        store.data_mut().push(text);
        Ok(())
    };
    linker.root().func_wrap("say", say).unwrap();
    let instance = linker
        .instantiate(&mut store, &Component::new(&engine, component).unwrap())
        .unwrap();
    let process = instance
        .get_typed_func::<(u32,), (u32,)>(&mut store, "process")
        .unwrap();
    let (answer,) = process.call(&mut store, (number,)).unwrap();
    (answer, store.into_data())
}

#[test]
fn linked_libraries_answer_as_before() {
    let component = linked();

    let merged = merge(&component).unwrap();

    assert_eq!(process(&component, 4), (1042, vec!["four".to_owned()]));
    assert_eq!(process(&merged, 4), process(&component, 4));
}

#[test]
fn linked_libraries_become_one_module() {
    let component = linked();

    let merged = merge(&component).unwrap();

    // The one module, the one that fills the table of trampolines, and the one that runs the constructors after that.
    let instances = |component: &[u8]| inspect(component).unwrap().resources.core_instances;
    assert_eq!((instances(&component), instances(&merged)), (6, 3));
}

#[test]
fn the_table_of_trampolines_becomes_a_part_of_the_table_of_functions() {
    let component = linked();

    let merged = merge(&component).unwrap();

    let tables = |component: &[u8]| inspect(component).unwrap().resources.tables;
    assert_eq!((tables(&component), tables(&merged)), (2, 1));
}

#[test]
fn the_world_stays_the_same() {
    let component = linked();

    let merged = merge(&component).unwrap();

    let (before, after) = (inspect(&component).unwrap(), inspect(&merged).unwrap());
    assert_eq!(
        (before.imports, before.exports),
        (after.imports, after.exports)
    );
}

#[test]
fn merging_twice_changes_nothing_that_can_be_seen() {
    let once = merge(&linked()).unwrap();

    let twice = merge(&once).unwrap();

    assert_eq!(process(&twice, 4), process(&once, 4));
}

#[test]
fn a_component_with_one_module_comes_back_as_it_is() {
    let component = wat::parse_str(include_str!("data/single.wat")).unwrap();

    assert_eq!(merge(&component).unwrap(), component);
}

#[test]
fn element_offsets_become_constants() {
    let merged = merge(&linked()).unwrap();

    let mut active = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&merged) {
        let wasmparser::Payload::ElementSection(section) = payload.unwrap() else {
            continue;
        };
        for element in section {
            let wasmparser::ElementKind::Active { offset_expr, .. } = element.unwrap().kind else {
                continue;
            };
            let first = offset_expr.get_operators_reader().read().unwrap();
            assert!(
                matches!(first, wasmparser::Operator::I32Const { .. }),
                "{first:?}"
            );
            active += 1;
        }
    }
    assert!(active > 1);
}

#[test]
fn a_resource_whose_destructor_goes_through_the_modules_is_still_dropped() {
    let component = wat::parse_str(include_str!("data/resource.wat")).unwrap();

    let merged = merge(&component).unwrap();

    assert_eq!(dropped(&component), [7]);
    assert_eq!(dropped(&merged), [7]);
    let instances = |component: &[u8]| inspect(component).unwrap().resources.core_instances;
    // The trampoline of the destructor stays on its own: the type of the resource comes before all that uses it.
    assert_eq!((instances(&component), instances(&merged)), (4, 2));
}

/// Makes a resource with the number 7 and drops it; gives the numbers that its destructor told the host.
fn dropped(component: &[u8]) -> Vec<u32> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Vec::new());
    let mut linker = Linker::new(&engine);
    let note = |mut store: StoreContextMut<'_, Vec<u32>>, (number,): (u32,)| {
        store.data_mut().push(number);
        Ok(())
    };
    linker.root().func_wrap("note", note).unwrap();
    let instance = linker
        .instantiate(&mut store, &Component::new(&engine, component).unwrap())
        .unwrap();
    let make = instance
        .get_typed_func::<(u32,), (ResourceAny,)>(&mut store, "make")
        .unwrap();
    let (thing,) = make.call(&mut store, (7,)).unwrap();
    thing.resource_drop(&mut store).unwrap();
    store.into_data()
}

#[test]
fn a_start_function_before_the_segments_of_another_module_is_not_merged() {
    let component = wat::parse_str(include_str!("data/start_before_data.wat")).unwrap();

    let error = merge(&component).unwrap_err();

    assert!(matches!(error, MergeError::Unmergeable(_)), "{error}");
}

#[test]
fn a_component_that_passes_modules_around_is_not_merged() {
    let component = wat::parse_str(r#"(component (import "m" (core module)))"#).unwrap();

    let error = merge(&component).unwrap_err();

    assert!(matches!(error, MergeError::Unmergeable(_)), "{error}");
}

#[test]
fn what_is_not_a_component_is_invalid() {
    for wasm in [
        b"".as_slice(),
        b"hello".as_slice(),
        &wat::parse_str("(module)").unwrap(),
    ] {
        let error = merge(wasm).unwrap_err();

        assert!(matches!(error, MergeError::Invalid(_)), "{error}");
    }
}
