"""Compile bombs: each ends with a clear error, and leaves no process and no file."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.seam import bombs
from wisp.errors import ArtifactError, ComponentError, WispError
from wisp.native.compile import Limits
from wisp.registry import artifacts
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    folder = tmp_path / "cache" / "artifacts"
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    mine = subprocess.run(
        ["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=True
    )
    assert "wisp.native.compile" not in mine.stdout


async def refused(cache: Cache, wasm: bytes) -> WispError:
    digest = cache.add(wasm)
    with pytest.raises(WispError) as caught:
        await artifacts.artifact(cache, digest)
    return caught.value


@pytest.mark.parametrize(
    ("bomb", "said"),
    [
        (lambda: bombs.functions(600_000), "it has more functions than are compiled: at most 500000"),
        (lambda: bombs.functions(1_100_000), "functions"),
        (lambda: bombs.types(600_000), "it has more types than are compiled: at most 500000"),
        (lambda: bombs.types(1_100_000), "types"),
        (lambda: bombs.local_variables(60_000), "locals"),
        (
            lambda: bombs.blocks(2_000_000),
            "it has more bytes in one function than are compiled: at most 4194304",
        ),
        (lambda: bombs.branches(4_000_000), "bytes in one function"),
        (lambda: bombs.nested(40), "components inside of each other"),
        (lambda: bombs.nested(20_000), "components inside of each other"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bomb",
)
async def test_what_nobody_writes_by_accident_is_refused(
    cache: Cache, bomb: Callable[[], bytes], said: str
) -> None:
    begun = time.monotonic()

    error = await refused(cache, bomb())

    assert isinstance(error, ComponentError)
    assert said in error.message
    assert time.monotonic() - begun < 120


async def test_a_component_that_takes_for_ever_is_stopped(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WISP_COMPILE_SECONDS", "4")

    error = await refused(cache, bombs.slow(40, 20_000))

    assert isinstance(error, ArtifactError)
    assert error.message == "the compiler took too long and was stopped"
    assert "WISP_COMPILE_SECONDS" in (error.hint or "")


async def test_a_component_that_takes_too_much_memory_is_stopped(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WISP_COMPILE_MEMORY", "250")

    error = await refused(cache, bombs.slow(12, 100_000))

    assert isinstance(error, ArtifactError)
    assert error.message.startswith("the compiler ran out of memory")
    assert "WISP_COMPILE_MEMORY" in (error.hint or "")


@pytest.mark.parametrize(
    "bomb", [lambda: bombs.blocks(1_500_000), lambda: bombs.branches(1_000_000)], ids=["blocks", "branches"]
)
async def test_what_is_large_and_allowed_ends_within_its_bound(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bomb: Callable[[], bytes]
) -> None:
    monkeypatch.setenv("WISP_COMPILE_SECONDS", "20")
    digest = cache.add(bomb())

    with contextlib.suppress(ArtifactError, ComponentError):
        await artifacts.artifact(cache, digest)
    artifacts.forget(cache, digest)


def test_what_the_compiler_may_take_grows_with_the_component() -> None:
    small, large, most = (Limits.of(size, {}) for size in (0, 18 * 2**20, 2**30))

    assert (small.memory, small.cpu_seconds) == (2**30, 60)
    assert (large.memory, large.cpu_seconds) == (2**30 + 1800 * 2**20, 510)
    assert (most.memory, most.cpu_seconds) == (8 * 2**30, 900)
    named = Limits.of(0, {"WISP_COMPILE_MEMORY": "5", "WISP_COMPILE_SECONDS": "6"})
    assert (named.memory, named.cpu_seconds) == (5 * 2**20, 6)
