"""A host of a lattice: the supervisor and workers of `wisp up`, with an assignment instead of a manifest.

It carries out the newest assignment that it knows, whether NATS is there or not: at its start the one that it remembers. What it
carries out is brought about in one place, one assignment after the other; a newer one that comes meanwhile is next.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from wisp.errors import HostError, WispError
from wisp.host.admin import Admin
from wisp.host.cron import Scheduler, SystemClock
from wisp.host.signals import Signals
from wisp.host.supervisor import Supervisor
from wisp.lattice.nats.tasks import ended
from wisp.lattice.records import Observed, ObservedApp
from wisp.lattice.running.admission import admit
from wisp.lattice.running.figures import Counting, count_forever
from wisp.lattice.running.joining import Membership
from wisp.lattice.running.onlookers import Onlookers
from wisp.lattice.running.onward import Onward, advertised, keep_port
from wisp.lattice.running.readiness import Readiness
from wisp.lattice.running.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from wisp.host.address import Address as ListenAddress
    from wisp.host.log import Log
    from wisp.host.relay import Relay
    from wisp.host.settings import HostSettings, JsonObject
    from wisp.lattice.records import App, Assignment, HostRecord, Placed
    from wisp.lattice.running.joining import Address
    from wisp.lattice.running.onward import ShownIdentity
    from wisp.lattice.running.preparing import Prepared, Preparing
    from wisp.lattice.running.remembered import Remembered
    from wisp.manifest.locked import LockedApp
    from wisp.registry.signing.gate import Gate

FIRST_RETRY: Final = 1.0
LAST_RETRY: Final = 30.0
"""Seconds until what could not be carried out is tried again."""

Wanted: TypeAlias = tuple[str, str | None]
"""The locked app, and its configuration, by digest."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a host of a lattice is made of."""

    settings: HostSettings
    record: HostRecord
    address: Address
    remembered: Remembered
    preparing: Preparing
    log: Log
    admin: ListenAddress | None
    advertise: str | None
    """Where others reach this host, if that is not where it listens."""

    identity: ShownIdentity
    """Who it is to other hosts, if it has a certificate."""

    relay: Relay | None = None
    """Where the log passes, for those who listen to it."""

    gate: Gate | None = None
    """What says whose artifacts may run here."""


class LatticeHost:
    """One run of a host. Made and awaited once, with `run`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._log = parts.log
        self._supervisor = Supervisor(parts.settings, parts.log, parts.preparing.recover)
        self._scheduler = Scheduler(self._supervisor.run, parts.log, SystemClock())
        name = parts.record.name
        self._onward = Onward(parts.identity, name, parts.log) if parts.settings.hosts else None
        self._serving = Serving(self._supervisor, self._scheduler, self._lattice)
        self._admin = Admin(self._supervisor, self._scheduler)
        self._errors: dict[str, tuple[Wanted, str]] = {}
        """By app: what could not run, and why."""

        self._apps: Mapping[str, App] = {}
        """What is wanted, as it was when the assignment that is carried out was begun."""

        self._counting = Counting()
        self._readiness = Readiness(parts.settings, self._lattice)
        self._said = Observed(host=parts.record.name, assignment=0)
        self._membership = self._member()
        if parts.address.belonging is not None:
            parts.address.belonging.told.append(self.renewed)
        self._membership.beside = Onlookers(parts.record.name, self._supervisor, parts.relay).run

    async def run(self) -> int:
        """Serve until a signal says to stop. Raises WispError when serving is not possible, or not any more."""
        with Signals() as signals, self._parts.remembered.held():
            try:
                await self._up()
                await self._until_stopped(signals)
            finally:
                await self._down(signals)
        return 0

    def _member(self) -> Membership:
        parts = self._parts
        scheme = "https" if parts.settings.http.tls else "http"
        url = parts.advertise or f"{scheme}://{self._supervisor.listeners.address.reachable}"
        hosts = self._supervisor.for_hosts
        peer = advertised(hosts, url) if hosts else None
        record = parts.record.model_copy(update={"url": url, "peer": peer})
        return Membership(parts.address, record, parts.remembered, parts.preparing.keyring, parts.log)

    async def _up(self) -> None:
        await asyncio.to_thread(self._parts.identity.refresh)
        await self._supervisor.open()
        admin = await self._admin.open(self._parts.admin) if self._parts.admin else None
        if hosts := self._supervisor.for_hosts:
            await asyncio.to_thread(keep_port, hosts, self._parts.remembered.folder)
        await self._serving.begin()
        await self._carry()
        url = f"http://{self._supervisor.listeners.address.reachable}"
        at = f"http://{admin.reachable}" if admin else None
        self._log.event("listening", f"listening on {url}", url=url, admin=at)
        if self._onward is None:
            message = "this host has no certificate of its lattice: requests for apps that it does not run are not sent on"
            self._log.event("forwarding-off", message)

    def _lattice(self, apps: Collection[str]) -> JsonObject | None:
        if self._onward is None:
            return None
        return self._onward.document(self._membership.assignment, apps)

    async def renewed(self) -> None:
        """Have workers show other hosts the certificate that there is now, and have nothing to do with those that were revoked."""
        await asyncio.to_thread(self._parts.identity.refresh)
        if lattice := self._lattice(self._serving.served):
            await self._supervisor.tell({"identity": lattice["identity"]}, lattice)

    async def _route(self) -> None:
        """Have workers know what is known of what runs where."""
        lattice = self._lattice(self._serving.served)
        if lattice and lattice["table"]:
            await self._supervisor.tell({"table": lattice["table"]}, lattice)

    async def _learn(self, assignment: Assignment) -> None:
        """Get to know the routes of apps that run elsewhere."""
        if self._onward is not None:
            await self._route()
            await self._onward.learn(assignment, self._locked)
            await self._route()

    async def _locked(self, placed: Placed) -> LockedApp:
        return await self._parts.preparing.locked(placed, self._membership.lattice)

    async def _until_stopped(self, signals: Signals) -> None:
        member = asyncio.create_task(self._membership.run())
        carrying = asyncio.create_task(self._carry_forever())
        stopping = asyncio.create_task(signals.stop.wait())
        exhausted = asyncio.create_task(self._supervisor.exhaustion())
        counting = asyncio.create_task(
            count_forever(self._counting, self._supervisor, self._compared, self._say)
        )
        tasks: set[asyncio.Task[Any]] = {member, carrying, counting, stopping, exhausted}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in (member, carrying, counting):
                if task.done():
                    task.result()  # they only end by a fault of ours, which must be seen
            if exhausted.done() and not stopping.done():
                message = f"no worker is left: {exhausted.result()}"
                raise HostError(message, kind="worker")
        finally:
            self._membership.leave()
            await ended(tasks)

    async def _carry_forever(self) -> None:
        """Carry out each assignment, and what could not be carried out again after a while."""
        delay = FIRST_RETRY
        while True:
            incomplete = self._onward is not None and self._onward.incomplete
            wait = delay if self._errors or incomplete else None
            try:
                async with asyncio.timeout(wait):
                    await self._membership.changed.wait()
                delay = FIRST_RETRY
            except TimeoutError:
                delay = min(LAST_RETRY, delay * 2)
            await self._carry()

    async def _carry(self) -> None:
        """Carry out the newest assignment, as far as that is possible now."""
        self._membership.changed.clear()
        self._apps = self._membership.apps
        assignment = self._membership.assignment
        if assignment is None:
            return
        placed = {one.app: one for one in assignment.on(self._parts.record.name)}
        known = self._errors
        self._errors = {
            app: one for app, one in known.items() if app in placed and self._wanted(placed[app]) == one[0]
        }
        self._observe(assignment, placed, preparing=True)
        before = self._in_force()
        learning = asyncio.create_task(self._learn(assignment))
        prepared, wrong = await self._prepared(placed)
        if self._parts.record.name not in assignment.marks:
            # It was written while we were away. What is ours is in the next one, which the planner writes when it sees us.
            prepared = {**self._serving.served, **prepared}
        try:
            wrong.update(await self._serving.serve(prepared))
        except HostError as error:
            wrong.update(dict.fromkeys(placed, error.message))
        await learning
        await self._route()
        self._complain(wrong)
        self._errors = {app: (self._wanted(placed[app]), why) for app, why in wrong.items()}
        await self._membership.kept()
        self._observe(assignment, placed, preparing=False)
        await self._give()
        after = self._in_force()
        if after != before:
            self._log.event("carried-out", _sentence(assignment.number, after), assignment=assignment.number)

    async def _prepared(self, placed: Mapping[str, Placed]) -> tuple[dict[str, Prepared], dict[str, str]]:
        """Prepare all of it. What cannot be prepared goes on as it is, if it runs."""
        outcomes = await asyncio.gather(*(self._one(one) for one in placed.values()))
        prepared: dict[str, Prepared] = {}
        wrong: dict[str, str] = {}
        for app, outcome in zip(placed, outcomes, strict=True):
            if not isinstance(outcome, WispError):
                prepared[app] = outcome
                continue
            wrong[app] = outcome.message
            if app in self._serving.served:
                prepared[app] = self._serving.served[app]
        return prepared, wrong

    def _wanted(self, placed: Placed) -> Wanted:
        app = self._apps.get(placed.app)
        return placed.digest, app.configuration if app else None

    async def _give(self) -> None:
        """Let other hosts have what this one serves, and remove what nobody needs here any more."""
        blobs = [digest for served in self._serving.served.values() for digest in served.blobs]
        await self._parts.preparing.blobs.keep(blobs, self._membership.lattice)
        await asyncio.to_thread(self._parts.preparing.tidying.now_and_then, blobs)

    def _in_force(self) -> dict[str, Wanted]:
        return {app: (served.digest, served.configuration) for app, served in self._serving.served.items()}

    async def _one(self, placed: Placed) -> Prepared | WispError:
        served, wanted = self._serving.served.get(placed.app), self._wanted(placed)
        name = self._parts.record.name
        current = served is not None and (served.digest, served.configuration) == wanted
        if served and current and served.jobs == placed.runs_jobs(name):
            return served
        try:
            if self._parts.gate is not None:
                admit(self._parts.gate, self._apps.get(placed.app), placed)
            prepared = await self._parts.preparing.prepare(placed, name, wanted[1], self._membership.lattice)
            if not (placed.proven or (served and served.digest == placed.digest)):
                await self._readiness.require(prepared)
        except WispError as error:
            return error
        return prepared

    def _complain(self, wrong: Mapping[str, str]) -> None:
        for app, why in wrong.items():
            if self._errors.get(app, ("", ""))[1] != why:
                self._log.event("app-failed", f"app {app} cannot run: {why}", level="error", app=app)

    def _observe(self, assignment: Assignment, placed: Mapping[str, Placed], *, preparing: bool) -> None:
        said = tuple(self._observed(one, preparing=preparing) for one in placed.values())
        self._said = Observed(host=self._parts.record.name, assignment=assignment.number, apps=said)
        self._say()

    def _say(self) -> None:
        """Say how things are, with what was counted."""
        apps = [
            one.model_copy(update={"figures": self._counting.of(one.app, one.running)})
            for one in self._said.apps
        ]
        self._membership.say(self._said.model_copy(update={"apps": tuple(apps)}))

    def _compared(self) -> dict[str, str]:
        """Return the versions that run here of apps that are changing."""
        assignment = self._membership.assignment
        if assignment is None or not self._serving.settled:
            return {}
        counts = Counter(placed.app for placed in assignment.apps)
        return {app: served.digest for app, served in self._serving.served.items() if counts[app] > 1}

    def _observed(self, placed: Placed, *, preparing: bool) -> ObservedApp:
        served, error = self._serving.served.get(placed.app), self._errors.get(placed.app)
        new = served is None or (served.digest, served.configuration) != self._wanted(placed)
        running = served.digest if served else None
        return ObservedApp(
            app=placed.app,
            revision=placed.revision,
            state=("failed" if error else "preparing" if preparing else "failed") if new else "running",
            running=running,
            error=error[1] if error and new else None,
            configuration=served.configuration if served else None,
        )

    async def _down(self, signals: Signals) -> None:
        timeout = self._parts.settings.drain_timeout
        self._log.event("draining", f"draining, for at most {timeout:g} s")
        self._scheduler.close()
        await self._supervisor.stop(signals.at_once)
        await self._scheduler.finished()
        self._admin.close()
        self._log.event("stopped", "stopped")


def _sentence(number: int, apps: Iterable[str]) -> str:
    names = ", ".join(sorted(apps)) or "nothing"
    return f"carried out assignment {number}: this host runs {names}"
