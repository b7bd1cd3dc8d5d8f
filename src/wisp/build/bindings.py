"""The bindings of a project in C or Go to the world of its own, for the languages whose tools do not bring any.

A build makes them anew, in its work folder, from what the project's folder `wit` says then: they cannot be out of date. Those
that `wisp wit init` writes to the project's folder `bindings` are for its editor, and no build looks at them.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, Literal

from wisp.build import guests, worlds
from wisp.errors import BuildError, ComponentError, WitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.build.builder import BuildRequest
    from wisp.build.worlds import World

FOLDER: Final = "bindings"
"""Where `wisp wit init` puts generated files, in the project."""


def generate(
    world: World, language: Literal["c", "go"], *, module: str = "", stubs: bool = False
) -> Mapping[str, str]:
    """Return the text of each generated file, by its name.

    Args:
        world: The project's own.
        language: What they are written in.
        module: For Go, the path of the project's module.
        stubs: For Go, with a function for each export that says that it is not implemented.

    Raises:
        BuildError: the WIT is wrong, or has what the language cannot do.

    """
    from wisp import native  # noqa: PLC0415 - not needed when nothing is built

    wanted = native.Binding(language, wit=world.path, world=world.name, module=module, stubs=stubs)
    try:
        return native.bindings(wanted)
    except WitError as error:
        file = error.path or world.path
        raise BuildError(error.message, hint=error.hint, file=file, line=error.line) from error


def write(files: Mapping[str, str], folder: Path) -> Path:
    """Write generated files into a folder, which is made anew, and return it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def ignored(folder: Path) -> tuple[str, ...]:
    """Return the names that a build of this project does not look at, because it makes them itself."""
    return (FOLDER,) if (folder / worlds.FOLDER).is_dir() else ()


def encode(world: World, core: Path, request: BuildRequest) -> None:
    """Make a component of a preview-1 module with this world, and write it to `request.output`.

    Raises:
        BuildError: the module does not fit the world.

    """
    path, name = (
        (world.path, world.name) if world.is_library else worlds.stage_service(world, request.work / "wit")
    )
    try:
        guests.write_component(core, request, wit=path, world=name)
    except ComponentError as error:
        message = f"the module does not fit the world {world.name}: {error.message}"
        raise BuildError(message, component=request.component, file=world.path) from error
