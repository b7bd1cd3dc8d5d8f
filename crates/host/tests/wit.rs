//! WIT: what is wrong with it is told with its place, and what fits is what the validator accepts.

#![allow(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wisp_host::wit::{Wit, WitError, check, try_link, try_world};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn wit(&self, text: &str) -> Wit {
        read(&self.file("package.wit", text)).unwrap()
    }
}

fn read(path: &Path) -> Result<Wit, WitError> {
    Wit::read(path)
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn a_syntax_error_has_its_place() {
    let folder = Folder::new();
    let path = folder.file("wrong.wit", "package a:b;\ninterface c {\n  f func();\n}\n");

    let error = read(&path).unwrap_err();

    assert_eq!(
        (error.path, error.line, error.column),
        (Some(path), Some(3), Some(5))
    );
}

#[test]
fn a_core_module_has_no_wit() {
    let error = Wit::decode(b"\0asm\x01\0\0\0").unwrap_err();

    assert!(error.message.contains("core WebAssembly module"));
    assert!(error.hint.is_some());
}

#[test]
fn an_exporter_with_more_functions_links_and_one_with_fewer_does_not() {
    let folder = Folder::new();
    let less = folder.wit("package a:b@0.1.0; interface c { f: func(); }");
    let more = folder.wit("package a:b@0.1.1; interface c { f: func(); g: func(); }");

    try_link(&more, &less).unwrap();
    let error = try_link(&less, &more).unwrap_err();

    assert_eq!(
        error.message,
        "a:b/c is not the same in importer and in exporter: instance is missing expected function export `g`"
    );
}

#[test]
fn names_that_are_keywords_can_be_tried() {
    let folder = Folder::new();
    let wit = folder.wit("package %interface:%world; interface %stream { %list: func(); }");

    try_link(&wit, &wit).unwrap();
}

#[test]
fn an_interface_that_uses_another_package_can_be_tried() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.path().join("deps")).unwrap();
    folder.file(
        "deps/io.wit",
        "package dep:io@0.2.0; interface streams { resource input { read: func() -> u8; } }",
    );
    folder.file(
        "main.wit",
        "package a:b; interface c { use dep:io/streams@0.2.0.{input}; f: func(it: borrow<input>); }",
    );
    let wit = read(folder.0.path()).unwrap();

    try_link(&wit, &wit).unwrap();
}

#[test]
fn an_exporter_may_need_of_another_package_what_the_importer_does_not() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.path().join("deps")).unwrap();
    folder.file(
        "deps/io.wit",
        "package dep:io@0.2.0; interface types { record packet { id: u8 } }",
    );
    folder.file(
        "main.wit",
        "package a:b; interface c { use dep:io/types@0.2.0.{packet}; f: func(); }",
    );
    let wit = read(folder.0.path()).unwrap();

    try_link(&wit, &wit).unwrap();
}

#[test]
fn a_component_may_import_less_than_its_world_and_must_export_as_much() {
    let folder = Folder::new();
    let imports = "package a:b; interface c { f: func(); } world w { import c; }";
    let exports = "package a:b; interface c { f: func(); } world w { export c; }";
    let (imports, exports) = (folder.wit(imports), folder.wit(exports));

    check(COMPONENT, &imports, "w").unwrap();
    check(COMPONENT, &exports, "w").unwrap_err();
    try_world(&exports, &imports, "w").unwrap();
    try_world(&imports, &exports, "w").unwrap_err();
}
