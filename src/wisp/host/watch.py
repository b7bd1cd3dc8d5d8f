"""Watching sources: says when files that an app was made of have changed.

Changes are collected for a moment, so that saving ten files is one reload. What tools write beside sources (Python's
caches, `target`, `node_modules`, built components) does not count, or each build would cause the next.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import Change, DefaultFilter, awatch

if TYPE_CHECKING:
    from collections.abc import Sequence

DEBOUNCE_MS = 300
STEP_MS = 50

IGNORED_FOLDERS = (*DefaultFilter.ignore_dirs, "target", "dist", ".wisp", ".import_linter_cache")


class SourceFilter(DefaultFilter):
    """Lets through what a person changes."""

    def __init__(self, watched: Sequence[Path]) -> None:
        super().__init__(ignore_dirs=IGNORED_FOLDERS)
        self._watched = [path.resolve() for path in watched]

    def __call__(self, change: Change, path: str) -> bool:
        """Say whether a change counts. A watched file always does, whatever its name."""
        changed = Path(path)
        for watched in self._watched:
            if changed == watched:
                return True
            # Only what lies below is judged: the watched folder itself may be in one that is called "target".
            if changed.is_relative_to(watched):
                relative = changed.relative_to(watched)
                return relative.suffix != ".wasm" and super().__call__(change, str(relative))
        return False


async def watch(paths: Sequence[Path], changed: asyncio.Event) -> None:
    """Set the event each time something at or below these paths has changed, until cancelled.

    It is set once at the beginning too: what changed while the app was built, before anybody watched, would be lost.

    Raises OSError or RuntimeError when the system does not let us watch (a limit of inotify, for example).
    """
    resolved = [path.resolve() for path in paths]
    folders = [path for path in resolved if path.is_dir()]
    # A file is watched through its folder: an editor replaces the file, and a watch on it would see nothing more.
    parents = {path.parent for path in resolved if not path.is_dir() and path.parent.is_dir()}
    accept = SourceFilter(resolved)
    async with asyncio.TaskGroup() as group:
        if folders:
            group.create_task(_watch(folders, accept, changed, recursive=True))
        if parents:
            group.create_task(_watch(sorted(parents), accept, changed, recursive=False))
        # The first step of each task puts its watches into place.
        await asyncio.sleep(0)
        changed.set()


async def _watch(
    roots: Sequence[Path], accept: SourceFilter, changed: asyncio.Event, *, recursive: bool
) -> None:
    async for _ in awatch(
        *roots, watch_filter=accept, debounce=DEBOUNCE_MS, step=STEP_MS, recursive=recursive
    ):
        changed.set()
