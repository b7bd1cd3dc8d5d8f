//! Making components of core modules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

use std::path::PathBuf;

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wisp_host::{Adapter, EncodeError, FileKind, encode, inspect, preview1_to_component};

const ADDER: &str = "package test:adder; world adder { export add: func(a: u32, b: u32) -> u32; }";
const ADD: &str = r#"(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))"#;

struct Wit {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn wit(text: &str) -> Wit {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.wit");
    std::fs::write(&path, text).unwrap();
    Wit {
        _folder: folder,
        path,
    }
}

fn encode_text(module: &str, text: &str, world: &str) -> Result<Vec<u8>, EncodeError> {
    encode(
        &wat::parse_str(module).unwrap(),
        Some(&wit(text).path),
        world,
        Adapter::None,
    )
}

#[test]
fn a_module_with_its_world_becomes_a_component_that_runs() {
    let component = encode_text(ADD, ADDER, "adder").unwrap();

    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let component = Component::new(&engine, component).unwrap();
    let instance = Linker::new(&engine)
        .instantiate(&mut store, &component)
        .unwrap();
    let add = instance
        .get_typed_func::<(u32, u32), (u32,)>(&mut store, "add")
        .unwrap();
    assert_eq!(add.call(&mut store, (40, 2)).unwrap(), (42,));
}

#[test]
fn the_only_world_of_a_package_needs_no_name() {
    assert!(encode_text(ADD, ADDER, "").is_ok());
}

#[test]
fn a_module_that_carries_its_world_needs_no_wit() {
    let mut module = wat::parse_str(ADD).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("world.wit", ADDER).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    wit_component::embed_component_metadata(
        &mut module,
        &resolve,
        world,
        wit_component::StringEncoding::UTF8,
    )
    .unwrap();

    let component = encode(&module, None, "", Adapter::None).unwrap();

    assert_eq!(inspect(&component).unwrap().exports, ["add"]);
}

#[test]
fn a_missing_export_is_named() {
    let error = encode_text("(module)", ADDER, "adder").unwrap_err();

    assert_eq!(
        error.to_string(),
        "the module does not export `add`, which its world asks for"
    );
}

#[test]
fn a_missing_function_of_an_interface_is_named_with_it() {
    let world =
        "package test:a@1.0.0; interface greeter { greet: func(); } world w { export greeter; }";

    let error = encode_text("(module)", world, "w").unwrap_err();

    assert!(
        matches!(&error, EncodeError::MissingExport(name) if name == "test:a/greeter@1.0.0#greet"),
        "{error}"
    );
}

#[test]
fn an_import_outside_the_world_is_named() {
    let module = r#"(module (import "some:where/else@1.0.0" "go" (func)) (func (export "add") (param i32 i32) (result i32) unreachable))"#;

    let error = encode_text(module, ADDER, "adder").unwrap_err();

    assert!(
        matches!(&error, EncodeError::UnknownImport(name) if name == "some:where/else@1.0.0"),
        "{error}"
    );
}

#[test]
fn preview_1_without_an_adapter_is_an_unknown_import() {
    let module = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#,
    )
    .unwrap();

    let error = encode(&module, None, "", Adapter::None).unwrap_err();

    assert!(
        matches!(&error, EncodeError::UnknownImport(name) if name == "wasi_snapshot_preview1"),
        "{error}"
    );
}

#[test]
fn a_broken_wit_is_shown_with_its_line() {
    let error = encode_text(
        ADD,
        "package test:adder;\nworld adder {\n  exprt add: func();\n}",
        "adder",
    )
    .unwrap_err();

    assert!(matches!(&error, EncodeError::Wit { .. }), "{error}");
    assert!(error.to_string().contains("world.wit:3"), "{error}");
}

#[test]
fn an_unknown_world_is_an_error_with_its_name() {
    let error = encode_text(ADD, ADDER, "divider").unwrap_err();

    assert!(
        matches!(&error, EncodeError::World { world, .. } if world == "divider"),
        "{error}"
    );
}

#[test]
fn what_is_not_a_module_is_refused() {
    let component = wat::parse_str("(component)").unwrap();

    assert!(matches!(
        encode(&component, None, "", Adapter::None),
        Err(EncodeError::NotAModule)
    ));
    assert!(matches!(
        encode(b"print('hello')", None, "", Adapter::None),
        Err(EncodeError::NotAModule)
    ));
}

#[test]
fn a_preview_1_program_becomes_a_command() {
    let module = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") i32.const 3 call $exit))"#,
    )
    .unwrap();
    assert_eq!(inspect(&module).unwrap().command, Some("preview1"));

    let component = preview1_to_component(&module).unwrap();

    let inspection = inspect(&component).unwrap();
    assert_eq!(
        (inspection.kind, inspection.command),
        (FileKind::Component, Some("0.2"))
    );
}

#[test]
fn a_preview_1_program_may_exit_with_any_code() {
    let module = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") i32.const 3 call $exit))"#,
    )
    .unwrap();

    let component = preview1_to_component(&module).unwrap();

    let imports = inspect(&component).unwrap().imports;
    assert!(
        imports
            .iter()
            .any(|name| name.starts_with("wasi:cli/exit@")),
        "{imports:?}"
    );
    assert!(
        component
            .windows(14)
            .any(|bytes| bytes == b"exit-with-code"),
        "it knows only good and bad"
    );
}

#[test]
fn a_reactor_with_preview_1_exports_what_its_world_says() {
    let module = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "add") (param i32 i32) (result i32) i32.const 0 i32.const 4 call $random))"#,
    )
    .unwrap();

    let component = encode(&module, Some(&wit(ADDER).path), "adder", Adapter::Reactor).unwrap();

    let inspection = inspect(&component).unwrap();
    assert_eq!(inspection.exports, ["add"]);
    assert!(
        inspection
            .imports
            .iter()
            .any(|name| name.starts_with("wasi:random/random@0.2.")),
        "{:?}",
        inspection.imports
    );
}
