"""Removing from a host what it needs no more: earlier versions of apps, of their configurations and folders, and components that it fetched.

Needed is what the host serves, and what the newest records that it knows name: it starts with that, and writes it back when NATS has lost
it. What is needed is marked as used each time; what has not been used for a day goes, and can be had again. Of the cache, which others
of this user share, only components go that this host has brought there, and that nobody has used since.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Final

from wisp.lattice import named
from wisp.registry.artifacts import forget
from wisp.registry.cache import hex_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from wisp.lattice.running.remembered import Remembered
    from wisp.registry.cache import Cache

KEPT: Final = 24 * 3600.0
"""Seconds that something stays which is not used any more."""

INTERVAL: Final = 3600.0
"""Seconds between two times."""

_FOLDERS: Final = ("locked", "configurations", "folders", "sealed")


class Tidying:
    """Tidies the folder of one host."""

    def __init__(self, remembered: Remembered, cache: Cache) -> None:
        self._remembered = remembered
        self._cache = cache
        self._last: float | None = None

    def now_and_then(self, served: Collection[str]) -> int:
        """Tidy, unless that was done within the last hour; returns how much was removed. `served` is in use, by digest."""
        now = time.monotonic()
        if self._last is not None and now - self._last < INTERVAL:
            return 0
        self._last = now
        return self.tidy(served, KEPT)

    def tidy(self, served: Collection[str], kept: float) -> int:
        """Remove what was not needed for so many seconds, and return how much that was."""
        needed = self._needed(served)
        before = time.time() - kept
        count = 0
        for path in self._places():
            with contextlib.suppress(OSError):  # what cannot be removed now may be later
                if path.name.partition(".")[0] in needed:
                    os.utime(path)
                elif path.stat().st_mtime < before:
                    _remove(path)
                    count += 1
        return count + self._components(needed, before)

    def _needed(self, served: Collection[str]) -> set[str]:
        """Return the names of files that are needed, without what comes behind the first dot."""
        remembered = self._remembered
        records = [app.to_bytes() for app in remembered.desired().values() if not app.deleted]
        assignment = remembered.assignment()
        roots = named.digests([*records, assignment.to_bytes() if assignment else b""]) | {*served}
        found = [read(digest) for digest in roots for read in (remembered.locked, remembered.configuration)]
        documents = [content for content in found if content is not None]
        return {hex_of(digest) for digest in roots | named.digests(documents)} | named.secrets(documents)

    def _places(self) -> list[Path]:
        return [path for name in _FOLDERS for path in sorted((self._remembered.folder / name).glob("*"))]

    def _components(self, needed: Collection[str], before: float) -> int:
        count = 0
        for mark in sorted((self._remembered.folder / "fetched").glob("*")):
            digest = f"sha256:{mark.name}"
            component = self._cache.component(digest)
            with contextlib.suppress(OSError):
                if mark.name in needed:
                    os.utime(mark)
                    os.utime(component)
                elif mark.stat().st_mtime < before and _unused(component, before):
                    forget(self._cache, digest)
                    component.unlink(missing_ok=True)
                    mark.unlink()
                    count += 1
        return count


def _unused(path: Path, before: float) -> bool:
    return not path.exists() or path.stat().st_mtime < before


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
