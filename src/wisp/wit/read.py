"""Makes the model of what the core says, which is wit-parser's own JSON: arenas of types, interfaces and packages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from wisp import native
from wisp.errors import WitError
from wisp.wit.model import (
    Compound,
    Definition,
    Function,
    Interface,
    Member,
    Named,
    Package,
    PackageName,
    Primitive,
    Wit,
    World,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wisp.wit.model import CompoundKind, FunctionKind, Item, Type


def read(path: Path) -> Wit:
    """Read a folder with WIT, a file with WIT, an encoded WIT package, or what a component is.

    Raises:
        WitError: it is none of these, or something in it is wrong; with the line and the column.

    """
    try:
        return loads(native.wit_read(path))
    except WitError as error:
        if path.is_file() and (path.parent / "deps").is_dir() and "not found" in error.message:
            hint = f"a file is read without the folder `deps` beside it; name the folder {path.parent}"
            raise WitError(
                error.message, hint=hint, path=error.path, line=error.line, column=error.column
            ) from error
        raise


def decode(wasm: bytes) -> Wit:
    """Read an encoded WIT package, or what a component is.

    Raises:
        WitError: it is neither.

    """
    return loads(native.wit_decode(wasm))


def loads(text: str) -> Wit:
    """Make the model of the core's JSON."""
    return _Reader(json.loads(text)).wit()


class _Reader:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        resolve = document["resolve"]
        self._types: list[dict[str, Any]] = resolve["types"]
        self._interfaces: list[dict[str, Any]] = resolve["interfaces"]
        self._worlds: list[dict[str, Any]] = resolve["worlds"]
        self._packages: list[dict[str, Any]] = resolve["packages"]
        self._names = [PackageName(*_package_name(package["name"])) for package in self._packages]
        self._inline = dict(self._inline_interfaces())

    def wit(self) -> Wit:
        packages = tuple(self._package(index) for index in range(len(self._packages)))
        main: int = self._document["package"]
        world: int | None = self._document["world"]
        named = [index for index, entry in enumerate(self._interfaces) if entry["name"] is not None]
        interfaces = [self._interface(index) for index in named]
        return Wit(
            package=packages[main],
            packages=packages,
            interfaces={interface.name: interface for interface in interfaces},
            worlds={name: self._world(index) for name, index in self._packages[main]["worlds"].items()},
            world=None if world is None else self._world(world),
            text=self._document["text"],
            definitions=dict(self._definitions()),
        )

    def _package(self, index: int) -> Package:
        entry = self._packages[index]
        return Package(
            name=self._names[index],
            interfaces=tuple(self._interface_name(number) for number in entry["interfaces"].values()),
            worlds=tuple(entry["worlds"]),
            text=self._document["texts"][str(self._names[index])],
        )

    def _inline_interfaces(self) -> Iterator[tuple[int, str]]:
        """Find the interfaces that have no name but their place in a world, and call them by it."""
        for world in self._worlds:
            for items in (world["imports"], world["exports"]):
                for key, item in items.items():
                    if "interface" in item and self._interfaces[item["interface"]["id"]]["name"] is None:
                        yield item["interface"]["id"], key

    def _interface_name(self, index: int) -> str:
        entry = self._interfaces[index]
        if entry["name"] is None:
            return self._inline.get(index, "")
        package = self._names[entry["package"]]
        version = f"@{package.version}" if package.version else ""
        return f"{package.bare}/{entry['name']}{version}"

    def _interface(self, index: int) -> Interface:
        entry = self._interfaces[index]
        return Interface(
            name=self._interface_name(index),
            types={name: self._definition(index) for name, index in entry["types"].items()},
            functions={name: self._function(function) for name, function in entry["functions"].items()},
            docs=_docs(entry),
        )

    def _world(self, index: int) -> World:
        entry = self._worlds[index]
        return World(
            name=entry["name"],
            imports=dict(self._item(key, item) for key, item in entry["imports"].items()),
            exports=dict(self._item(key, item) for key, item in entry["exports"].items()),
            docs=_docs(entry),
        )

    def _item(self, key: str, item: Mapping[str, Any]) -> tuple[str, Item]:
        if "interface" in item:
            interface = self._interface(item["interface"]["id"])
            return interface.name, interface
        if "function" in item:
            return key, self._function(item["function"])
        return key, self._definition(item["type"])

    def _function(self, entry: Mapping[str, Any]) -> Function:
        word, resource = entry["kind"], None
        if isinstance(word, dict):
            [(word, number)] = word.items()
            resource = self._types[number]["name"]
        return Function(
            name=entry["name"],
            kind=cast("FunctionKind", word.removeprefix("async-")),
            parameters=tuple(
                Member(parameter.get("name", ""), self._type(parameter["type"]))
                for parameter in entry["params"]
            ),
            result=self._optional(entry.get("result")),
            is_async=word.startswith("async-"),
            resource=resource,
            docs=_docs(entry),
        )

    def _definitions(self) -> Iterator[tuple[Named, Definition]]:
        for index, entry in enumerate(self._types):
            if entry["name"] is not None:
                yield self._named(entry), self._definition(index)

    def _definition(self, index: int) -> Definition:
        entry = self._types[index]
        name, docs = entry["name"], _docs(entry)
        if entry["kind"] == "resource":
            return Definition(name, "resource", docs=docs)
        [(kind, body)] = entry["kind"].items()
        if kind in {"record", "variant", "enum", "flags"}:
            [members] = body.values()
            return Definition(name, kind, tuple(map(self._member, members)), docs=docs)
        target = self._type(body) if kind == "type" else self._compound(kind, body)
        return Definition(name, "alias", target=target, docs=docs)

    def _member(self, entry: Mapping[str, Any]) -> Member:
        return Member(entry["name"], self._optional(entry.get("type")), _docs(entry))

    def _named(self, entry: Mapping[str, Any]) -> Named:
        [(kind, index)] = entry["owner"].items()
        owner = self._interface_name(index) if kind == "interface" else self._worlds[index]["name"]
        return Named(owner, entry["name"])

    def _optional(self, reference: str | int | None) -> Type | None:
        return None if reference is None else self._type(reference)

    def _type(self, reference: str | int) -> Type:
        if isinstance(reference, str):
            return Primitive(reference)
        entry = self._types[reference]
        if entry["name"] is not None:
            return self._named(entry)
        [(kind, body)] = entry["kind"].items()
        return self._type(body) if kind == "type" else self._compound(kind, body)

    def _compound(self, kind: str, body: Any) -> Compound:  # noqa: ANN401 - a piece of JSON
        if kind == "handle":
            [(word, reference)] = body.items()
            return Compound(word, (self._type(reference),))
        if kind == "tuple":
            return Compound("tuple", tuple(self._type(reference) for reference in body["types"]))
        if kind == "result":
            return Compound("result", (self._optional(body["ok"]), self._optional(body["err"])))
        if kind == "map":
            return Compound("map", tuple(self._type(reference) for reference in body))
        if kind == "fixed-length-list":
            return Compound("fixed-length-list", (self._type(body[0]),), length=body[1])
        return Compound(cast("CompoundKind", kind), (self._optional(body),))


def _package_name(text: str) -> tuple[str, str, str | None]:
    bare, _, version = text.partition("@")
    namespace, _, name = bare.partition(":")
    return namespace, name, version or None


def _docs(entry: Mapping[str, Any]) -> str:
    docs = entry.get("docs")
    return "" if not docs else docs["contents"] or ""
