"""What a Python project imports of the host, by the modules of the guest library that its sources import.

A component imports what its world says, used or not: componentize-py leaves nothing out. So the world is made to measure, of
the statements `import wisp_guest.keyvalue` and the like in the project's own modules, wherever in them they stand.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

LIBRARY: Final = "wisp_guest"

INTERFACES: Final = {
    "wisp_guest.blobstore": ("wasi:blobstore/blobstore", "wasi:blobstore/container", "wasi:blobstore/types"),
    "wisp_guest.client": ("wasi:http/outgoing-handler",),
    "wisp_guest.config": ("wasi:config/store",),
    "wisp_guest.keyvalue": (
        "wasi:keyvalue/store",
        "wasi:keyvalue/atomics",
        "wasi:keyvalue/batch",
        "wisp:keyvalue/extension",
    ),
    "wisp_guest.logs": ("wasi:logging/logging",),
    "wisp_guest.messaging": ("wisp:messaging/producer",),
    "wisp_guest.sqlite": ("wisp:sqlite/sqlite",),
    # For those who use the bindings themselves.
    "wit_world.imports.outgoing_handler": ("wasi:http/outgoing-handler",),
}
"""The interfaces that each module calls."""


EXPORTS: Final = {
    "wisp_guest.cron": "wisp:cron/handler",
    "wisp_guest.inbox": "wisp:messaging/consumer",
}
"""The interfaces that hosts call, by the module that makes a handler of them."""

_HTTP: Final = ("wisp_guest.http", "wisp_guest.http.serve")


def exports(files: Iterable[Path]) -> tuple[tuple[str, ...], bool]:
    """Return the interfaces that these source files export beside HTTP, sorted, and whether they serve that."""
    trees = [(path, tree) for path in files if (tree := _parsed(path)) is not None]
    names = {name for _, tree in trees for name in _modules(tree)}
    found = tuple(sorted(interface for module, interface in EXPORTS.items() if module in names))
    # A class with this name is a handler too, as componentize-py's documentation shows it.
    own = any(b"IncomingHandler" in path.read_bytes() for path, _ in trees)
    return found, not found or own or not names.isdisjoint(_HTTP)


def imports(files: Iterable[Path]) -> tuple[str, ...]:
    """Return the interfaces of the host that these source files want, sorted."""
    found: set[str] = set()
    for path in files:
        tree = _parsed(path)
        if tree is None:
            continue
        found.update(interface for name in _modules(tree) for interface in INTERFACES.get(name, ()))
    return tuple(sorted(found))


def _parsed(path: Path) -> ast.Module | None:
    """Read a source file that may import something of the host."""
    text = path.read_bytes() if path.suffix == ".py" else b""
    if LIBRARY.encode() not in text and b"wit_world" not in text and b"IncomingHandler" not in text:
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None  # The guest's own Python is the judge of it.


def _modules(node: ast.AST) -> Iterator[str]:
    """Return what is imported, and each name that is imported from something: that may be a module too."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
        yield from (name for inner in node.orelse for name in _modules(inner))
    else:
        yield from (name for inner in ast.iter_child_nodes(node) for name in _modules(inner))
