"""The packages that a WIT folder is made with: put into `deps`, pinned in `wit.lock`, had again from where they came.

What is in `deps` decides, not the source: a source is read when a package is added, updated, or missing. So nothing
is fetched when the lock is complete, and a source that has changed is noticed by `update` only.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from wisp.errors import WitError
from wisp.manifest import files
from wisp.wit import diff, read, shipped
from wisp.wit.lock import FILE_NAME, Pin, digest, dumps, read_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wisp.wit.model import Package, Wit

Fetch: TypeAlias = "Callable[[str, str], Path]"
"""Gets a file from an address, with a digest that it must have."""

_PACKAGE: Final = re.compile(
    r"^\s*package\s+([a-z0-9%-]+(?::[a-z0-9%-]+)+(?:@[0-9A-Za-z.+-]+)?)\s*;", re.MULTILINE
)
_REFERENCE: Final = re.compile(
    r"%?([a-z][a-z0-9-]*:[a-z][a-z0-9-]*)/[a-z0-9-]+(?:@([0-9A-Za-z+-]+(?:\.[0-9A-Za-z+-]+)*))?"
)
_ANONYMOUS: Final = "root:component"
"""wit-parser's name for the package that a component does not have."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from: an address with a digest, a path, or the name of one that wisp has."""

    place: str
    fetched: str | None = None

    @property
    def remote(self) -> bool:
        """Whether it has to be fetched."""
        return "://" in self.place


@dataclass(frozen=True, slots=True)
class Event:
    """What was done with one package."""

    name: str
    verb: str
    """`added`, `kept`, `replaced`, `restored`, `pinned`, `removed`."""

    before: str | None = None
    """The name that was there before."""


class Dependencies:
    """The folder `deps` of a WIT folder, and its lock file."""

    def __init__(self, folder: Path, fetch: Fetch) -> None:
        self._folder = folder
        self._deps = folder / "deps"
        self._fetch = fetch
        self._pins = list(read_lock(folder).package)

    def add(self, sources: Iterable[Source]) -> list[Event]:
        """Put the packages of sources into `deps`, with those that they refer to, and pin them.

        Raises:
            WitError: a source has no packages, or one that contradicts what is there.

        """
        events = self._adopt()
        for source in sources:
            events += [
                self._put(package, wit, source) for wit in [self._read(source)] for package in _packages(wit)
            ]
        self._write()
        return events

    def lock(self, *, check: bool = False) -> list[Event]:
        """Make `deps` and the lock file agree: have again what is missing, pin what is new, refuse what was changed.

        Args:
            check: Change nothing.

        Raises:
            WitError: they disagree in a way that only a person can resolve; or they disagree, with `check`.

        """
        missing = [pin for pin in self._pins if not (self._deps / pin.path).exists()]
        for pin in self._pins:
            if pin not in missing and digest(self._deps / pin.path) != pin.digest:
                raise self._changed(pin)
        found = [name for name, _ in self._unpinned()]
        if check and (missing or found):
            words = [
                *(f"{pin.name} is missing" for pin in missing),
                *(f"{name} is not pinned" for name in found),
            ]
            message = f"{self._folder / FILE_NAME} and {self._deps} disagree: {'; '.join(words)}"
            raise WitError(message, hint="run `wisp wit lock`, and keep the lock file in version control")
        events = [self._restore(pin) for pin in missing] + self._adopt()
        if not check:
            self._write()
        return events

    def update(self, names: Sequence[str] = ()) -> list[Event]:
        """Read local sources again, and put what they have now into `deps`. What has an address stays: its digest pins it.

        Args:
            names: The packages to update, with or without their version; all when there are none.

        """
        known = {pin.name for pin in self._pins} | {pin.name.partition("@")[0] for pin in self._pins}
        if unknown := [name for name in names if name not in known]:
            message = f"{unknown[0]} is not in {self._folder / FILE_NAME}"
            raise WitError(message, hint=f"pinned are: {', '.join(sorted(pin.name for pin in self._pins))}")
        chosen = [
            pin for pin in self._pins if not names or {pin.name, pin.name.partition("@")[0]} & set(names)
        ]
        places = {pin.source: None for pin in chosen if pin.source is not None and pin.fetched is None}
        events = [event for place in places for event in self._reread(Source(place))]
        self._write()
        return events

    def _reread(self, source: Source) -> Iterator[Event]:
        wit = self._read(source)
        packages = {str(package.name): package for package in _packages(wit)}
        before = [pin for pin in self._pins if pin.source == source.place]
        replaced = {}
        for pin in before:
            if pin.name not in packages:
                self._remove(pin)
                bare = pin.name.partition("@")[0]
                match = next((name for name in packages if name.partition("@")[0] == bare), None)
                if match is None:
                    yield Event(pin.name, "removed")
                else:
                    replaced[match] = pin.name
        for name, package in packages.items():
            event = self._put(package, wit, source, force=any(pin.name == name for pin in before))
            yield Event(name, "replaced", replaced[name]) if name in replaced else event

    def _read(self, source: Source) -> Wit:
        if source.remote:
            return read.read(self._fetch(source.place, source.fetched or ""))
        path = shipped.packages().get(source.place) or Path(os.path.normpath(self._folder / source.place))
        if not path.exists():
            message = f"{path} does not exist"
            hint = f"paths in {FILE_NAME} start at {self._folder}; `wisp wit add` takes a package from somewhere else"
            raise WitError(message, path=path, hint=hint)
        try:
            return read.read(path)
        except WitError:
            # A package of a folder `deps` has those that it refers to beside it; another one may mean those that we have.
            for others in ([path.parent] if path.parent.name == "deps" else []) + [self._deps]:
                if (found := _alone(path, others)) is not None:
                    return found
            raise

    def _put(self, package: Package, wit: Wit, source: Source, *, force: bool = False) -> Event:
        """Write a package, unless one that has as much is there already."""
        name, text = str(package.name), package.text.rstrip("\n") + "\n"
        own = _named(self._folder)
        if own is not None and own.partition("@")[0] == package.name.bare:
            message = f"{source.place} has {name}, which is the package of {self._folder} itself"
            raise WitError(message, hint="add what it refers to, not itself")
        present = next((pin for pin in self._pins if pin.name == name), None)
        if present is None:
            self._store(name, text, source)
            return Event(name, "added")
        path = self._deps / present.path
        if path.exists() and _text(path) == text:
            return Event(name, "kept")
        if force or package is wit.package:
            self._remove(present)
            self._store(name, text, source)
            return Event(name, "replaced", name)
        return self._reconcile(present, package, wit, source)

    def _reconcile(self, present: Pin, package: Package, wit: Wit, source: Source) -> Event:
        """Decide between two contents of one package that is only referred to.

        A component carries of a package only what it uses, so one of the two may be a part of the other.
        """
        come, there = replace(wit, package=package, worlds={}), _alone(self._deps / present.path, self._deps)
        if there is not None and not diff.compare(come, there).breaking:
            return Event(present.name, "kept")
        if there is not None and not diff.compare(there, come).breaking:
            self._remove(present)
            self._store(present.name, package.text.rstrip("\n") + "\n", source)
            return Event(present.name, "replaced", present.name)
        message = f"{source.place} refers to {present.name}, but not to the one that is there from {present.source or 'before'}"
        hint = f"remove {self._deps / present.path} first, or add a source of {present.name} that both agree with"
        raise WitError(message, path=self._deps / present.path, hint=hint)

    def _store(self, name: str, text: str, source: Source) -> None:
        path = re.sub("[:@]", "-", name)
        target = self._deps / path / "package.wit"
        _save(target, text)
        self._pins.append(
            Pin(
                name=name,
                path=path,
                digest=digest(target.parent),
                source=source.place,
                fetched=source.fetched,
            )
        )

    def _remove(self, pin: Pin) -> None:
        self._pins.remove(pin)
        path = self._deps / pin.path
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _restore(self, pin: Pin) -> Event:
        if pin.source is None:
            message = f"{pin.name} is pinned in {self._folder / FILE_NAME}, but {self._deps / pin.path} is not there"
            hint = f"bring it back from version control, or `wisp wit add` a source of {pin.name}"
            raise WitError(message, hint=hint)
        source = Source(pin.source, pin.fetched)
        wit = self._read(source)
        package = next((package for package in wit.packages if str(package.name) == pin.name), None)
        self._pins.remove(pin)
        if package is not None:
            self._store(pin.name, package.text.rstrip("\n") + "\n", source)
        if package is None or self._pins[-1].digest != pin.digest:
            message = f"{pin.source} no longer has {pin.name} as it is pinned in {self._folder / FILE_NAME}"
            raise WitError(message, hint=f"if the change is meant: `wisp wit add {pin.source}`")
        return Event(pin.name, "restored")

    def _changed(self, pin: Pin) -> WitError:
        path = self._deps / pin.path
        message = f"{path} is not what {self._folder / FILE_NAME} pins: it was changed"
        hint = f"delete {path} and run `wisp wit lock` to have it again"
        if pin.source is None:
            hint = f"if the change is meant, delete the entry of {pin.name} in the lock file and run `wisp wit lock`"
        return WitError(message, path=path, hint=hint)

    def _adopt(self) -> list[Event]:
        """Pin what somebody put into `deps` by hand."""
        found = list(self._unpinned())
        self._pins += [Pin(name=name, path=path.name, digest=digest(path)) for name, path in found]
        return [Event(name, "pinned") for name, _ in found]

    def _unpinned(self) -> Iterator[tuple[str, Path]]:
        known = {pin.path for pin in self._pins}
        for path in sorted(self._deps.iterdir()) if self._deps.is_dir() else ():
            name = None if path.name in known else _named(path)
            if name is not None:
                yield name, path

    def _write(self) -> None:
        target, text = self._folder / FILE_NAME, dumps(self._pins)
        if not self._pins:
            target.unlink(missing_ok=True)
        elif not target.exists() or target.read_text(encoding="utf-8") != text:
            _save(target, text)


def _alone(path: Path, others: Path) -> Wit | None:
    """Read one package of a folder with packages, with the others for it to refer to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in _files(path):
            shutil.copy(file, folder)
        if others.is_dir():
            shutil.copytree(others, folder / "deps", ignore=shutil.ignore_patterns(path.name))
        try:
            return replace(read.read(folder), worlds={})
        except WitError:
            return None


def _save(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        files.write(target, text.encode())
    except OSError as error:
        message = f"cannot write {target}: {error.strerror}"
        raise WitError(message, path=target) from error


def _packages(wit: Wit) -> list[Package]:
    """Return what a source gives; what others need comes first. What only lies beside it is not given."""
    named = {str(package.name): package for package in wit.packages}
    wanted, waiting = set[str](), [str(wit.package.name)]
    while waiting:
        name = waiting.pop()
        if name in named and name not in wanted:
            wanted.add(name)
            waiting += ("@".join(filter(None, found)) for found in _REFERENCE.findall(named[name].text))
    # A component has no package of its own to begin with.
    given = [package for package in wit.packages if str(package.name) in wanted or _ANONYMOUS in wanted]
    packages = [package for package in given if str(package.name) != _ANONYMOUS]
    return sorted(packages, key=lambda package: (package is wit.package, str(package.name)))


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.wit")) if path.is_dir() else [path] * (path.suffix == ".wit")


def _named(path: Path) -> str | None:
    """Return the name of the package that lies somewhere in `deps`; None when it is something else."""
    if path.suffix == ".wasm":
        return str(read.read(path).package.name)
    for file in _files(path):
        if found := _PACKAGE.search(file.read_text(encoding="utf-8")):
            return found[1].replace("%", "")
    return None


def _text(path: Path) -> str:
    """Return the text of a package that we wrote; of others, whose form we do not know, nothing."""
    file = path / "package.wit"
    return file.read_text(encoding="utf-8") if file.is_file() and len(_files(path)) == 1 else ""
