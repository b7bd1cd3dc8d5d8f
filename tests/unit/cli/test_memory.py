"""Remembering apps: only while nothing that they were made of has changed."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wisp.cli.memory import Memory
from wisp.cli.prepared import PreparedApp, PreparedComponent, PreparedLink, PrepareOptions
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIGEST = f"sha256:{'ab' * 32}"
LONG_AGO = 1_000_000_000 * 10**9


class Kept:
    """An app that was prepared some time ago, and is remembered."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "app"
        (self.folder / "src" / "deep").mkdir(parents=True)
        self.source = self.folder / "src" / "main.py"
        self.source.write_text("print()", encoding="utf-8")
        self.manifest = self.folder / "wisp.toml"
        self.manifest.write_text("[app]", encoding="utf-8")
        self.cache = Cache.open(root / "cache")
        self.artifact = self.cache.folder("artifacts", "key") / f"{'ab' * 32}.cwasm"
        self.artifact.write_bytes(b"machine code")
        self.artifact.chmod(0o400)
        self.app = PreparedApp(
            name="hello",
            folder=self.folder,
            links=(PreparedLink("hello", "a:b/c@1.0.0", "other", "fused", "the manifest says so"),),
            locked={"name": "hello", "http": []},
            components=(PreparedComponent("hello", DIGEST, 12, "python", cached=True, seconds=0.0),),
            artifacts={DIGEST: {"path": str(self.artifact), "size": 12, "profile": "sync"}},
            watch=(self.manifest, self.folder / "src"),
        )

    def memory(self, **options: str) -> Memory:
        return Memory(self.cache, self.folder, PrepareOptions(**options))  # type: ignore[arg-type]

    def keep(self, *, since: int | None = None) -> None:
        # A moment in the future: everything here was written long before it, as far as the clock is concerned.
        self.memory().keep(self.app, since=time.time_ns() + 10**9 if since is None else since)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    one = Kept(tmp_path)
    one.keep()
    return one


def test_an_app_is_recalled_while_nothing_has_changed(kept: Kept) -> None:
    assert kept.memory().recall() == kept.app


def test_how_long_it_took_is_not_recalled(kept: Kept) -> None:
    slow = replace(kept.app.components[0], cached=False, seconds=12.0)
    kept.memory().keep(replace(kept.app, components=(slow,)), since=time.time_ns() + 10**9)

    assert kept.memory().recall() == kept.app


def touch_up(kept: Kept) -> None:
    """Change a source, and hide it from those who only look at its time."""
    kept.source.write_text("other()", encoding="utf-8")
    os.utime(kept.source, ns=(LONG_AGO, LONG_AGO))


def cut(kept: Kept) -> None:
    kept.artifact.chmod(0o600)
    os.truncate(kept.artifact, 3)


def open_up(kept: Kept) -> None:
    kept.artifact.chmod(0o622)


def link(kept: Kept) -> None:
    real = kept.artifact.rename(kept.artifact.with_suffix(".real"))
    kept.artifact.symlink_to(real)


CHANGES: dict[str, Callable[[Kept], object]] = {
    "a source": lambda kept: kept.source.write_text("print(1)", encoding="utf-8"),
    "a source with its time set back": touch_up,
    "a new file in a folder below": lambda kept: (kept.folder / "src" / "deep" / "new.py").write_bytes(b""),
    "a file that is gone": lambda kept: kept.source.rename(kept.folder / "elsewhere"),
    "the manifest": lambda kept: kept.manifest.write_text("[app]\n", encoding="utf-8"),
    "a lock file that appears": lambda kept: (kept.folder / "wisp.lock").write_bytes(b""),
    "the compiled component is gone": lambda kept: kept.artifact.rename(kept.folder / "elsewhere"),
    "the compiled component was cut": cut,
    "others may write the compiled component": open_up,
    "the compiled component is a link": link,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_app_is_not_recalled_after_a_change(kept: Kept, change: Callable[[Kept], object]) -> None:
    change(kept)

    assert kept.memory().recall() is None


def test_products_and_caches_beside_the_sources_do_not_count(kept: Kept) -> None:
    (kept.folder / "target").mkdir()
    (kept.folder / "target" / "out").touch()

    assert kept.memory().recall() == kept.app


@pytest.mark.parametrize("options", [{"profile": "test"}, {"strategy": "winch"}])
def test_an_app_prepared_in_another_way_is_another_app(kept: Kept, options: dict[str, str]) -> None:
    assert kept.memory(**options).recall() is None


def test_another_path_for_tools_is_another_app(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/elsewhere")

    assert kept.memory().recall() is None


def test_an_app_that_changed_while_it_was_prepared_is_not_remembered(tmp_path: Path) -> None:
    one = Kept(tmp_path)

    one.keep(since=time.time_ns() - 10**9)

    assert one.memory().recall() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"app": {}}', '{"app": 1, "seen": {}, "artifacts": {}}'])
def test_a_torn_record_is_as_good_as_none(kept: Kept, text: str) -> None:
    [record] = (kept.cache.root / "builds" / "apps").iterdir()
    record.write_text(text, encoding="utf-8")

    assert kept.memory().recall() is None


def test_what_is_recalled_counts_as_used(kept: Kept) -> None:
    [record] = (kept.cache.root / "builds" / "apps").iterdir()
    os.utime(record, ns=(LONG_AGO, LONG_AGO))

    kept.memory().recall()

    assert record.stat().st_mtime_ns > LONG_AGO
