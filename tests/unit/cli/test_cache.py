"""`wisp cache`: what it shows, and what it deletes."""

import json
import os
import time
from pathlib import Path

import pytest

from wisp.cli.main import main
from wisp.registry.cache import Cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("WISP_CACHE_DIR", str(tmp_path / "cache"))
    return Cache.open()


def test_an_empty_cache_says_so(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache"]) == 0

    assert capsys.readouterr().out == f"{cache.root}: empty\n"


def test_it_shows_each_kind_with_its_size(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    cache.add(bytes(2048))

    assert main(["cache"]) == 0

    head, row = capsys.readouterr().out.splitlines()
    assert head == f"{cache.root}: 2.0 KiB"
    assert row.split() == ["components", "2.0", "KiB", "1", "files", "components,", "built", "and", "fetched"]


def test_it_shows_the_same_as_json(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    cache.add(b"12")

    assert main(["cache", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "root": str(cache.root),
        "pruned": False,
        "kinds": [{"kind": "components", "files": 1, "size": 2}],
        "size": 2,
    }


def test_prune_removes_what_was_not_used_for_a_month(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = cache.add(b"old"), cache.add(b"new")
    long_ago = time.time() - 31 * 86_400
    os.utime(cache.component(old), (long_ago, long_ago))

    assert main(["cache", "prune"]) == 0

    assert capsys.readouterr().out.startswith(f"{cache.root}: removed 3 B\n")
    assert not cache.has(old)
    assert cache.has(new)


def test_prune_all_removes_everything(cache: Cache) -> None:
    digest = cache.add(b"new")

    assert main(["cache", "prune", "--all", "--json"]) == 0

    assert not cache.has(digest)


def test_an_age_needs_its_unit(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["cache", "prune", "--older-than", "30"])

    assert caught.value.code == 2
    assert "an age is a number with m, h, d or w, such as 30d" in capsys.readouterr().err
    assert cache.usage() == []


def test_what_to_prune_belongs_to_prune(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "--all"]) == 2

    assert "belong to `wisp cache prune`" in capsys.readouterr().err
    assert cache.usage() == []
