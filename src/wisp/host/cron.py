"""The cron trigger: says when jobs run, and what became of them.

Each job has a task that waits for its next planned moment and then has one worker call the component, so that a run
happens once on a host, however many workers it has. Nothing is made up for: a run whose moment has passed because the host was
down or asleep is missed, and the log says so. A moment that passed a few seconds ago counts as now.

A job that a reload leaves as it was goes on waiting, and a run that is in progress meanwhile ends in the worker that it began in.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Final, Protocol

from wisp.host.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wisp.host.control import Ran
    from wisp.host.log import Level, Log
    from wisp.host.schedule import Job
    from wisp.host.settings import JsonObject

LATE: Final = timedelta(seconds=30)
"""A run that is later than this is missed."""

MOST_MISSED: Final = 10_000
"""More are not counted."""

LOOK_AGAIN: Final = 10.0
"""Seconds after which the time of day is looked at again: it may be set, and it goes on while the machine sleeps."""

_DOWN: Final = "the host was not running"
_ASLEEP: Final = "the host was asleep, or the clock was set"

Call = Callable[["JsonObject"], Awaitable["Ran"]]
"""Has one worker do one run. The order is what `Run` of `trigger/cron.rs` reads."""


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """Return the time, in UTC."""

    async def until(self, moment: datetime) -> None:
        """Wait until it is so late."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    async def until(self, moment: datetime) -> None:
        """Wait until it is so late."""
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - no event says that it is so late
            await asyncio.sleep(min(left, LOOK_AGAIN))


@dataclass(slots=True)
class Counts:
    """What became of the runs of one job, since the host began or the job was changed."""

    runs: int = 0
    """Those that began."""

    failures: int = 0
    skipped: int = 0
    missed: int = 0
    running: int = 0
    next: datetime | None = None


class Scheduler:
    """Runs the jobs of a host. `keep` (again after a reload), then `close`, then `finished`."""

    def __init__(self, call: Call, log: Log, clock: Clock) -> None:
        self._call = call
        self._log = log
        self._clock = clock
        self._remembered = Remembered(lambda message: log.event("cron-state-failed", message, level="warn"))
        self._counts: dict[Job, Counts] = {}
        self._waiting: dict[Job, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()

    def keep(self, jobs: Sequence[Job]) -> None:
        """Run these jobs from now on; what is in progress of others goes on."""
        for job in self._waiting.keys() - set(jobs):
            self._waiting.pop(job).cancel()
            del self._counts[job]
        self._remembered.retain(jobs)
        for job in jobs:
            if job not in self._waiting:
                self._counts[job] = Counts()
                self._waiting[job] = asyncio.create_task(self._wait(job, self._counts[job]))
                self._waiting[job].add_done_callback(self._stopped)

    def close(self) -> None:
        """Begin no more runs."""
        self.keep(())

    async def finished(self) -> None:
        """Wait for the ends of the runs that are in progress: their workers end them, or end."""
        await asyncio.gather(*self._running)

    def metrics(self) -> list[JsonObject]:
        """Return what became of the runs of each job."""
        return [_metrics(job, counts) for job, counts in self._counts.items()]

    async def _wait(self, job: Job, counts: Counts) -> None:
        last, now = self._remembered.last(job), self._clock.now()
        if last is None or last > now:
            last = now
            self._remembered.remember(job, now)
        while (moment := next(job.planned(last), None)) is not None:
            counts.next = moment
            why = _DOWN if moment <= now else _ASLEEP
            await self._clock.until(moment)
            last = self._due(job, counts, last, why)

    def _stopped(self, waiting: asyncio.Task[None]) -> None:
        """Say that a job is not run any more, which only a fault of ours can cause."""
        if not waiting.cancelled() and (error := waiting.exception()) is not None:
            self._log.event("cron-stopped", f"a job is not run any more: {error!r}", level="error")

    def _due(self, job: Job, counts: Counts, last: datetime, why: str) -> datetime:
        """Begin the run whose moment it is, say what was missed before it, and return the last planned moment."""
        now = self._clock.now()
        moments = takewhile(lambda moment: moment <= now, job.planned(last))
        due = list(islice(moments, MOST_MISSED)) or [now]
        many = len(due) == MOST_MISSED
        last = now if many else due[-1]
        self._remembered.remember(job, last)
        on_time = not many and now - due[-1] <= LATE
        if missed := due[:-1] if on_time else due:
            self._miss(job, counts, missed, why, many=many)
        if on_time:
            self._begin(job, counts, due[-1])
        return last

    def _miss(self, job: Job, counts: Counts, missed: Sequence[datetime], why: str, *, many: bool) -> None:
        counts.missed += len(missed)
        number = f"{len(missed)} or more" if many else str(len(missed))
        runs = "1 run was" if number == "1" else f"{number} runs were"
        message = f"{job.name}: {runs} missed since {_text(missed[0])}: {why}"
        span = {"since": _text(missed[0]), "until": _text(missed[-1])}
        self._say("cron-missed", job, message, "warn", missed=len(missed), **span)

    def _begin(self, job: Job, counts: Counts, planned: datetime) -> None:
        if counts.running and not job.overlap:
            counts.skipped += 1
            message = (
                f"{job.name}: the run of {_text(planned)} is left out, because the one before it goes on"
            )
            self._say("cron-skipped", job, message, "warn", planned=_text(planned))
            return
        counts.runs += 1
        counts.running += 1
        task = asyncio.create_task(self._run(job, counts, planned))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, job: Job, counts: Counts, planned: datetime) -> None:
        try:
            ran = await self._call(order(job, planned))
        finally:
            counts.running -= 1
        took = f"{ran.microseconds / 1000:.0f} ms"
        about = {"planned": _text(planned), "request_id": ran.id, "microseconds": ran.microseconds}
        if ran.failure is None:
            self._say("cron-ran", job, f"{job.name} ran in {took}", "info", **about)
            return
        counts.failures += 1
        message = f"{job.name} failed after {took}: {ran.failure}"
        self._say("cron-failed", job, message, "error", reason=ran.failure, **about)

    def _say(self, event: str, job: Job, message: str, level: Level, **details: object) -> None:
        about = {"app": job.app, "component": job.component, "schedule": job.schedule}
        self._log.event(event, message, level=level, **about, **details)


def order(job: Job, planned: datetime) -> JsonObject:
    """Return the order for one run."""
    return {
        "app": job.app,
        "component": job.component,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "planned": int(planned.timestamp()),
        "id": os.urandom(16).hex(),
    }


def _metrics(job: Job, counts: Counts) -> JsonObject:
    return {
        "app": job.app,
        "component": job.component,
        "schedule": job.schedule,
        "timezone": job.timezone,
        "runs": counts.runs,
        "failures": counts.failures,
        "skipped": counts.skipped,
        "missed": counts.missed,
        "running": counts.running,
        "next": None if counts.next is None else _text(counts.next),
    }


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
