"""Thousands of components are loaded, instantiated and dropped, and nothing of them is left."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 64
"""Bytes that a cycle may leave: less than any object of Python or of the core, more than the noise of an allocator."""

FEW = 20
"""Threads that free what was forgotten come and go, each with a stack of its own."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("way", "cycles"), [("closed", 10_000), ("forgotten", 4_000), ("trapped", 4_000)])
def test_components_come_and_go_without_leaving_anything(way: str, cycles: int) -> None:
    command = [sys.executable, "-m", "tests.integration.embed.cycles", way, str(cycles)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    samples = [json.loads(line) for line in done.stdout.splitlines()]
    warm, rest = samples[len(samples) // 4], samples[len(samples) // 4 :]

    assert rest[-1]["cycles"] == cycles
    assert growth(rest) < MOST, samples
    assert least("files", rest) <= warm["files"], samples
    assert least("maps", rest) <= warm["maps"] + FEW, samples
    assert least("threads", rest) <= warm["threads"] + FEW, samples


def least(what: str, samples: Sequence[dict[str, int]]) -> int:
    """Return the least of the last samples, because a file may be open, for a moment, whenever one is taken."""
    return min(sample[what] for sample in samples[-5:])


def growth(samples: Sequence[dict[str, int]]) -> float:
    """Return the bytes that a cycle leaves: the median from sample to sample, which a single step does not move."""
    return statistics.median(
        (later["bytes"] - earlier["bytes"]) / (later["cycles"] - earlier["cycles"])
        for earlier, later in itertools.pairwise(samples)
    )


@pytest.mark.parametrize(
    ("leak", "step", "found"), [(100, 0, True), (100, 500_000, True), (0, 500_000, False)]
)
def test_a_leak_in_each_cycle_is_told_from_a_step(leak: int, step: int, found: bool) -> None:
    samples = [
        {"cycles": cycles, "bytes": 1_000_000 + leak * cycles + step * (cycles > 500)}
        for cycles in range(0, 1000, 50)
    ]

    assert (growth(samples) > MOST) == found
