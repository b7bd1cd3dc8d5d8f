"""Remembering apps: when nothing has changed since the last start, the next one need not look again.

The long way to a `PreparedApp` imports the manifest's models and the core, asks tools for their versions and hashes
sources: several times of what `wisp up` may take until its first answer. So what came out is written down, together with
what was seen of every file and folder that it was made of (its times, size and inode), of the tools on the path, and
of wisp itself. The next start compares that, and only that.

Whatever differs leads to the long way, which decides by content. A change that the file system's clock cannot tell
from what was seen, because it came in the same moment, is excluded at the other end: an app is not remembered while
anything that it was made of is that young.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import wisp
from wisp.cli.prepared import PreparedApp, PreparedComponent, PreparedLink
from wisp.errors import ArtifactError
from wisp.manifest.alike import Alike
from wisp.registry import files
from wisp.registry.signing import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wisp.cli.prepared import PrepareOptions
    from wisp.registry.cache import Cache

_SCHEMA: Final = 5
_MOST_FILES: Final = 20_000
"""An app of more files is not remembered: looking at them would take longer than the long way."""

_CLOCK_NS: Final = 50_000_000
"""File systems stamp files by a coarse clock; so much younger than what was written down may be the same moment."""

_IGNORED: Final = frozenset({".git", ".wisp", ".venv", "__pycache__", "dist", "node_modules", "target"})
_TOOLS: Final = ("cargo", "rustc", "go", "node", "npm", "uv")
_VARIABLES: Final = ("PATH", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "GOFLAGS")
_SPIN: Final = "SPIN_VARIABLE_"
_PACKAGE: Final = Path(wisp.__file__).parent

Seen = dict[str, list[int]]
"""By path: what was seen of it; nothing, if it was not there."""


class Memory:
    """What is remembered of one app, at one path, prepared in one way."""

    def __init__(self, cache: Cache, path: Path, options: PrepareOptions) -> None:
        self._path = path.absolute()
        way = [_SCHEMA, wisp.__version__, str(self._path), options.profile, options.strategy, options.release]
        way += [
            options.variables,
            str(options.runtime_config and options.runtime_config.path),
            str(options.policy),
        ]
        variables = [os.environ.get(name, "") for name in _VARIABLES]
        # They decide what components of Spin may reach.
        variables += sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(_SPIN))
        name = hashlib.sha256(json.dumps([way, variables]).encode()).hexdigest()
        self._file = cache.root / "builds" / "apps" / f"{name}.json"
        self._policy = options.policy
        self._cache = cache

    def recall(self) -> PreparedApp | None:
        """Return the app, if all that it was made of is still as it was seen, and what it gave is still there."""
        try:
            data = json.loads(self._file.read_bytes(), object_hook=Alike().one)
            app = _app(data["app"])
            if data["seen"] != _look(self._made_of(app)) or data["artifacts"] != _artifacts(app):
                return None
        except (OSError, ValueError, KeyError, TypeError, _TooMany):
            return None
        self._used(app)
        return app

    def keep(self, app: PreparedApp, *, since: int) -> None:
        """Write an app down, unless something that it was made of has changed since it was begun."""
        try:
            seen = _look(self._made_of(app))
            if any(moment > since - _CLOCK_NS for marks in seen.values() for moment in marks[:2]):
                return
            data = {"app": _document(app), "seen": seen, "artifacts": _artifacts(app)}
            files.write(self._file, json.dumps(data).encode())
        except (OSError, ArtifactError, _TooMany):
            return  # it only costs the next start some time

    def _made_of(self, app: PreparedApp) -> Iterator[Path]:
        yield from app.watch
        for name in ("wisp.lock", "wisp.toml", "spin.toml", ".env"):
            yield app.folder / name
        yield from _copies(app)
        # Components of registries are trusted by it.
        yield from places.files(self._policy)
        if app.folder / "wisp.toml" in app.watch and not (app.folder / "wisp.toml").exists():
            yield from app.folder.glob("*.wasm")
        yield from sorted(_PACKAGE.glob("_core*"))
        yield _PACKAGE / "build"
        yield from sorted((_PACKAGE / "guests").glob("*"))
        yield from filter(None, map(_which, _TOOLS))
        yield Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"), "settings.toml")

    def _used(self, app: PreparedApp) -> None:
        """Note that these files were used just now, which `wisp cache prune` goes by."""
        records = [Path(str(told["path"])).with_suffix(".json") for told in app.artifacts.values()]
        for file in (self._file, *records, *map(self._cache.component, app.artifacts)):
            with suppress(OSError):
                os.utime(file)


def _copies(app: PreparedApp) -> Iterator[Path]:
    """List the copies of files that components see."""
    components = cast("Mapping[str, Mapping[str, Any]]", app.locked.get("components", {}))
    for component in components.values():
        for folder in component["grants"]["files"]:
            if folder["source"].startswith(".wisp/files/"):
                yield app.folder / folder["source"]


class _TooMany(Exception):  # noqa: N818 - not an error
    """There is more to look at than is worth it."""


def _look(paths: Iterable[Path]) -> Seen:
    """Say how files and whole folders look, without reading them."""
    seen: Seen = {}
    for path in paths:
        _look_at(str(path), seen)
    return seen


def _look_at(path: str, seen: Seen) -> None:
    if path in seen:
        return
    if len(seen) > _MOST_FILES:
        raise _TooMany
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        seen[path] = []
        return
    seen[path] = [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]
    if stat.S_ISDIR(status.st_mode):
        # Its access to other names (a hard link more) changes a folder's size or ctime on some file systems.
        for entry in sorted(os.listdir(path)):  # noqa: PTH208 - thousands of them
            if entry not in _IGNORED:
                _look_at(f"{path}/{entry}", seen)


def _artifacts(app: PreparedApp) -> Seen:
    """Say how the compiled components look; raises when one is not a file of ours, or not only ours to write."""
    seen: Seen = {}
    for told in app.artifacts.values():
        path = str(told["path"])
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            message = f"{path} is not to be trusted"
            raise ValueError(message)
        seen[path] = [status.st_mtime_ns, status.st_size, status.st_ino]
    return seen


def _which(tool: str) -> Path | None:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder, tool)
        if path.is_file():
            return path
    return None


def _document(app: PreparedApp) -> Mapping[str, object]:
    return {
        "name": app.name,
        "folder": str(app.folder),
        "locked": app.locked,
        "components": [{**asdict(component), "cached": True, "seconds": 0.0} for component in app.components],
        "links": [asdict(link) for link in app.links],
        "artifacts": app.artifacts,
        "remarks": list(app.remarks),
        "watch": [str(path) for path in app.watch],
    }


def _app(data: Mapping[str, object]) -> PreparedApp:
    """Read what `_document` wrote."""
    known = dict(data)
    folder, watch, components = known.pop("folder"), known.pop("watch"), known.pop("components")
    links, remarks = known.pop("links"), known.pop("remarks")
    return PreparedApp(
        **known,  # type: ignore[arg-type]
        folder=Path(folder),  # type: ignore[arg-type]
        components=tuple(PreparedComponent(**component) for component in components),  # type: ignore[attr-defined]
        links=tuple(PreparedLink(**link) for link in links),  # type: ignore[attr-defined]
        remarks=tuple(remarks),  # type: ignore[arg-type]
        watch=tuple(map(Path, dict.fromkeys(watch))),  # type: ignore[call-overload]
    )
