//! Saying what a WebAssembly file is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what helps a test may fail like a test"
)]

use proptest::prelude::*;
use wisp_host::{FileKind, Inspection, Profile, inspect};

fn inspect_text(text: &str) -> Inspection {
    inspect(&wat::parse_str(text).unwrap()).unwrap()
}

fn exporting(name: &str) -> Inspection {
    inspect_text(&format!(
        r#"(component (instance $i) (export "{name}" (instance $i)))"#
    ))
}

fn importing(name: &str) -> Inspection {
    inspect_text(&format!(r#"(component (import "{name}" (instance)))"#))
}

#[test]
fn text_is_not_web_assembly() {
    let inspection = inspect(b"import this").unwrap();

    assert_eq!(inspection.kind, FileKind::Unknown);
}

#[test]
fn a_torn_file_is_an_error() {
    let component = wat::parse_str(r#"(component (import "a" (func)))"#).unwrap();

    let error = inspect(&component[..component.len() - 1]).unwrap_err();

    assert!(
        error
            .to_string()
            .starts_with("not a valid WebAssembly file: "),
        "{error}"
    );
}

#[test]
fn a_core_module_is_a_module_and_with_a_start_a_command() {
    let library = inspect_text("(module)");
    let program = inspect_text(r#"(module (func (export "_start")))"#);

    assert_eq!((library.kind, library.command), (FileKind::Module, None));
    assert_eq!(
        (program.kind, program.command),
        (FileKind::Module, Some("preview1"))
    );
}

#[test]
fn http_handlers_are_found_in_both_versions() {
    assert_eq!(
        exporting("wasi:http/incoming-handler@0.2.12").http,
        Some("0.2")
    );
    assert_eq!(exporting("wasi:http/handler@0.3.0").http, Some("0.3"));
    assert_eq!(exporting("wasi:http/handler@0.30.0").http, None);
    assert_eq!(exporting("wasi:cli/run@0.2.6").http, None);
}

#[test]
fn commands_are_found_in_both_versions() {
    assert_eq!(exporting("wasi:cli/run@0.2.6").command, Some("0.2"));
    assert_eq!(exporting("wasi:cli/run@0.3.0").command, Some("0.3"));
}

#[test]
fn what_is_of_wasi_0_3_needs_the_asynchronous_profile() {
    assert_eq!(importing("wasi:http/types@0.2.12").profile, Profile::Sync);
    assert_eq!(importing("wasi:http/types@0.3.0").profile, Profile::Async);
}

#[test]
fn an_asynchronous_function_or_a_stream_needs_the_asynchronous_profile() {
    let function = inspect_text(r#"(component (import "f" (func async)))"#);
    let stream =
        inspect_text(r#"(component (type $s (stream u8)) (import "f" (func (param "s" $s))))"#);
    let plain = inspect_text(r#"(component (import "f" (func)))"#);

    assert_eq!(function.profile, Profile::Async);
    assert_eq!(stream.profile, Profile::Async);
    assert_eq!(plain.profile, Profile::Sync);
}

#[test]
fn the_resources_of_nested_components_count_once_for_each_instance() {
    let inspection = inspect_text(
        r#"(component
            (component $inner
                (core module $m (memory 1) (table 10 funcref)
                    (data (i32.const 0) "written") (data (i32.const 100) "too") (data "not yet"))
                (core instance (instantiate $m))
                (core instance (instantiate $m)))
            (core module $own (table 7 funcref) (table 500 funcref))
            (core instance (instantiate $own))
            (instance (instantiate $inner))
            (instance (instantiate $inner)))"#,
    );

    let resources = inspection.resources;
    assert_eq!(
        (
            resources.core_instances,
            resources.memories,
            resources.tables
        ),
        (5, 4, 6)
    );
    assert_eq!(resources.table_elements, 500);
}

#[test]
fn a_component_that_is_not_instantiated_takes_nothing() {
    let inspection = inspect_text(
        "(component (component (core module $m (memory 1)) (core instance (instantiate $m))))",
    );

    assert_eq!(inspection.resources.core_instances, 0);
}

#[test]
fn the_producers_of_inner_modules_are_named() {
    let inspection = inspect_text(
        r#"(component (core module (@producers (language "Rust" "") (processed-by "rustc" "1.95.0") (sdk "other" "1"))))"#,
    );

    assert_eq!(inspection.producers.language, ["Rust"]);
    assert_eq!(inspection.producers.processed_by, ["rustc 1.95.0"]);
}

#[test]
fn the_json_has_the_words_of_the_control_plane() {
    let json = serde_json::to_value(exporting("wasi:http/incoming-handler@0.2.0")).unwrap();

    assert_eq!(
        json,
        serde_json::json!({
            "kind": "component", "http": "0.2", "command": null, "profile": "sync",
            "imports": [], "exports": ["wasi:http/incoming-handler@0.2.0"],
            "producers": {"language": [], "processed-by": []},
            "resources": {"core_instances": 0, "memories": 0, "tables": 0, "table_elements": 0},
        })
    );
}

const SEED: &str = r#"(component
    (import "wasi:io/poll@0.2.0" (instance (export "pollable" (type (sub resource)))))
    (component $inner (core module $m (memory 1) (table 10 funcref)) (core instance (instantiate $m)))
    (instance $i (instantiate $inner))
    (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#;

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), component in any::<bool>()) {
        let mut wasm = if component { b"\0asm\x0d\0\x01\0".to_vec() } else { b"\0asm\x01\0\0\0".to_vec() };
        wasm.extend(bytes);
        let _ = inspect(&wasm);
    }

    #[test]
    fn no_damaged_component_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut wasm = wat::parse_str(SEED).unwrap();
        let at = at.index(wasm.len());
        wasm[at] = byte;
        let _ = inspect(&wasm);
        let _ = wisp_host::merge(&wasm);
    }
}
