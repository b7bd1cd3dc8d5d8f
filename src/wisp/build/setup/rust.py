"""Rust: wit-bindgen makes the types while the project is compiled; what is left is an implementation to begin with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wisp.build.setup.files import Plan
from wisp.build.setup.rust_types import Types, snake
from wisp.wit import read
from wisp.wit.model import Function, Interface

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wisp.build.worlds import World

WIT_BINDGEN: Final = "0.63"

MANIFEST: Final = """\
[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
{dependencies}

[profile.release]
opt-level = "s"
lto = true
codegen-units = 1
strip = true

[workspace]
"""

LIBRARY: Final = """\
//! What the world `{world}` exports. `generate!` makes the types of the folder `wit`.

wit_bindgen::generate!({{ world: "{short}", generate_all }});

{uses}struct Component;
{implementations}
export!(Component);
"""

SERVICE: Final = """\
//! A service that imports what the world `{world}` does. `generate!` makes functions and types of the folder `wit`.

use wasip2::http::types::{{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
}};

#[allow(dead_code)]
mod imports {{
    wit_bindgen::generate!({{ world: "{short}", generate_all }});
}}

struct Service;

wasip2::http::proxy::export!(Service);

impl wasip2::exports::http::incoming_handler::Guest for Service {{
    fn handle(_request: IncomingRequest, out: ResponseOutparam) {{
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(501).expect("501 is a status");
        let body = response.body().expect("a new response has a body");
        ResponseOutparam::set(out, Ok(response));
        OutgoingBody::finish(body, None).expect("nothing was promised");
    }}
}}
"""


def plan(folder: Path, world: World, _language: str) -> Plan:
    """Say what a project in Rust needs for its world."""
    short = world.name.partition("@")[0].rpartition("/")[2]
    text = _library(world, short) if world.is_library else SERVICE.format(world=world.name, short=short)
    name = re.sub(r"[^a-z0-9_-]", "-", folder.resolve().name.lower())
    manifest = MANIFEST.format(name=name, dependencies="\n".join(_dependencies(world, text)))
    begun = {"Cargo.toml": manifest, "src/lib.rs": text}
    begun = {file: text for file, text in begun.items() if not _is_elsewhere(folder, file)}
    return Plan(begun=begun, next=(*_needed(folder, world), "fill in the functions in src/lib.rs"))


def _is_elsewhere(folder: Path, file: str) -> bool:
    return file == "src/lib.rs" and (folder / "src" / "main.rs").is_file()


def _needed(folder: Path, world: World) -> Iterator[str]:
    """Say what a Cargo.toml that is there already lacks."""
    path = folder / "Cargo.toml"
    present = path.read_text(encoding="utf-8") if path.is_file() else None
    for line in _dependencies(world, ""):
        if present is not None and line.partition(" ")[0] not in present:
            yield f"add to the dependencies in Cargo.toml: {line}"
    if present is not None and "cdylib" not in present:
        yield 'add to Cargo.toml: [lib] crate-type = ["cdylib"]'


def _dependencies(world: World, text: str) -> Iterator[str]:
    features = '["macros", "async"]' if "async fn" in text or "wit_bindgen::rt" in text else '["macros"]'
    if not world.is_library:
        yield 'wasip2 = "2"'
    yield f'wit-bindgen = {{ version = "{WIT_BINDGEN}", default-features = false, features = {features} }}'


def _library(world: World, short: str) -> str:
    wit = read.read(world.path)
    exports = wit.worlds[short].exports
    types = Types(wit, wit.worlds[short])
    uses = [f"use {path};\n" for path in types.uses()]
    parts = [
        part for item in exports.values() if isinstance(item, Interface) for part in _interface(types, item)
    ]
    free = [item for item in exports.values() if isinstance(item, Function)]
    if free:
        parts.append(_block("impl Guest for Component", (_function(types, None, each) for each in free)))
    implementations = "".join(f"\n{part}\n" for part in parts)
    head = "".join(sorted(uses)) + ("\n" if uses else "")
    return LIBRARY.format(world=world.name, short=short, uses=head, implementations=implementations)


def _interface(types: Types, item: Interface) -> Iterator[str]:
    module = types.module(item.name)
    resources = [name for name, found in item.types.items() if found.kind == "resource"]
    free = [each for each in item.functions.values() if each.resource is None]
    own = [f"type {types.camel(name)} = {types.struct(item.name, name)};" for name in resources]
    if free or own:
        functions = (_function(types, item, each) for each in free)
        yield _block(f"impl {module}::Guest for Component", [*own, *functions])
    for name in resources:
        struct = types.struct(item.name, name)
        yield f"struct {struct};"
        methods = (each for each in item.functions.values() if each.resource == name)
        functions = (_function(types, item, each) for each in methods)
        yield _block(f"impl {module}::Guest{types.camel(name)} for {struct}", functions)


def _block(head: str, items: Iterable[str]) -> str:
    body = "\n\n".join(items)
    indented = "\n".join(f"    {line}" if line else "" for line in body.splitlines())
    return f"{head} {{\n{indented}\n}}" if body else f"{head} {{}}"


def _function(types: Types, interface: Interface | None, function: Function) -> str:
    given = function.parameters[1:] if function.kind == "method" else function.parameters
    parameters = [f"_{snake(each.name)}: {types.write(each.type, interface)}" for each in given]
    if function.kind == "method":
        parameters.insert(0, "&self")
    result = f" -> {types.write(function.result, interface)}" if function.result is not None else ""
    name = snake(function.item_name)
    if function.kind == "constructor":
        name = "new"
        result = result if result.startswith(" -> Result<") else " -> Self"
    word = "async fn" if function.is_async else "fn"
    return f"{word} {name}({', '.join(parameters)}){result} {{\n    todo!()\n}}"
