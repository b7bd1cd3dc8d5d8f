"""What packages a component was built from, as the lock files of its language say it.

A lock file is looked for in the component's folder and above it, up to the folder of the manifest: a workspace has one for all. Of
`Cargo.lock` only what the component's own crate reaches is taken. Where a file cannot be read, that is said and the rest goes on.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_MOST_SIZE: Final = 64 * 2**20
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?\s*==\s*([^\s;\\#]+)")
_MODULE: Final = "node_modules/"
_FIELDS_OF_GO: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A package that somebody else publishes."""

    kind: str
    """Of its registry, in the words of package URLs: cargo, npm, pypi, golang."""

    name: str
    version: str
    digest: str = ""
    """`SHA-256:<hex>`, where the lock file has one for the whole package."""

    @property
    def url(self) -> str:
        """The package URL."""
        return f"pkg:{self.kind}/{quote(self.name, safe='/')}@{quote(self.version, safe='')}"


class Packages:
    """The packages of components, each lock file read once."""

    def __init__(self, top: Path, complain: Callable[[str], None]) -> None:
        """Look for lock files up to the folder `top`; what cannot be read is told."""
        self._top = top.resolve()
        self._complain = complain

    def of(self, folder: Path) -> tuple[Package, ...]:
        """Return the packages that the component in a folder was built from."""
        found: set[Package] = set()
        for name, read in _READERS.items():
            if (path := self._nearest(folder.resolve(), name)) is not None:
                found.update(self._read(path, folder, read))
        return tuple(sorted(found))

    def _nearest(self, folder: Path, name: str) -> Path | None:
        for above in (folder, *folder.parents):
            if (above / name).is_file():
                return above / name
            if above == self._top or self._top not in above.parents:
                break
        return None

    def _read(
        self, path: Path, folder: Path, read: Callable[[str, Path], Iterator[Package]]
    ) -> list[Package]:
        try:
            if path.stat().st_size > _MOST_SIZE:
                raise ValueError("too large")  # noqa: TRY301 - all of it is said in one way
            return list(read(path.read_text(encoding="utf-8"), folder))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            self._complain(f"{path.name} cannot be read ({error}): its packages are not in the list")
            return []


def _cargo(text: str, folder: Path) -> Iterator[Package]:
    packages = tomllib.loads(text)["package"]
    for package in _reached(packages, _crate(folder)):
        if "source" in package:  # else it is a crate of this workspace
            checksum = package.get("checksum")
            yield Package(
                "cargo", package["name"], package["version"], f"SHA-256:{checksum}" if checksum else ""
            )


def _crate(folder: Path) -> str | None:
    path = folder / "Cargo.toml"
    if not path.is_file():
        return None
    name: str | None = tomllib.loads(path.read_text(encoding="utf-8")).get("package", {}).get("name")
    return name


def _reached(packages: list[Mapping[str, Any]], crate: str | None) -> Iterable[Mapping[str, Any]]:
    """Return the crates that one needs, directly or not; all of them if nobody knows which one it is."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    if crate not in by_name:
        return packages
    reached: dict[tuple[str, str], Mapping[str, Any]] = {}
    waiting = list(by_name[crate])
    while waiting:
        package = waiting.pop()
        key = (package["name"], package["version"])
        if key not in reached:
            reached[key] = package
            for dependency in package.get("dependencies", ()):
                name, _, version = dependency.partition(" ")
                version = version.partition(" ")[0]
                waiting += [one for one in by_name.get(name, ()) if version in {"", one["version"]}]
    return reached.values()


def _npm(text: str, _: Path) -> Iterator[Package]:
    for place, package in json.loads(text)["packages"].items():
        if _MODULE not in place or package.get("dev") or package.get("link"):
            continue
        name = package.get("name") or place.rpartition(_MODULE)[2]
        algorithm, _dash, content = package.get("integrity", "").partition("-")
        known = f"SHA-512:{base64.b64decode(content).hex()}" if algorithm == "sha512" else ""
        yield Package("npm", name, package["version"], known)


def _uv(text: str, _: Path) -> Iterator[Package]:
    for package in tomllib.loads(text).get("package", ()):
        if "registry" in package.get("source", {}):
            yield Package("pypi", _normal(package["name"]), package["version"])


def _requirements(text: str, _: Path) -> Iterator[Package]:
    for line in text.splitlines():
        if found := _REQUIREMENT.match(line.strip()):
            yield Package("pypi", _normal(found[1]), found[2])


def _go(text: str, _: Path) -> Iterator[Package]:
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == _FIELDS_OF_GO and not fields[1].endswith("/go.mod"):
            yield Package("golang", fields[0], fields[1])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


_READERS: Final[dict[str, Callable[[str, Path], Iterator[Package]]]] = {
    "Cargo.lock": _cargo,
    "package-lock.json": _npm,
    "uv.lock": _uv,
    "requirements.txt": _requirements,
    "go.sum": _go,
}
