"""JavaScript and TypeScript: a module with a function for each export; for TypeScript also the types of imports and exports."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from wisp.build import bindings, guests, javascript
from wisp.build.setup.files import Plan
from wisp.wit import read, typescript
from wisp.wit.model import Function, Interface

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wisp.build.worlds import World
    from wisp.wit.model import Item, Wit

TYPES: Final = guests.FOLDER / "js" / "types" / "wisp-guest.d.ts"

SERVICE: Final = """\
import { Problem, serve } from "wisp-guest";

serve(() => {
  throw new Problem(501, "not implemented");
});
"""

TSCONFIG: Final = """\
{
  "compilerOptions": {
    "target": "es2023",
    "lib": ["es2023", "esnext.disposable"],
    "types": [],
    "module": "esnext",
    "moduleResolution": "bundler",
    "strict": true,
    "noEmit": true
  },
  "include": ["**/*.ts"]
}
"""


def plan(folder: Path, world: World, language: str) -> Plan:
    """Say what a project in JavaScript or TypeScript needs for its world."""
    wit = read.read(world.path)
    name = world.name.partition("@")[0].rpartition("/")[2]
    typed = language == "typescript"
    file = "app.ts" if typed else "app.js"
    lines = _library(world, wit, typed=typed) if world.is_library else _service(world, wit)
    begun = {file: "\n".join(lines) + "\n", **_package(folder, file, name)}
    if typed:
        begun["tsconfig.json"] = TSCONFIG
    if any((folder / entry).is_file() and entry != file for entry in javascript.ENTRIES):
        del begun[file]
    types = {f"{name}.d.ts": typescript.write(wit, wit.worlds[name])} if typed else {}
    if typed and not world.is_library:
        types[TYPES.name] = TYPES.read_text(encoding="utf-8")
    return Plan(
        generated={f"{bindings.FOLDER}/{path}": text for path, text in types.items()},
        begun=begun,
        next=(f"fill in the functions in {file}" if world.is_library else f"serve requests in {file}",),
    )


def _library(world: World, wit: Wit, *, typed: bool) -> list[str]:
    name = world.name.partition("@")[0].rpartition("/")[2]
    lines = [f"// What the world `{world.name}` exports.", *_imports(wit.worlds[name].imports)]
    for item in wit.worlds[name].exports.values():
        if isinstance(item, Interface):
            lines += ["", *_interface(item, typed=typed)]
        elif isinstance(item, Function):
            lines += ["", *_free(f"{wit.package.name.bare}/{name}", name, item, typed=typed)]
    return lines


def _service(world: World, wit: Wit) -> list[str]:
    name = world.name.partition("@")[0].rpartition("/")[2]
    head = f"// A service that imports what the world `{world.name}` does."
    return [head, *_imports(wit.worlds[name].imports), *SERVICE.splitlines()]


def _package(folder: Path, file: str, world: str) -> dict[str, str]:
    """Return the package.json of a project that has none."""
    name = re.sub(r"[^a-z0-9-]", "-", folder.resolve().name.lower())
    content = {"name": name, "version": "0.1.0", "private": True, "type": "module", "main": file}
    return {"package.json": json.dumps(content | {"wisp": {"world": world}}, indent=2) + "\n"}


def _imports(imports: Mapping[str, Item]) -> Iterator[str]:
    """Show, in a comment, how functions are imported."""
    for name, item in imports.items():
        if isinstance(item, Interface) and item.functions:
            yield f'// import {typescript.value_name(typescript.short(name))} from "{name}";'


def _interface(item: Interface, *, typed: bool) -> Iterator[str]:
    word = typescript.type_name(typescript.short(item.name))
    if typed:
        name = f"{word}Exports" if any(typescript.type_name(each) == word for each in item.types) else word
        yield f'import type {{ {name} }} from "{item.name}";'
        yield ""
        yield f"export const {typescript.exported_name(item.name)}: {name} = {{"
    else:
        yield f"export const {typescript.exported_name(item.name)} = {{"
    for function in item.functions.values():
        if function.resource is None:
            yield f"  {_signature(function)} {{"
            yield from ('    throw new Error("not implemented");', "  },")
    for name, definition in item.types.items():
        if definition.kind == "resource":
            yield f"  {typescript.type_name(name)}: class {{"
            yield from (f"    {line}" for line in _members(item, name, typed=typed))
            yield "  },"
    yield "};"


def _members(item: Interface, resource: str, *, typed: bool) -> Iterator[str]:
    for function in item.functions.values():
        if function.resource == resource:
            static = "static " if function.kind == "static" else ""
            yield f"{static}{_signature(function, typed=typed)} {{"
            yield from ('  throw new Error("not implemented");', "}")


def _signature(function: Function, *, typed: bool = False) -> str:
    given = function.parameters[1:] if function.kind == "method" else function.parameters
    kind = ": any" if typed else ""
    parameters = ", ".join(f"{typescript.parameter_name(each.name)}{kind}" for each in given)
    word = "async " if function.is_async else ""
    result = ": any" if typed and function.kind != "constructor" else ""
    return f"{word}{typescript.value_name(function.item_name)}({parameters}){result}"


def _free(module: str, world: str, function: Function, *, typed: bool) -> Iterator[str]:
    name = typescript.value_name(function.item_name)
    if typed:
        word = typescript.type_name(world)
        parameters = _signature(function).partition("(")[2]
        yield f'export const {name}: import("{module}").{word}["{name}"] = ({parameters} => {{'
        yield from ('  throw new Error("not implemented");', "};")
    else:
        yield f"export function {_signature(function)} {{"
        yield from ('  throw new Error("not implemented");', "}")
