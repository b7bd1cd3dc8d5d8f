"""Running a host from its first second to its last: start, reload, drain.

The order of the start is chosen for speed: the address is claimed and the worker processes are spawned first, and while
they start, the apps are prepared. That also reports a port in use before a build of minutes, not after.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from wisp.errors import HostError, WispError
from wisp.host.admin import Admin
from wisp.host.cron import Clock, Scheduler, SystemClock
from wisp.host.schedule import jobs
from wisp.host.signals import Signals
from wisp.host.supervisor import Recover, Supervisor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from wisp.host.address import Address
    from wisp.host.log import Log
    from wisp.host.settings import HostSettings, JsonObject, Start

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a host that has just started can be reached."""

    url: str
    admin: str | None
    workers: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the host asks of whoever starts it, because it does not know manifests and builders."""

    prepare: Callable[[], Awaitable[Start]]
    """Makes the apps, at the start and again for each reload. Raises WispError."""

    recover: Recover
    """Compiles one component anew, after a worker refused its artifact."""

    listening: Callable[[Listening], None]
    """Told once, when requests are answered."""

    failed: Callable[[WispError], None]
    """Told why a reload failed, so that a person can read all of it; the log has one line."""

    log: Log
    """Where the host's events are written."""

    reloaded: Callable[[], None] = lambda: None
    """Told after each reload, before the log says that it is done."""

    denied: Callable[[list[JsonObject]], None] = lambda denials: None
    """Told at the end what components were denied, if anything was served."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a host is made of."""

    supervisor: Supervisor
    scheduler: Scheduler
    admin: Admin

    async def serve(self, start: Start) -> None:
        await self.supervisor.serve(start)
        self.scheduler.keep(jobs(start.apps))


class _Stopped(Exception):  # noqa: N818 - not an error: a person asked for it
    """A signal came before the host was up."""


class Service:
    """One run of a host. Made and awaited once, with `run`."""

    def __init__(
        self,
        settings: HostSettings,
        around: Surroundings,
        *,
        admin: Address | None,
        watch: bool,
        clock: Clock | None = None,
    ) -> None:
        """`clock` is the one that jobs go by, if it is not that of this machine."""
        self._settings = settings
        self._around = around
        self._admin_address = admin
        self._watch = watch
        self._clock = clock or SystemClock()
        self._log = around.log

    async def run(self) -> int:
        """Serve until a signal says to stop. Returns 0, or 128 and the signal when it came before anything was served.

        Raises WispError when serving is not possible, or not any more.
        """
        supervisor = Supervisor(self._settings, self._log, self._around.recover)
        scheduler = Scheduler(supervisor.run, self._log, self._clock)
        parts = _Parts(supervisor, scheduler, Admin(supervisor, scheduler))
        with Signals() as signals:
            try:
                start = await self._up(parts, signals)
                await self._until_stopped(parts, signals, start)
            except _Stopped:
                return signals.exit_code
            finally:
                await self._down(parts, signals)
        return 0

    async def _up(self, parts: _Parts, signals: Signals) -> Start:
        await _unless_stopped(parts.supervisor.open(), signals)
        admin_at = await parts.admin.open(self._admin_address) if self._admin_address else None
        start = await _unless_stopped(_prepared(self._around), signals)
        await _unless_stopped(parts.serve(start), signals)
        scheme = "https" if self._settings.http.tls else "http"
        listening = Listening(
            url=f"{scheme}://{parts.supervisor.listeners.address.reachable}",
            admin=f"http://{admin_at.reachable}" if admin_at else None,
            workers=self._settings.workers,
        )
        self._around.listening(listening)
        if self._settings.log.format == "json":
            self._log.event(
                "listening", f"listening on {listening.url}", url=listening.url, admin=listening.admin
            )
        return start

    async def _until_stopped(self, parts: _Parts, signals: Signals, start: Start) -> None:
        reloading = asyncio.create_task(self._reload_forever(parts, signals, start))
        stopping = asyncio.create_task(signals.stop.wait())
        exhausted = asyncio.create_task(parts.supervisor.exhaustion())
        try:
            await asyncio.wait({reloading, stopping, exhausted}, return_when=asyncio.FIRST_COMPLETED)
            if reloading.done():
                reloading.result()  # it only ends by a fault of ours, which must be seen
            if exhausted.done() and not stopping.done():
                message = f"no worker is left: {exhausted.result()}"
                raise HostError(message, kind="worker")
        finally:
            await _ended(reloading, stopping, exhausted)

    async def _reload_forever(self, parts: _Parts, signals: Signals, start: Start) -> None:
        watching = asyncio.create_task(self._watching(start, signals))
        try:
            while True:
                forced = await signals.reload_wanted()
                new = await self._reload(parts, start, forced=forced)
                if new.watch != start.watch:
                    await _ended(watching)
                    watching = asyncio.create_task(self._watching(new, signals))
                start = new
        finally:
            await _ended(watching)

    async def _watching(self, start: Start, signals: Signals) -> None:
        """Watch all the time, while a reload goes on too: what changes meanwhile causes the next one."""
        if not self._watch:
            return
        from wisp.host.watch import watch  # noqa: PLC0415 - not needed without --watch

        try:
            await watch(start.watch, signals.reload)
        except* (OSError, RuntimeError) as group:
            message = f"cannot watch for changes any more: {group.exceptions[0]}; SIGHUP still reloads"
            self._log.event("watch-failed", message, level="error")

    async def _reload(self, parts: _Parts, old: Start, *, forced: bool) -> Start:
        """Prepare and serve the apps anew; on any error of the user's the old ones stay, and the log says why."""
        began = time.monotonic()
        try:
            new = await self._around.prepare()
            if new == old and not forced:
                return old
            await parts.serve(new)
        except WispError as error:
            self._log.event(
                "reload-failed", f"reload failed, the old apps go on: {error.message}", level="error"
            )
            self._around.failed(error)
            return old
        milliseconds = round((time.monotonic() - began) * 1000)
        self._around.reloaded()
        self._log.event("reloaded", f"reloaded in {milliseconds} ms", milliseconds=milliseconds)
        return new

    async def _down(self, parts: _Parts, signals: Signals) -> None:
        supervisor = parts.supervisor
        if supervisor.status().generation:
            self._log.event("draining", f"draining, for at most {self._settings.drain_timeout:g} s")
        parts.scheduler.close()
        await supervisor.stop(signals.at_once)
        await parts.scheduler.finished()
        parts.admin.close()
        if supervisor.status().generation:
            self._log.event("stopped", "stopped")
            self._around.denied(supervisor.denials.entries())


async def _prepared(around: Surroundings) -> Start:
    return await around.prepare()


async def _unless_stopped(work: Coroutine[None, None, Outcome], signals: Signals) -> Outcome:
    """Do the work; a signal to stop ends it."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(signals.stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            raise _Stopped
        return working.result()
    finally:
        await _ended(working, stopping)


async def _ended(*tasks: asyncio.Task[Outcome] | asyncio.Task[Literal[True]] | asyncio.Task[None]) -> None:
    """Cancel what still runs, and wait for its end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
