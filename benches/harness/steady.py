"""Latency at a fixed rate: what clients see who do not wait for each other.

The rate is a share of what the peer can do at its best, so that both servers can answer it; each request is due at a time of its own,
and a late answer makes the requests behind it late too (`benches/native/src/bin/open-loop.rs`).
"""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Final

from harness import series
from harness.load import CONNECTIONS
from harness.native import Seen, open_loop
from harness.section import Row, Section, Table, cell, of_rows
from harness.servers import MeasurementError, Subject, serving, wasmtime, wisp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.part import Context, Json

SHARE: Final = 0.5
"""Of the peer's requests per second."""


HEAD = ("server, at a fixed rate", "requests/s", "p50, ms", "p99, ms", "p99.9, ms", "most, ms", "errors")
BAR: Final = 0.5
"""Of the peer's latency that ours may have."""


@dataclass(slots=True)
class Steady:
    """All measurements of one server at one rate; or why there are none that count."""

    subject: Subject
    rate: int
    samples: list[Seen] = field(default_factory=list)
    void: str | None = None

    def document(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "server": self.subject.name,
            "rate": self.rate,
            "void": self.void,
            "samples": [asdict(sample) for sample in self.samples],
        }


def measure(context: Context) -> Section:
    """Find out what the peer can do in this run, and measure both at half of it."""
    peer = wasmtime(context.components.rust_p2, "fresh")
    ours = wisp(context.components.rust_p2, "fresh")
    best = series.take_turns("saturation", {"peer": peer}, replace(context, rounds=1))["peer"]
    if best.void:
        raise MeasurementError(best.void)
    rate = int(SHARE * best.requests.median)
    found = at_rate([peer, ours], rate, context)
    return section(found[0], found[1])


def section(peer: Steady, ours: Steady) -> Section:
    """Return what was found: the ratio of the latencies, and those of both."""
    title = f"p99 at {peer.rate:,} requests/s, half of what `wasmtime serve` can do: of its p99"
    void = ours.void or peer.void
    pairs = zip(ours.samples, peer.samples, strict=False)
    values = () if void else tuple(mine.p99_ms / theirs.p99_ms for mine, theirs in pairs)
    row = Row(title, values, "x", BAR, void=void)
    lines = of_rows([row], "latency").tables[0]
    table = Table(HEAD, tuple(_told(one) for one in (peer, ours)))
    commands = (peer.subject.shown, ours.subject.shown)
    return Section((lines, table), [peer.document(), ours.document()], (row,), commands)


def at_rate(subjects: Sequence[Subject], rate: int, context: Context) -> list[Steady]:
    """Measure servers in turn at a rate in requests per second."""
    every = [Steady(subject, rate) for subject in subjects]
    for number in range(1, context.rounds + 1):
        for one in every:
            if one.void is None:
                _once(one, context.seconds)
        figures = ", ".join(f"{one.subject.name} {one.void or one.samples[-1].p99_ms}" for one in every)
        context.say(f"at {rate:,} requests/s, {number}/{context.rounds}, p99 in ms: {figures}")
    return every


def _told(steady: Steady) -> tuple[str, ...]:
    if steady.void or not steady.samples:
        return (steady.subject.name, f"{steady.rate:,}", "-", "-", "-", "-", cell(steady.void or "-"))
    names = ("p50_ms", "p99_ms", "p999_ms", "most_ms")
    cells = (f"{median(getattr(sample, name) for sample in steady.samples):.2f}" for name in names)
    return (steady.subject.name, f"{steady.rate:,}", *cells, "0")


def _once(steady: Steady, seconds: int) -> None:
    try:
        with serving(steady.subject) as server:
            steady.samples.append(open_loop(server.ports[0], steady.rate, seconds, CONNECTIONS))
    except (MeasurementError, OSError, subprocess.SubprocessError) as error:
        steady.void = str(error)
