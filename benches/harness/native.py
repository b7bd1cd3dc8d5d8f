"""The programs of `benches/native`: the load generators, and the ceiling.

A load generator keeps its connections, reads every answer whole and compares it with the greeting. It has one thread.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from harness.components import workplace
from harness.paths import BENCHES
from harness.servers import MeasurementError
from harness.tools import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDER: Final = BENCHES / "native"
WARM_UP: Final = 1
"""Seconds before anything is counted: of the one generator here, of the other in `open-loop.rs`."""

GRACE: Final = 15.0
"""Seconds that a load generator may take longer than it was told."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the clients saw; times in milliseconds."""

    requests: int
    """Of those that count; `asked` counts those of the warm-up too."""

    asked: int
    failures: int
    seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    most_ms: float
    percentiles: list[float]
    latencies_ms: list[float]
    """One for each of the percentiles."""


def closed_loop(ports: Sequence[int], seconds: int, connections: int, *, awake: bool = False) -> Seen:
    """Load ports with all they bear; the connections are split between them. Raises MeasurementError for any wrong answer.

    A generator that is `awake` never sleeps, so that waking it is no work of the server's.
    """
    words = ["closed-loop", ",".join(map(str, ports)), str(seconds), str(connections)]
    return _seen([*words, "awake"] if awake else words, seconds)


def open_loop(ports: Sequence[int], rate: int, seconds: int, connections: int) -> Seen:
    """Send so many requests in each second. Raises MeasurementError for any wrong answer."""
    return _seen(("open-loop", ",".join(map(str, ports)), rate, seconds, connections), WARM_UP + seconds)


def program(name: str) -> Path:
    """Return one of the programs, built."""
    return _built() / name


@cache
def _built() -> Path:
    target = workplace() / "native"
    run("cargo", "build", "--release", "--locked", "--target-dir", target, folder=FOLDER)
    return target / "release"


def _seen(words: Sequence[str | int], seconds: float) -> Seen:
    name, *arguments = words
    done = subprocess.run(
        [program(str(name)), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds + GRACE,
        check=False,
    )
    if done.returncode != 0:
        message = f"void: {name} ended with {done.returncode}: {done.stderr.strip()}"
        raise MeasurementError(message)
    values: dict[str, Any] = json.loads(done.stdout)
    seen = Seen(**values)
    if seen.failures or not seen.requests:
        message = f"void: {seen.failures:,} of {seen.requests:,} requests failed"
        raise MeasurementError(message)
    return seen
