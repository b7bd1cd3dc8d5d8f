"""Latency at a fixed rate: what clients see who do not wait for each other.

The rate is a share of what the peer can do at its best, so that all servers can answer it; each request is due at a time of its own,
and a late answer makes the requests behind it late too (`benches/native/src/bin/open-loop.rs`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from harness import peers, series
from harness.load import measure_at
from harness.section import Row, Section, Table, cell, of_rows
from harness.series import Series, typical
from harness.servers import MeasurementError, apart, wasmtime, wisp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.part import Context, Json

SHARE: Final = 0.5
"""Of the peer's requests per second."""

BAR: Final = 0.5
"""Of the peer's latency that ours may have."""

HEAD: Final = (
    "server, at a fixed rate",
    "requests/s",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "most, ms",
    "processor time per request, µs",
    "memory (PSS), MiB",
    "load generator's share",
    "errors",
)
_CELLS: Final = (
    ("requests_per_second", ",.0f"),
    ("p50_ms", ".2f"),
    ("p99_ms", ".2f"),
    ("p999_ms", ".2f"),
    ("most_ms", ".2f"),
    ("processor_us", ".1f"),
    ("memory_mib", ".0f"),
    ("load_generator", ".0%"),
)


def measure(context: Context) -> Section:
    """Find out what the peer can do in this run, and measure it and others at half of it."""
    peer = wasmtime(context.components.rust_p2, "fresh")
    subjects = {
        "wasmtime": peer,
        "wasmtime-apart": apart(peer),
        "wisp": wisp(context.components.rust_p2, "fresh"),
        "wisp-reused": wisp(context.components.rust_p2, "reused", reuse=128),
        "hyper": peers.hyper(),
    }
    best = series.take_turns("saturation", {"peer": peer}, replace(context, rounds=1))["peer"]
    if best.void:
        raise MeasurementError(best.void)
    rate = int(SHARE * best.requests.median)
    found = series.take_turns(f"at {rate:,} requests/s", subjects, context, measure_at(rate))
    return section(found, rate)


def section(found: Mapping[str, Series], rate: int) -> Section:
    """Return what was found: the ratio of the latencies, and those of all."""
    ours, peer = found["wisp"], found["wasmtime"]
    void = ours.void or peer.void
    pairs = zip(ours.samples, peer.samples, strict=False)
    values = () if void else tuple(mine.p99_ms / theirs.p99_ms for mine, theirs in pairs)
    title = "p99 at half of the requests/s that `wasmtime serve` can do, fresh instances: in times of its p99"
    row = Row(title, values, "x", BAR, void=void)
    tables = (of_rows([row], "latency").tables[0], Table(HEAD, tuple(_told(one) for one in found.values())))
    samples: dict[str, Json] = {"rate": rate, "servers": series.documents(found)}
    return Section(tables, samples, (row,), series.commands(found))


def _told(one: Series) -> tuple[str, ...]:
    if one.void or not one.samples:
        return (one.subject.name, *("-",) * len(_CELLS), cell(one.void or "-"))
    return (one.subject.name, *(typical(one, name, form) for name, form in _CELLS), "0")
