"""Latency at a fixed rate: what clients see who do not wait for each other.

The rate is a share of what the peer can do at its best, so that both servers can answer it; each request is due at a time of its own,
and a late answer makes the requests behind it late too (`benches/native/src/bin/open-loop.rs`).
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from harness.load import CONNECTIONS, GRACE
from harness.peers import native_program
from harness.servers import MeasurementError, Subject, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARE: Final = 0.5
"""Of the peer's requests per second."""


@dataclass(slots=True)
class Steady:
    """All measurements of one server at one rate; or why there are none that count."""

    subject: Subject
    rate: int
    samples: list[dict[str, float]] = field(default_factory=list)
    void: str | None = None


def measure(
    subjects: Sequence[Subject], rate: int, rounds: int, seconds: int, say: Callable[[str], None]
) -> list[Steady]:
    """Measure servers in turn at a rate in requests per second."""
    program = native_program("open-loop")
    every = [Steady(subject, rate) for subject in subjects]
    for number in range(1, rounds + 1):
        for one in every:
            if one.void is None:
                _once(one, str(program), seconds)
        figures = ", ".join(f"{one.subject.name} {one.void or one.samples[-1]['p99_ms']}" for one in every)
        say(f"at {rate:,} requests/s, {number}/{rounds}, p99 in ms: {figures}")
    return every


def _once(steady: Steady, program: str, seconds: int) -> None:
    try:
        with serving(steady.subject) as server:
            words = (server.ports[0], steady.rate, seconds, CONNECTIONS)
            done = subprocess.run(
                [program, *map(str, words)],
                capture_output=True,
                text=True,
                timeout=seconds + GRACE,
                check=True,
            )
        sample: dict[str, float] = json.loads(done.stdout)
    except (MeasurementError, subprocess.SubprocessError) as error:
        steady.void = str(error)
        return
    if sample["failures"]:
        steady.void = f"void: {sample['failures']:.0f} of {sample['requests']:.0f} requests failed"
        return
    steady.samples.append(sample)
