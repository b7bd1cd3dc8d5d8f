"""What a host counts of its apps while they change: requests, failures and durations, in windows of a few seconds.

The numbers are those of its workers, which count from their start. A worker is known by its process, so what it has counted since it was
asked last belongs to the versions that it was told to serve; one that serves no more is not asked.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from wisp.lattice.plan.versions import WINDOW_SECONDS, WINDOWS, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wisp.host.settings import JsonObject
    from wisp.host.supervisor import Supervisor

PAUSE: Final = 1.0
"""Seconds between two looks at the workers."""

Counts = tuple[int, int, int]
"""Requests, failures, microseconds."""

NOTHING: Final = (0, 0, 0)
ELSEWHERE: Final = "(elsewhere)"
"""What workers call the component of requests that another host answers, which counts them itself."""


class Counting:
    """Windows of the versions that a host serves, for those apps that are looked at."""

    def __init__(self) -> None:
        self._last: dict[int, dict[str, Counts]] = {}
        self._windows: dict[tuple[str, str], dict[int, Counts]] = {}

    def take(self, workers: Mapping[int, JsonObject], versions: Mapping[str, str], now: float) -> None:
        """Add what workers have counted since the last time.

        Args:
            workers: What each has counted since its start, by its process.
            versions: The versions that they serve, by app: those that are to be looked at.
            now: Seconds since 1970.

        """
        counted = {process: counts_by_app(values) for process, values in workers.items()}
        number = int(now) // WINDOW_SECONDS
        before, self._windows = self._windows, {}
        for app, digest in versions.items():
            kept = before.get((app, digest))
            windows = {one: counts for one, counts in (kept or {}).items() if one > number - WINDOWS}
            news = [
                _less(one[app], self._before(process, app)) for process, one in counted.items() if app in one
            ]
            # What was counted before anybody looked belongs to no stretch of time.
            windows[number] = _sum(windows.get(number, NOTHING), *(news if kept is not None else ()))
            self._windows[app, digest] = windows
        self._last = counted

    def _before(self, process: int, app: str) -> Counts:
        return self._last.get(process, {}).get(app, NOTHING)

    def of(self, app: str, digest: str | None) -> tuple[Window, ...]:
        """Return what was counted of a version."""
        windows = self._windows.get((app, digest or ""), {})
        return tuple(Window(number, *counts) for number, counts in sorted(windows.items()))


async def count_forever(
    counting: Counting,
    supervisor: Supervisor,
    versions: Callable[[], Mapping[str, str]],
    counted: Callable[[], None],
) -> None:
    """Look at the workers again and again; `versions` says what they serve that is to be looked at."""
    while True:
        await asyncio.sleep(PAUSE)
        before = dict(versions())
        workers = await supervisor.serving_metrics() if before else {}
        # What changed meanwhile cannot be told apart; the next look has all of it.
        if dict(versions()) == before:
            counting.take(workers, before, time.time())
            if before:
                counted()


def counts_by_app(values: JsonObject) -> dict[str, Counts]:
    """Return what one worker has counted, by app."""
    found: dict[str, Counts] = {}
    components = values.get("components")
    for one in components if isinstance(components, list) else ():
        if one["component"] == ELSEWHERE:
            continue
        requests = one["requests"]
        failures = min(requests, one["responses"]["5xx"] + one["aborted"])
        found[one["app"]] = _sum(found.get(one["app"], NOTHING), (requests, failures, one["duration_us"]))
    return found


def _less(now: Counts, before: Counts) -> Counts:
    return now[0] - before[0], now[1] - before[1], now[2] - before[2]


def _sum(*counts: Counts) -> Counts:
    return sum(one[0] for one in counts), sum(one[1] for one in counts), sum(one[2] for one in counts)
