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


def imports(files: Iterable[Path]) -> tuple[str, ...]:
    """Return the interfaces of the host that these source files want, sorted."""
    found: set[str] = set()
    for path in files:
        text = path.read_bytes() if path.suffix == ".py" else b""
        if LIBRARY.encode() not in text and b"wit_world" not in text:
            continue
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue  # The guest's own Python is the judge of it.
        found.update(interface for name in _modules(tree) for interface in INTERFACES.get(name, ()))
    return tuple(sorted(found))


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
