"""The load: one process with one thread, 32 connections, on the same machine as the server, so its own share is told."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.native import WARM_UP, closed_loop, open_loop
from harness.servers import check_greeting

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.native import Seen
    from harness.servers import Server

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one server."""

    requests_per_second: float
    requests: int
    """So many were answered, all of them as they must be."""

    p50_ms: float
    p99_ms: float
    p999_ms: float
    most_ms: float
    percentiles: list[float]
    latencies_ms: list[float]
    """One for each of the percentiles."""

    load_generator: float
    """The share of all processors that the load generator took."""

    server: float
    """The share of all processors that the server took."""

    processor_us: float
    """Microseconds of processor time that the server took for a request."""

    memory_mib: float
    """What it had of memory at the end, in MiB: what it shares with others is counted in shares."""


def measure(server: Server, seconds: int) -> Sample:
    """Check what the server answers, warm it up, then load it with all it bears. Any other answer voids the measurement."""
    return _measured(server, seconds, awake=False)


def measure_awake(server: Server, seconds: int) -> Sample:
    """Do the same with a load generator that never sleeps: waking it would be charged to the server."""
    return _measured(server, seconds, awake=True)


def _measured(server: Server, seconds: int, *, awake: bool) -> Sample:
    for port in server.ports:
        check_greeting(port)
    closed_loop(server.ports, WARM_UP, CONNECTIONS, awake=awake)
    return _sampled(server, lambda: closed_loop(server.ports, seconds, CONNECTIONS, awake=awake))


def measure_at(rate: int) -> Callable[[Server, int], Sample]:
    """Return what does the same with so many requests in each second, whatever the server does."""

    def measure(server: Server, seconds: int) -> Sample:
        for port in server.ports:
            check_greeting(port)
        return _sampled(server, lambda: open_loop(server.ports, rate, seconds, CONNECTIONS))

    return measure


def _sampled(server: Server, load: Callable[[], Seen]) -> Sample:
    """Load a server, and look at what it and the load generator use meanwhile."""
    ours, theirs, began = _used_by_children(), server.processor_seconds, time.monotonic()
    seen = load()
    whole = (time.monotonic() - began) * (os.cpu_count() or 1)
    used = server.processor_seconds - theirs
    return Sample(
        requests_per_second=seen.requests / seen.seconds,
        requests=seen.requests,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        p999_ms=seen.p999_ms,
        most_ms=seen.most_ms,
        percentiles=seen.percentiles,
        latencies_ms=seen.latencies_ms,
        load_generator=(_used_by_children() - ours) / whole,
        server=used / whole,
        processor_us=1e6 * used / seen.asked,
        memory_mib=server.memory / 2**20,
    )


def _used_by_children() -> float:
    times = os.times()
    return times.children_user + times.children_system
