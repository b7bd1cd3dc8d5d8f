"""The world of a project that has one of its own: what it imports from other components, and exports to them.

It is described in WIT, in the project's folder `wit`, with what it depends on in `wit/deps`. A project without one serves HTTP, and
imports nothing from other components. A world that exports something makes a library of the project, which
others are linked to; one that only imports adds its imports to those of an HTTP service.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from wisp.build import guests
from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from wisp.build.guests import Service

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


def stage_service(
    world: World | None,
    target: Path,
    *,
    service: Service = guests.SERVICE_0_2,
    imports: Sequence[str] = (),
    exports: Sequence[str] = (),
) -> tuple[Path, str]:
    """Lay a world out that adds imports, and more exports, to those of an HTTP service.

    Args:
        world: The project's own, if it has one.
        target: A folder, which is made anew.
        service: The world of the service.
        imports: Interfaces of the host, without versions: `wasi:keyvalue/store`.
        exports: What hosts call, in the same form: `wisp:cron/handler`.

    Returns:
        The folder with the WIT, and the world's name.

    Raises:
        BuildError: the project has a package in place of the host's, and that has not these interfaces.

    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(service.wit / "deps", target / "deps")
    shutil.copytree(service.wit, target / "deps" / "wisp-guest", ignore=shutil.ignore_patterns("deps"))
    own = [] if world is None else [world.path / "deps"]
    lines = [
        f"include {service.world}@0.1.0;",
        *_full("import", imports, (service.wit / "deps", *own, guests.CAPABILITIES)),
        *_full("export", exports, (guests.CAPABILITIES,)),
    ]
    return _write(target, world, lines, (*own, *([guests.CAPABILITIES] if imports or exports else [])))


def stage_library(world: World, target: Path, *, imports: Sequence[str]) -> tuple[Path, str]:
    """Lay a world out that adds imports to those of a library, as `stage_service` does it."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "deps").mkdir(parents=True)
    # What it imports of the host is used by nothing that an HTTP service brings, so that comes last.
    folders = (world.path / "deps", guests.CAPABILITIES, guests.WIT_0_2 / "deps")
    return _write(target, world, [*_full("import", imports, folders)], folders)


def _full(
    verb: Literal["import", "export"], interfaces: Iterable[str], folders: Iterable[Path]
) -> Iterator[str]:
    """Say as WIT what is to be imported or exported; the first folder that has a package of the name decides its version."""
    files = [file for folder in folders for file in sorted(folder.rglob("*.wit"))]
    texts = {file: _text(file) for file in files} if interfaces else {}
    for interface in interfaces:
        package, _, name = interface.partition("/")
        found = (
            (file, version)
            for file in files
            for bare, version in _PACKAGE.findall(texts[file])
            if bare == package
        )
        file, version = next(found)
        if re.search(rf"\binterface\s+%?{name}\b", texts[file]) is None:
            message = (
                f"the project's own {package}{version} has no interface `{name}`, which wisp_guest calls"
            )
            hint = f"`wisp wit add {package}` puts the whole package into wit/deps"
            raise BuildError(message, file=file, hint=hint)
        yield f"{verb} {interface}{version};"


def _write(target: Path, world: World | None, lines: list[str], folders: Iterable[Path]) -> tuple[Path, str]:
    """Add packages of all these folders, and the world that has these lines, and includes the project's own."""
    if world is not None:
        shutil.copytree(world.path, target / "deps" / "own", ignore=shutil.ignore_patterns("deps"))
        lines.append(f"include {world.name};")
    for folder in folders:
        _add(target / "deps", folder.glob("*"))
    text = "".join(f"  {line}\n" for line in lines)
    name = "library" if world is not None and world.is_library else "service"
    (target / "world.wit").write_text(
        f"package wisp:project;\n\nworld {name} {{\n{text}}}\n", encoding="utf-8"
    )
    return target, f"wisp:project/{name}"


def _add(deps: Path, entries: Iterable[Path]) -> None:
    """Put packages into a folder, except those that are described there already."""
    present = {name for file in deps.rglob("*.wit") for name in _PACKAGE.findall(_text(file))}
    for entry in sorted(entries):
        files = sorted(entry.rglob("*.wit")) if entry.is_dir() else [entry]
        if not any(name in present for file in files for name in _PACKAGE.findall(_text(file))):
            (shutil.copytree if entry.is_dir() else shutil.copyfile)(entry, deps / entry.name)


def _found(interface: str, world: World | None) -> str:
    """Return the full name of an interface of the host: of the package that the project has of that name, else of ours."""
    package, _, name = interface.partition("/")
    own = [] if world is None else sorted((world.path / "deps").rglob("*.wit"))
    ours = [guests.CAPABILITIES / package.replace(":", "-") / "package.wit", *guests.WIT_0_2.rglob("*.wit")]
    for file in (*own, *ours):
        text = _text(file) if file.is_file() else ""
        version = next((found[1] for found in _PACKAGE.findall(text) if found[0] == package), None)
        if version is None:
            continue
        if file in ours or re.search(rf"\binterface\s+%?{name}\b", text):
            return f"{interface}{version}"
        message = f"the project's own {package}{version} has no interface `{name}`, which a module of wisp_guest needs"
        raise BuildError(
            message, file=file, hint=f"`wisp wit add {package}` puts the one into wit/deps that wisp has"
        )
    message = f"no package has the interface {interface}"
    raise BuildError(message)


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
