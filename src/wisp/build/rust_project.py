"""Which files decide what cargo makes of a package.

Asking cargo (`cargo metadata`) takes longer than a whole start of an app may, so its manifests are read here: the
package's own, those of its path dependencies, and the workspace's. What cannot be read is left to cargo to complain
about.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from wisp.build import inputs as input_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Table = dict[str, Any]
DEPENDENCIES = ("dependencies", "build-dependencies")


def inputs(folder: Path) -> list[Path]:
    """Return the files of a package, of its path dependencies, and cargo's settings above them."""
    packages = _packages(folder)
    files = {path for package in packages for path in input_files.source_files(package)}
    for parent in (folder, *folder.parents):
        names = (".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain")
        files.update(path for name in names if (path := parent / name).is_file())
    root = _workspace(folder)
    files.update(path for name in ("Cargo.toml", "Cargo.lock") if (path := root / name).is_file())
    return sorted(files)


def _packages(folder: Path) -> set[Path]:
    """Return the folders of a package and of all that it depends on by path."""
    found: set[Path] = set()
    waiting = [folder.resolve()]
    while waiting:
        package = waiting.pop()
        if package not in found and (package / "Cargo.toml").is_file():
            found.add(package)
            waiting.extend(_path_dependencies(package))
    # A package inside another's folder is walked with it.
    return {package for package in found if not any(parent in found for parent in package.parents)}


def _path_dependencies(package: Path) -> Iterator[Path]:
    manifest = _read(package / "Cargo.toml")
    root = _workspace(package)
    workspace = _read(root / "Cargo.toml")
    shared = _table(_table(workspace, "workspace"), "dependencies")
    tables = [manifest, *(each for each in _table(manifest, "target").values() if isinstance(each, dict))]
    for table in tables:
        for kind in DEPENDENCIES:
            for name, dependency in _table(table, kind).items():
                yield from _path(package, dependency)
                if isinstance(dependency, dict) and dependency.get("workspace") is True:
                    yield from _path(root, shared.get(name))
    for source in _table(workspace, "patch").values():
        for dependency in source.values() if isinstance(source, dict) else ():
            yield from _path(root, dependency)


def _path(base: Path, dependency: object) -> Iterator[Path]:
    if isinstance(dependency, dict) and isinstance(path := dependency.get("path"), str):
        yield (base / path).resolve()


def _workspace(package: Path) -> Path:
    """Return the root of the workspace, which is the package itself when there is none above."""
    named = _table(_read(package / "Cargo.toml"), "package").get("workspace")
    if isinstance(named, str):
        return (package / named).resolve()
    for parent in (package, *package.parents):
        if "workspace" in _read(parent / "Cargo.toml"):
            return parent
    return package


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _table(table: Table, name: str) -> Table:
    value = table.get(name)
    return value if isinstance(value, dict) else {}
