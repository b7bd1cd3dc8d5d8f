"""The cache: everything that wisp keeps on this machine, one folder that belongs to one user.

    components/sha256/<hex>.wasm        components, by content
    builds/<input digest>.json          which component a build with these inputs gave
    builds/places/<digest>.json         which repository of a registry has a blob
    artifacts/<engine key>/<hex>.cwasm  compiled components, and beside each a record (`wisp.registry.artifacts`)
    locks/                              held while a component is compiled
    work/                               what builders keep between builds
    toolchains/                         tools that were installed for builds
    rust-wasi/, target/                 for those who develop wisp itself

Compiled components are native code, and they are loaded because they lie here. So nobody else may write here: a
cache that belongs to another user, or that others may write to, is refused as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.errors import ArtifactError
from wisp.registry import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS: Final = ("components", "builds", "artifacts", "work", "toolchains", "rust-wasi", "target")
"""The folders below the root that are worth a line, in that order."""

_PRUNABLE: Final = ("components", "builds", "artifacts")
_PRUNABLE_WHOLE: Final = (*_PRUNABLE, "work", "toolchains", "locks")
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_ABANDONED_SECONDS: Final = 24 * 3600.0
"""No write takes a day; what is still temporary then belongs to a process that died."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one kind of thing takes."""

    kind: str
    files: int
    size: int
    """Bytes."""


class Cache:
    """The cache of this user. `Cache.open()` is the usual way to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(cls, root: Path | None = None) -> Cache:
        """Return the cache, which exists and is ours afterwards.

        Args:
            root: Where it is; found through the environment otherwise.

        Raises:
            ArtifactError: it cannot be made, or others may write to it.

        """
        cache = cls(root or cls.default_root())
        with files.explained(cache.root):
            cache.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            _require_ours(cache.root)
        return cache

    @staticmethod
    def default_root() -> Path:
        """Return where the cache is: `$WISP_CACHE_DIR`, else `wisp` in the user's cache folder."""
        if own := os.environ.get("WISP_CACHE_DIR"):
            return Path(own).absolute()
        shared = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG specification: a relative path is to be ignored.
        return (Path(shared) if shared.startswith("/") else Path.home() / ".cache") / "wisp"

    def component(self, digest: str) -> Path:
        """Return where a component is kept, whether it is there or not."""
        return self.root / "components" / "sha256" / f"{hex_of(digest)}.wasm"

    def has(self, digest: str) -> bool:
        """Return whether a component is there."""
        return self.component(digest).is_file()

    def add(self, content: bytes) -> str:
        """Keep a component, and return its digest.

        Raises:
            ArtifactError: the disk is full, or the cache cannot be written.

        """
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        path = self.component(digest)
        if not _touch(path, size=len(content)):
            files.write(path, content)
        return digest

    def add_file(self, source: Path) -> str:
        """Keep a component that lies somewhere else, and return its digest.

        Raises:
            ArtifactError: it cannot be read, the disk is full, or the cache cannot be written.

        """
        try:
            content = source.read_bytes()
        except OSError as error:
            message = f"{source} cannot be read: {error.strerror or error}"
            raise ArtifactError(message, path=source) from error
        return self.add(content)

    def read(self, digest: str) -> bytes:
        """Return a component, once its content has been found to be what the digest says.

        Raises:
            ArtifactError: it is not there, or was damaged, and is gone now.

        """
        path = self.component(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            message = f"the cache has no component {digest}"
            hint = "build or fetch it again with `wisp build`"
            raise ArtifactError(message, hint=hint, digest=digest, path=path) from error
        except OSError as error:
            raise files.trouble(path, error) from error
        if hashlib.sha256(content).hexdigest() != hex_of(digest):
            with contextlib.suppress(OSError):
                path.unlink()
            message = f"the component {digest} was damaged in the cache, and has been removed from it"
            hint = "build or fetch it again with `wisp build`"
            raise ArtifactError(message, hint=hint, digest=digest, path=path)
        return content

    def built(self, inputs: str) -> str | None:
        """Return the digest of what a build with these inputs gave, when that component is still there.

        Args:
            inputs: The digest of the inputs.

        """
        path = self._build(inputs)
        try:
            digest = json.loads(path.read_bytes())["digest"]
            present = isinstance(digest, str) and self.has(digest)
        except (OSError, ValueError, KeyError, TypeError, ArtifactError):
            return None
        if not present:
            return None
        _touch(path)
        _touch(self.component(digest))
        return str(digest)

    def remember_build(self, inputs: str, digest: str) -> None:
        """Note what a build with these inputs gave."""
        files.write(self._build(inputs), f"{json.dumps({'digest': digest})}\n".encode())

    def place(self, registry: str, digest: str) -> str | None:
        """Return a repository of a registry that had a blob, as far as we know."""
        try:
            known = json.loads(self._place(registry, digest).read_bytes())["repository"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return known if isinstance(known, str) else None

    def remember_place(self, registry: str, digest: str, repository: str) -> None:
        """Note that a repository of a registry has a blob."""
        files.write(self._place(registry, digest), f"{json.dumps({'repository': repository})}\n".encode())

    def folder(self, *parts: str) -> Path:
        """Return a folder below the root, which exists afterwards: `cache.folder("work", "hello")`."""
        path = self.root.joinpath(*parts)
        with files.explained(path):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def usage(self) -> list[Usage]:
        """Count what is kept, by kind; kinds of which there is nothing are left out."""
        counted = (_count(kind, self.root / kind) for kind in KINDS)
        return [usage for usage in counted if usage.files]

    def prune(self, *, older_than: float | None = None) -> list[Usage]:
        """Delete what can be had again, and return what was deleted, by kind.

        Args:
            older_than: Only what was not used for so many seconds. Then tools and the builders' own files stay.

        """
        if older_than is None:
            return [removed for kind in _PRUNABLE_WHOLE if (removed := self._remove_whole(kind)).files]
        before = time.time() - older_than
        return [removed for kind in _PRUNABLE if (removed := self._remove_old(kind, before)).files]

    def _build(self, inputs: str) -> Path:
        return self.root / "builds" / f"{hex_of(inputs)}.json"

    def _place(self, registry: str, digest: str) -> Path:
        place = hashlib.sha256(f"{registry}\0{digest}".encode()).hexdigest()
        return self.root / "builds" / "places" / f"{place}.json"

    def _remove_whole(self, kind: str) -> Usage:
        folder = self.root / kind
        usage = _count(kind, folder)
        with files.explained(folder), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        return usage

    def _remove_old(self, kind: str, before: float) -> Usage:
        count = size = 0
        for group in _groups(self.root / kind):
            removed = _remove_group(group, before)
            count += len(removed)
            size += sum(removed)
        return Usage(kind, count, size)


def hex_of(digest: str) -> str:
    """Return the hexadecimal part of a digest.

    Raises:
        ArtifactError: it is no digest, so that no other text ever becomes a path.

    """
    found = _DIGEST.fullmatch(digest)
    if found is None:
        message = f"`{digest}` is not a digest; one is `sha256:` and 64 hexadecimal digits"
        raise ArtifactError(message, digest=digest)
    return found[1]


def _require_ours(root: Path) -> None:
    status = root.stat()
    if status.st_uid != os.geteuid():
        message = f"the cache belongs to another user: {root}"
        raise ArtifactError(message, hint="set WISP_CACHE_DIR to a folder of yours", path=root)
    if stat.S_IMODE(status.st_mode) & 0o022:
        message = f"others may write to the cache, so nothing in it can be trusted: {root}"
        raise ArtifactError(message, hint=f"chmod 700 {root}", path=root)


def _touch(path: Path, *, size: int | None = None) -> bool:
    """Note that a file was used just now; return whether it is there, with that size."""
    try:
        if size is not None and path.stat().st_size != size:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        return size is None
    return True


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with contextlib.suppress(OSError):
                yield path, path.lstat()


def _count(kind: str, folder: Path) -> Usage:
    sizes = [status.st_size for _, status in _walk(folder)]
    return Usage(kind, len(sizes), sum(sizes))


def _groups(folder: Path) -> Iterable[list[tuple[Path, os.stat_result]]]:
    """Put files that belong together into one group: a compiled component and its record."""
    groups: dict[Path, list[tuple[Path, os.stat_result]]] = {}
    for path, status in _walk(folder):
        key = path if path.name.startswith(files.TEMPORARY) else path.with_suffix("")
        groups.setdefault(key, []).append((path, status))
    return groups.values()


def _remove_group(group: list[tuple[Path, os.stat_result]], before: float) -> list[int]:
    """Remove files that were last used before an instant, and return their sizes."""
    if any(path.name.startswith(files.TEMPORARY) for path, _ in group):
        before = min(before, time.time() - _ABANDONED_SECONDS)
    if max(status.st_mtime for _, status in group) >= before:
        return []
    removed = []
    for path, status in group:
        with contextlib.suppress(OSError):
            path.unlink()
            removed.append(status.st_size)
    return removed
