"""The world of a project that has one of its own: what it imports from other components, and exports to them.

It is described in WIT, in the project's folder `wit`, with what it depends on in `wit/deps`. A project without one serves HTTP, and
imports nothing from other components. A world that exports something makes a library of the project, which
others are linked to; one that only imports adds its imports to those of an HTTP service.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.build import guests
from wisp.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = "wit"
"""Where a project describes its world."""

_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_PACKAGE: Final = re.compile(r"\bpackage\s+([a-z][\w:-]*)(@[\w.+-]+)?\s*;")
_WORLD: Final = re.compile(r"\bworld\s+%?([a-z][a-z0-9-]*)\s*\{")


@dataclass(frozen=True, slots=True)
class World:
    """A world in a project's folder."""

    path: Path
    """The folder with the WIT."""

    name: str
    """Its name with the package: `cyber:gateway/gateway`."""

    is_library: bool
    """It exports something, so the project is no HTTP service but a library for other components."""

    packages: tuple[str, ...]
    """The packages that the folder describes, with all it depends on."""


def find(folder: Path, *, named: str | None = None) -> World | None:
    """Return the world of a project; None if it has none of its own.

    Args:
        folder: The project.
        named: The world that the project's settings name; not needed when there is only one.

    Raises:
        BuildError: there are several and none is named, or there is no such world.

    """
    path = folder / FOLDER
    texts = {file: _text(file) for file in sorted(path.glob("*.wit"))}
    if not texts:
        if named is None:
            return None
        message = f"the settings name the world `{named}`, and there is no WIT in the folder {FOLDER}"
        raise BuildError(message, file=folder)
    package = next((found[0] for text in texts.values() for found in _PACKAGE.findall(text)), "")
    worlds = {match[1]: (text, match.end()) for text in texts.values() for match in _WORLD.finditer(text)}
    name = _chosen(path, sorted(worlds), named)
    version = next((found[1] for text in texts.values() for found in _PACKAGE.findall(text)), "")
    text, begin = worlds[name]
    deps = (_text(file) for file in sorted((path / "deps").rglob("*.wit")))
    packages = {found[0] for each in (*texts.values(), *deps) for found in _PACKAGE.findall(each)}
    return World(
        path=path,
        name=f"{package}/{name}{version}",
        is_library=re.search(r"\bexport\b", _block(text, begin)) is not None,
        packages=tuple(sorted(packages)),
    )


def names(folder: Path) -> tuple[str, ...]:
    """Return the names of the worlds that a project's WIT has."""
    texts = (_text(file) for file in sorted((folder / FOLDER).glob("*.wit")))
    return tuple(sorted(match[1] for text in texts for match in _WORLD.finditer(text)))


def stage_service(world: World, target: Path) -> tuple[Path, str]:
    """Lay a world out that adds the imports of a project's own to those of an HTTP service.

    Args:
        world: The project's own.
        target: A folder, which is made anew.

    Returns:
        The folder with the WIT, and the world's name.

    """
    shutil.rmtree(target, ignore_errors=True)
    deps = target / "deps"
    shutil.copytree(guests.WIT_0_2 / "deps", deps)
    shutil.copytree(guests.WIT_0_2, deps / "wisp-guest", ignore=shutil.ignore_patterns("deps"))
    shutil.copytree(world.path, deps / "own", ignore=shutil.ignore_patterns("deps"))
    present = {name for file in deps.rglob("*.wit") for name in _PACKAGE.findall(_text(file))}
    for entry in sorted((world.path / "deps").glob("*")):
        files = sorted(entry.rglob("*.wit")) if entry.is_dir() else [entry]
        # What a service brings itself is not described twice.
        if not any(name in present for file in files for name in _PACKAGE.findall(_text(file))):
            (shutil.copytree if entry.is_dir() else shutil.copyfile)(entry, deps / entry.name)
    text = f"package wisp:project;\n\nworld service {{\n  include {guests.WORLD}@0.1.0;\n  include {world.name};\n}}\n"
    (target / "world.wit").write_text(text, encoding="utf-8")
    return target, "wisp:project/service"


def _chosen(path: Path, worlds: list[str], named: str | None) -> str:
    if named is not None and named in worlds:
        return named
    if named is None and len(worlds) == 1:
        return worlds[0]
    if not worlds:
        message = f"the WIT in the folder {FOLDER} has no world"
        raise BuildError(message, file=path, hint="write one: world my-component { import ...; export ...; }")
    listed = ", ".join(worlds)
    if named is not None:
        message = f"the WIT in the folder {FOLDER} has no world `{named}`"
        raise BuildError(message, file=path, hint=f"it has {listed}")
    message = f"the WIT in the folder {FOLDER} has several worlds: {listed}"
    hint = "name the one that is meant in the project's settings, with the key `world` of wisp"
    raise BuildError(message, file=path, hint=hint)


def _text(file: Path) -> str:
    try:
        return _COMMENT.sub(" ", file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file.name} cannot be read: {error}"
        raise BuildError(message, file=file) from error


def _block(text: str, begin: int) -> str:
    """Return what stands between a brace that was opened before `begin` and the one that closes it."""
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at]
    return text[begin:]
