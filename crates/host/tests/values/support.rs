//! Guests for tests of values: real components whose core code is made for each type.

use std::fmt::Write;

use wasmtime::component::{Component, Func, Instance};
use wasmtime::{Config, Engine, Store};
use wisp_host::value::Type;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;
use wit_parser::abi::{AbiVariant, WasmType};

/// Memory, and an allocator that never frees.
pub(crate) const MEMORY: &str = r#"
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 1024))
    (func $allocate (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
        (local $place i32)
        (local.set $place (i32.and
            (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (global.set $next (i32.add (local.get $place) (local.get $new)))
        (block $enough
            (loop $more
                (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                (drop (memory.grow (i32.const 16)))
                (br $more)))
        (memory.copy (local.get $place) (local.get $old)
            (select (local.get $size) (local.get $new) (i32.lt_u (local.get $size) (local.get $new))))
        (local.get $place))
"#;

/// An engine as for WASI 0.2, or one with component-model-async.
pub(crate) fn engine(concurrent: bool) -> Engine {
    let mut config = Config::new();
    config
        .wasm_component_model_async(concurrent)
        .concurrency_support(concurrent);
    Engine::new(&config).unwrap()
}

/// A component with this WIT, whose core module is this text.
pub(crate) fn component(wit: &str, core: &str, encoding: StringEncoding) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    let mut module = wat::parse_str(core).unwrap_or_else(|error| panic!("{error}\n{core}"));
    embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}

/// Definitions of the named types, and the types themselves as WIT writes them.
#[derive(Default)]
struct Wit {
    definitions: String,
    count: usize,
}

impl Wit {
    fn define(&mut self, keyword: &str, parts: &str) -> String {
        let name = format!("t{}", self.count);
        self.count += 1;
        writeln!(self.definitions, "{keyword} {name} {{ {parts} }}").unwrap();
        name
    }

    fn write(&mut self, ty: &Type) -> String {
        match ty {
            Type::List(element) => format!("list<{}>", self.write(element)),
            Type::Option(some) => format!("option<{}>", self.write(some)),
            Type::Tuple(members) => {
                let members: Vec<_> = members.iter().map(|ty| self.write(ty)).collect();
                format!("tuple<{}>", members.join(", "))
            }
            Type::Result(ok, err) => match (ok, err) {
                (None, None) => "result".into(),
                (Some(ok), None) => format!("result<{}>", self.write(ok)),
                (None, Some(err)) => format!("result<_, {}>", self.write(err)),
                (Some(ok), Some(err)) => {
                    let ok = self.write(ok);
                    format!("result<{ok}, {}>", self.write(err))
                }
            },
            Type::Record(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, ty)| format!("{name}: {}", self.write(ty)))
                    .collect();
                self.define("record", &fields.join(", "))
            }
            Type::Variant(cases) => {
                let cases: Vec<_> = cases
                    .iter()
                    .map(|(name, ty)| match ty {
                        Some(ty) => format!("{name}({})", self.write(ty)),
                        None => name.to_string(),
                    })
                    .collect();
                self.define("variant", &cases.join(", "))
            }
            Type::Enum(names) => self.define("enum", &names.join(", ")),
            Type::Flags(names) => self.define("flags", &names.join(", ")),
            other => other.to_string(),
        }
    }
}

fn core_type(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        _ => "i32",
    }
}

fn core_types(types: &[WasmType]) -> String {
    types
        .iter()
        .fold(String::new(), |text, ty| text + " " + core_type(*ty))
}

/// A guest that hands on what its `echo` is called with to the `echo` that it imports, and gives back what that gives.
pub(crate) fn echo(
    parameters: &[Type],
    result: Option<&Type>,
    encoding: StringEncoding,
) -> Vec<u8> {
    let mut wit = Wit::default();
    let parameters: Vec<_> = parameters
        .iter()
        .enumerate()
        .map(|(index, ty)| format!("p{index}: {}", wit.write(ty)))
        .collect();
    let result = result.map_or_else(String::new, |ty| format!(" -> {}", wit.write(ty)));
    let names: Vec<_> = (0..wit.count).map(|index| format!("t{index}")).collect();
    let uses = if names.is_empty() {
        String::new()
    } else {
        format!("use types.{{{}}};", names.join(", "))
    };
    let text = format!(
        "package test:echo;
         interface types {{ {} }}
         interface echo {{ {uses} echo: func({}){result}; }}
         world guest {{ import echo; export echo; }}",
        wit.definitions,
        parameters.join(", ")
    );
    let core = echo_core(&text);
    component(&text, &core, encoding)
}

fn echo_core(wit: &str) -> String {
    let mut resolve = Resolve::default();
    resolve.push_str("test.wit", wit).unwrap();
    let echo = resolve
        .interfaces
        .iter()
        .find_map(|(_, interface)| interface.functions.get("echo"))
        .unwrap();
    let import = resolve.wasm_signature(AbiVariant::GuestImport, echo);
    let export = resolve.wasm_signature(AbiVariant::GuestExport, echo);
    let mut arguments = String::new();
    for index in 0..export.params.len() {
        write!(arguments, " (local.get {index})").unwrap();
    }
    let body = if import.retptr {
        // Room for any result of these tests.
        format!(
            "(local $place i32)
             (local.set $place (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 4096)))
             (call $echo {arguments} (local.get $place)) (local.get $place)"
        )
    } else {
        format!("(call $echo {arguments})")
    };
    let results = |types: &[WasmType]| match types {
        [] => String::new(),
        types => format!("(result {})", core_types(types)),
    };
    format!(
        r#"(module
            (import "test:echo/echo" "echo" (func $echo (param {}) {}))
            {MEMORY}
            (func (export "test:echo/echo#echo") (param {}) {} {body}))"#,
        core_types(&import.params),
        results(&import.results),
        core_types(&export.params),
        results(&export.results),
    )
}

/// The function `name` of the instance `interface` that a component exports.
pub(crate) fn function<T>(
    store: &mut Store<T>,
    instance: &Instance,
    interface: &str,
    name: &str,
) -> Func {
    let interface = instance
        .get_export_index(&mut *store, None, interface)
        .unwrap();
    let name = instance
        .get_export_index(&mut *store, Some(&interface), name)
        .unwrap();
    instance.get_func(&mut *store, name).unwrap()
}

/// The type of the function `name` of the instance `interface` that a component imports.
pub(crate) fn import(
    component: &Component,
    interface: &str,
    name: &str,
) -> wasmtime::component::types::ComponentFunc {
    use wasmtime::component::types::ComponentItem;
    let engine = component.engine();
    let Some(ComponentItem::ComponentInstance(instance)) = component
        .component_type()
        .get_import(engine, interface)
        .map(|item| item.ty)
    else {
        panic!("no import {interface}");
    };
    match instance.get_export(engine, name).map(|item| item.ty) {
        Some(ComponentItem::ComponentFunc(function)) => function,
        _ => panic!("no function {name}"),
    }
}
