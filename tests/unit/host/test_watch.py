from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from watchfiles import Change

from wisp.host.watch import SourceFilter, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


PATIENCE = 20.0


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("app/wisp.toml", True),
        ("app/other.toml", False),
        ("app/src/main.py", True),
        ("app/src/deep/er/main.rs", True),
        ("app/src/__pycache__/main.pyc", False),
        ("app/src/target/release/x.d", False),
        ("app/src/node_modules/x/index.js", False),
        ("app/src/.git/index", False),
        ("app/src/built.wasm", False),
        ("app/given.wasm", True),
        ("elsewhere/main.py", False),
    ],
)
def test_only_what_a_person_changes_counts(tmp_path: Path, path: str, counts: bool) -> None:
    watched = [tmp_path / "app/wisp.toml", tmp_path / "app/src", tmp_path / "app/given.wasm"]

    assert SourceFilter(watched)(Change.modified, str(tmp_path / path)) is counts


def test_a_watched_folder_may_lie_in_one_that_would_be_ignored(tmp_path: Path) -> None:
    watched = tmp_path / "target" / "app"

    assert SourceFilter([watched])(Change.modified, str(watched / "main.py"))


@contextlib.asynccontextmanager
async def watching(*paths: Path) -> AsyncIterator[asyncio.Event]:
    """Watch until the block ends."""
    changed = asyncio.Event()
    task = asyncio.create_task(watch(paths, changed))
    await asyncio.wait_for(changed.wait(), PATIENCE)
    changed.clear()
    yield changed
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def replace(path: Path, text: str) -> None:
    """Write a file as editors do: beside, then renamed."""
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


async def seen(changed: asyncio.Event, path: Path) -> bool:
    replace(path, "changed")
    return await asyncio.wait_for(changed.wait(), PATIENCE)


async def test_a_changed_source_is_noticed_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()

    async with watching(tmp_path / "src") as changed:
        assert await seen(changed, tmp_path / "src" / "a.py")
        changed.clear()
        assert await seen(changed, tmp_path / "src" / "b.py")


async def test_a_manifest_that_an_editor_replaces_is_noticed(tmp_path: Path) -> None:
    manifest = tmp_path / "wisp.toml"
    manifest.touch()

    async with watching(manifest) as changed:
        assert await seen(changed, manifest)
