"""The bindings of a Go project: packages of its own module, which go finds by way of an overlay.

    bindings/<package>/         types and functions of an interface
    bindings/wit_exports/       what the host calls; `main` imports it, for its effect only
    export_<package>/           the implementation of an exported interface: hand-written, but for `wit_bindings.go` in it

An overlay is go's own: a list of files that are to be read from elsewhere, and of files that are to be ignored.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from wisp.build import bindings
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.build.builder import BuildRequest
    from wisp.build.worlds import World

EXPORTS: Final = "wit_exports"
"""The package that `main` imports."""

_MODULE: Final = re.compile(r"^module\s+\"?([^\s\"]+)", re.MULTILINE)


def module(folder: Path) -> str:
    """Return the path of a project's module.

    Raises:
        BuildError: go.mod does not say it.

    """
    file = folder / "go.mod"
    try:
        found = _MODULE.search(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        message = f"go.mod cannot be read: {error}"
        raise BuildError(message, file=file) from error
    if found is None:
        message = "go.mod does not name the module"
        raise BuildError(message, file=file, hint="its first line is: module my-component")
    return found[1]


def generate(world: World, name: str, *, stubs: bool = False) -> Mapping[str, str]:
    """Return the text of each generated file, by its place in the project's folder.

    Args:
        world: The project's own.
        name: The path of its module.
        stubs: With a function for each export that says that it is not implemented.

    """
    made = bindings.generate(world, "go", module=name, stubs=stubs)
    if not world.is_library:
        made = {file: text for file, text in made.items() if not file.startswith(f"{EXPORTS}/")}
    return {_place(file): text for file, text in made.items()}


def overlay(world: World, request: BuildRequest) -> Path:
    """Write the bindings and the file that tells go of them, and return the latter."""
    # go's assembler wants to stand in the folder of its file, which may not be there; a guest needs none of these files.
    made = {
        name: text for name, text in generate(world, module(request.folder)).items() if name.endswith(".go")
    }
    folder = bindings.write(made, request.work / bindings.FOLDER)
    stale = (path for path in (request.folder / bindings.FOLDER).rglob("*") if path.is_file())
    replaced = {str(path): "" for path in stale}
    replaced |= {str(request.folder / name): str(folder / name) for name in made}
    path = request.work / "overlay.json"
    path.write_text(json.dumps({"Replace": replaced}), encoding="utf-8")
    return path


def hint(world: World, folder: Path) -> str | None:
    """Return what is to be done when the module does not have what its world asks for."""
    if not world.is_library:
        return None
    return f'main.go imports the exports for their effect: import _ "{module(folder)}/{bindings.FOLDER}/{EXPORTS}"'


def _place(file: str) -> str:
    return file if file.startswith("export_") else f"{bindings.FOLDER}/{file}"
