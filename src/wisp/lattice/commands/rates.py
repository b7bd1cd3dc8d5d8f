"""How busy hosts and apps are: what was counted between two samples."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wisp.lattice.commands.samples import Counted, Sample


@dataclass(frozen=True, slots=True)
class Rate:
    """One host, or one app, for a while."""

    name: str
    requests: float
    """In a second."""

    errors: float
    """In a second: answers from 500 on, and requests that broke off."""

    latency_ms: float | None
    """The mean; None when there was no request."""

    active: int
    refusals: int
    """What its components were not granted, since their workers began."""

    memory: int | None = None
    """Bytes; only hosts have memory of their own."""

    hosts: int = 1


@dataclass(slots=True)
class _Sum:
    requests: float = 0.0
    errors: float = 0.0
    microseconds: float = 0.0
    active: int = 0
    refusals: int = 0

    def rate(self, name: str, memory: int | None, hosts: int) -> Rate:
        latency = self.microseconds / self.requests / 1000 if self.requests else None
        return Rate(name, self.requests, self.errors, latency, self.active, self.refusals, memory, hosts)


def by_host(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> list[Rate]:
    """Return how busy each host is."""
    return [
        _summed(_changes(before.get(name), sample)).rate(name, sample.memory, 1)
        for name, sample in sorted(after.items())
    ]


def by_app(before: Mapping[str, Sample], after: Mapping[str, Sample]) -> list[Rate]:
    """Return how busy each app is, on all hosts together."""
    sums: dict[str, _Sum] = defaultdict(_Sum)
    hosts: dict[str, set[str]] = defaultdict(set)
    for name, sample in after.items():
        for app, change in _changes(before.get(name), sample):
            hosts[app].add(name)
            _add(sums[app], change)
    return [total.rate(app, None, len(hosts[app])) for app, total in sorted(sums.items())]


def _changes(before: Sample | None, after: Sample) -> Iterable[tuple[str, _Sum]]:
    """Return what was counted for each app in a second; nothing where there is nothing to compare with."""
    known = {one.app: one for one in before.apps} if before else {}
    seconds = after.clock - before.clock if before else 0.0
    for one in after.apps:
        yield one.app, _change(known.get(one.app), one, seconds)


def _change(before: Counted | None, after: Counted, seconds: float) -> _Sum:
    if seconds <= 0:
        return _Sum(active=after.active, refusals=after.refusals)
    # Where workers were replaced, counting has begun anew.
    began = before if before is not None and before.requests <= after.requests else None
    requests, errors, microseconds = (
        (after.requests - began.requests, after.errors - began.errors, after.duration_us - began.duration_us)
        if began
        else (after.requests, after.errors, after.duration_us)
    )
    return _Sum(
        requests / seconds,
        max(0, errors) / seconds,
        max(0, microseconds) / seconds,
        after.active,
        after.refusals,
    )


def _summed(changes: Iterable[tuple[str, _Sum]]) -> _Sum:
    total = _Sum()
    for _, change in changes:
        _add(total, change)
    return total


def _add(total: _Sum, change: _Sum) -> None:
    total.requests += change.requests
    total.errors += change.errors
    total.microseconds += change.microseconds
    total.active += change.active
    total.refusals += change.refusals
