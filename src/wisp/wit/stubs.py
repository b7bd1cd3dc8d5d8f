"""Types of a component for Python, as the text of a `.pyi`: so that mypy and editors know what can be called, and with what.

Of what the component exports, each interface is a class with its functions and types: the object that `instance[...]` gives. Of what
it imports there are protocols of the objects that a program passes as `imports`, with the types apart in `<Interface>Types`:
who implements an interface does not make its types, and a protocol may not have any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.wit.model import Function, Interface, Named
from wisp.wit.names import interface_name, type_name
from wisp.wit.python import Writer
from wisp.wit.structure import closed, used

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wisp.wit.model import Item, Wit, World

_HOST = "wasi:"
"""What begins so is the host's affair, and nobody implements it in Python."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to write."""

    name: str
    """The class of the component's instances: `Processor`."""

    title: str
    """What the types are of, for the first line."""

    sync: bool = False
    """Plain functions, for `wisp.sync`."""


def write(wit: Wit, world: World, options: Options) -> str:
    """Write the types of a component, or of a component that has a world.

    The order is that of the world; the same input gives the same text.
    """
    imports = {name: item for name, item in world.imports.items() if not name.startswith(_HOST)}
    classes = _classes(wit, world, imports)
    writer = Writer(wit, classes, sync=options.sync)
    body: list[str] = []
    for owner, name in classes.items():
        if owner in world.exports:
            body += _exported(writer, wit.interfaces.get(owner) or world.exports[owner], name)
        else:
            body += _types_only(writer, wit.interfaces.get(owner) or world.imports[owner], name)
    for name, item in imports.items():
        if isinstance(item, Interface) and item.functions:
            body += _imported(writer, item, _protocol(name, classes), classes.get(item.name, ""))
    body += _instance(writer, world, classes, options)
    body += _imports(imports, classes, options)
    head = f'"""Types of {options.title}, written by `wisp wit stubs`; do not edit."""\n\n'
    return head + writer.header() + "\n".join(body).rstrip("\n") + "\n"


def _classes(wit: Wit, world: World, imports: Mapping[str, Item]) -> dict[str, str]:
    """Name the class that holds an interface's types: for all exports, and for what they and other imports refer to."""
    functions = [*_functions(world.exports.values()), *_functions(imports.values())]
    owners = {name.owner for name in used(functions, wit)}
    owners |= {
        name.owner
        for item in world.exports.values()
        if isinstance(item, Interface)
        for name in closed((Named(item.name, word) for word in item.types), wit)
    }
    names: dict[str, str] = {}
    for owner, item in (*world.imports.items(), *world.exports.items()):
        if not isinstance(item, Interface) or not (owner in world.exports or owner in owners):
            continue
        word = interface_name(owner) + ("" if owner in world.exports else "Types")
        names[owner] = word if word not in names.values() else _longer(owner) + word
    return names


def _functions(items: Iterable[Item]) -> Iterator[Function]:
    for item in items:
        if isinstance(item, Function):
            yield item
        elif isinstance(item, Interface):
            yield from item.functions.values()


def _longer(owner: str) -> str:
    """Two interfaces of one name are told apart by their packages."""
    return type_name(owner.partition("/")[0].partition(":")[2])


def _protocol(name: str, classes: Mapping[str, str]) -> str:
    word = interface_name(name)
    return f"{word}Import" if word in classes.values() else word


def _exported(writer: Writer, item: Item, name: str) -> list[str]:
    if not isinstance(item, Interface):
        return []
    lines = [f"class {name}:", *writer.docs(item.docs or f"`{item.name}`.")]
    lines += writer.types(item, name)
    lines += writer.functions(item.functions.values())
    return [*lines, ""]


def _types_only(writer: Writer, item: Item, name: str) -> list[str]:
    if not isinstance(item, Interface) or not item.types:
        return []
    types = writer.types(item, name, implemented=not item.name.startswith(_HOST))
    return [f"class {name}:", *writer.docs(f"Types of `{item.name}`."), *types, ""]


def _imported(writer: Writer, item: Interface, name: str, types: str) -> list[str]:
    lines = [
        f"class {name}(Protocol):",
        *writer.docs(f"Implements `{item.name}`; methods may be `async def`."),
        *writer.makers(item, types),
    ]
    free = (function for function in item.functions.values() if function.resource is None)
    return [*lines, *writer.functions(free, implemented=True), ""]


def _instance(writer: Writer, world: World, classes: Mapping[str, str], options: Options) -> list[str]:
    names = [name for name, item in world.exports.items() if isinstance(item, Interface)]
    lines = [f"class {options.name}(Protocol):", *writer.docs(f"An instance of {options.title}.")]
    mark = ["    @overload"] if len(names) > 1 else []
    for name in names:
        lines += [*mark, f'    def __getitem__(self, name: Literal["{name}"], /) -> {classes[name]}: ...']
    lines += writer.functions(item for item in world.exports.values() if isinstance(item, Function))
    return [*lines, ""]


def _imports(imports: Mapping[str, Item], classes: Mapping[str, str], options: Options) -> list[str]:
    """Write the type of the mapping that a program passes as `imports`."""
    names = {
        name: _protocol(name, classes)
        for name, item in imports.items()
        if isinstance(item, Interface) and item.functions
    }
    if not names:
        return []
    fields = ", ".join(f'"{name}": {word}' for name, word in names.items())
    return [f'{options.name}Imports = TypedDict("{options.name}Imports", {{{fields}}})', ""]
