"""What people ask of a lattice: deploy, scale, delete, drain, and how things are.

All of it is a change of desired state, by compare-and-set, and looking at what follows from it; no host is asked anything.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wisp.errors import HostError, LatticeError
from wisp.host.clashes import refuse_clashes
from wisp.lattice import state
from wisp.lattice.commands.changing import Wanted, deployed, gone_back, promoted, scaled
from wisp.lattice.commands.collecting import settled, whole
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.nats.connection import Silence
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.records import App, Assignment, Drain, PlannerRecord
from wisp.lattice.running.preparing import read_locked
from wisp.lattice.state import ASSIGNMENT, PLANNER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from wisp.lattice.commands.changing import Changes
    from wisp.lattice.nats.bucket import Mirror
    from wisp.lattice.plan.versions import StrategyChanges
    from wisp.lattice.records import HostRecord, Observed, ObservedApp, Placed
    from wisp.lattice.state import State

ATTEMPTS: Final = 50
"""How often a change is tried when others change the same app meanwhile."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An app to deploy."""

    name: str
    version: str
    locked: bytes = field(repr=False)
    components: Mapping[str, Callable[[], bytes]]
    """How to read each component, and each folder as an object, by digest."""

    source: str | None = None
    """The reference that it was pulled by, with a digest."""

    evidence: str | None = None
    """What speaks for that artifact, for the policies of hosts."""


@dataclass(frozen=True, slots=True)
class View:
    """A lattice at one moment."""

    apps: Mapping[str, App]
    hosts: Mapping[str, HostRecord]
    draining: frozenset[str]
    observed: Mapping[str, Observed]
    assignment: Assignment | None
    planner: str | None
    """The host that plans."""

    def placed(self, app: str) -> Placed | None:
        """Return where an app is."""
        return self.assignment.placed(app) if self.assignment else None

    def versions(self, app: str) -> tuple[Placed, ...]:
        """Return where each version of an app is, the one that is wanted first."""
        return self.assignment.versions(app) if self.assignment else ()

    def said(self, app: str, host: str) -> ObservedApp | None:
        """Return what a host that is there says of an app."""
        said = self.observed.get(host) if host in self.hosts else None
        return next((one for one in said.apps if one.app == app), None) if said else None


async def deploy(
    lattice: State,
    bundle: Bundle,
    changes: Changes,
    report: Callable[[str], None],
    strategy: StrategyChanges | None = None,
) -> App:
    """Put an app and its components into the lattice, and want it from now on. Raises LatticeError."""
    _require_lattice(lattice)
    await _refuse_clashes(lattice, bundle)
    locked = digest_of(bundle.locked)
    contents = {**bundle.components, locked: lambda: bundle.locked}
    wanted = Wanted(
        bundle.name, bundle.version, locked, changes, strategy or {}, bundle.source, bundle.evidence
    )

    async def write() -> App:
        return await _revise(lattice, bundle.name, lambda before: deployed(before, wanted, _now()))

    return await settled(lattice, contents, write, report)


async def current(lattice: State, name: str) -> tuple[App, int]:
    """Return an app that is wanted, and at which revision of its key it was read. Raises LatticeError."""
    _require_lattice(lattice)
    found = await lattice.desired.get(f"app.{name}")
    app = _required(App.read(found.value) if found else None, name, lattice)
    return app, found.revision if found else 0


async def scale(lattice: State, name: str, changes: Changes) -> App:
    """Change where and how often an app is wanted. Raises LatticeError."""
    _require_lattice(lattice)
    return await _revise(lattice, name, lambda before: scaled(_required(before, name, lattice), changes))


async def promote(lattice: State, name: str) -> App:
    """Want the version that is a canary everywhere. Raises LatticeError."""
    _require_lattice(lattice)
    return await _revise(lattice, name, lambda before: promoted(_required(before, name, lattice)))


async def rollback(lattice: State, name: str, to: int | None) -> App:
    """Want an earlier version of an app: that of a revision, or the one before the version that is wanted now. Raises LatticeError."""
    _require_lattice(lattice)
    earlier = [App.read(value) for value in await lattice.desired.history(f"app.{name}")]

    def wanted(before: App | None) -> App:
        return gone_back(_required(before, name, lattice), earlier, to, _now())

    return await whole(lattice, await _revise(lattice, name, wanted))


async def delete(lattice: State, name: str) -> App:
    """Want an app no more. Raises LatticeError."""
    _require_lattice(lattice)

    def wanted(before: App | None) -> App:
        known = _required(before, name, lattice)
        return known.model_copy(update={"revision": known.revision + 1, "deleted": True})

    return await _revise(lattice, name, wanted)


async def drain(lattice: State, host: str, *, undo: bool = False) -> None:
    """Have everything leave a host, or come back to it. Raises LatticeError."""
    _require_lattice(lattice)
    key = f"drain.{host}"
    if undo:
        if await lattice.desired.get(key):
            await lattice.desired.remove(key)
        return
    if await lattice.live.get(f"host.{host}") is None:
        message = f"the lattice {lattice.name} has no host {host}"
        raise LatticeError(message, hint="`wisp hosts` lists them")
    await lattice.desired.put(key, Drain(host=host).to_bytes())


async def view(lattice: State) -> View:
    """Return how a lattice is now. Raises LatticeError."""
    async with _mirrors(lattice) as (desired, live):
        return _view(desired, live)


async def until(lattice: State, look: Callable[[View], bool], limit: float | None) -> View:
    """Wait until a lattice looks so, or for so many seconds, and return how it is then. Raises LatticeError."""
    async with _mirrors(lattice) as (desired, live):
        try:
            async with asyncio.timeout(limit):
                while not look(_view(desired, live)):
                    await desired.changed()
        except TimeoutError:
            pass  # whoever asked looks for himself
        return _view(desired, live)


@asynccontextmanager
async def _mirrors(lattice: State) -> AsyncIterator[tuple[Mirror, Mirror]]:
    changed = asyncio.Event()
    async with (
        lattice.desired.mirror("app.*", "drain.*", ASSIGNMENT, changed=changed) as desired,
        lattice.live.mirror("host.*", "observed.*", PLANNER, changed=changed) as live,
    ):
        yield desired, live


def _view(desired: Mirror, live: Mirror) -> View:
    assignment, planner = desired.entries.get(ASSIGNMENT), live.entries.get(PLANNER)
    return View(
        apps={name: app for name, app in state.apps(desired.entries).items() if not app.deleted},
        hosts=state.hosts(live.entries),
        draining=state.draining(desired.entries),
        observed=state.observed(live.entries),
        assignment=Assignment.read(assignment.value) if assignment else None,
        planner=PlannerRecord.read(planner.value).host if planner else None,
    )


async def _revise(lattice: State, name: str, wanted: Callable[[App | None], App]) -> App:
    """Write an app in place of the one that was read. When somebody else was quicker, theirs is read, and it is tried again.

    What was not answered may have been written all the same, which is looked for before it is tried again.
    """
    key, unanswered = f"app.{name}", None
    for _ in range(ATTEMPTS):
        found = await lattice.desired.get(key)
        if unanswered and found and found.value == unanswered.to_bytes():
            return unanswered
        app = await newer(lattice, wanted(App.read(found.value) if found else None))
        try:
            if found:
                await lattice.desired.update(key, app.to_bytes(), found.revision)
            else:
                await lattice.desired.create(key, app.to_bytes())
        except Conflict:
            continue
        except Silence:
            unanswered = app
            continue
        return app
    message = f"others change the app {name} all the time"
    raise LatticeError(message, hint="try again")


async def newer(lattice: State, app: App) -> App:
    """Count on from what runs, should NATS have lost later records of this app: a planner takes an earlier one for a loss."""
    assignment = await lattice.assignment()
    placed = assignment.versions(app.name) if assignment else ()
    newest = max((one.revision for one in placed), default=0)
    return app if newest < app.revision else app.model_copy(update={"revision": newest + 1})


def _now() -> int:
    return time.time_ns() // 1_000_000


def _required(app: App | None, name: str, lattice: State) -> App:
    if app is None or app.deleted:
        message = f"the lattice {lattice.name} has no app {name}"
        raise LatticeError(message, hint="`wisp apps` lists them")
    return app


def _require_lattice(lattice: State) -> None:
    if lattice.identity is None:
        message = f"NATS has lost the data of the lattice {lattice.name}, or no host has joined it yet"
        hint = "start a host, or write the data back with `wisp lattice restore` where a host runs"
        raise LatticeError(message, hint=hint)


async def _refuse_clashes(lattice: State, bundle: Bundle) -> None:
    """Refuse an app that claims requests of another one: any host may run both. Raises LatticeError."""
    others = state.apps(await lattice.desired.entries("app.*"))
    others.pop(bundle.name, None)
    mine = read_locked(bundle.locked).to_data()
    for other in others.values():
        if other.deleted:
            continue
        try:
            theirs = read_locked(await lattice.objects.get(other.digest)).to_data()
        except LatticeError as error:
            message = f"whether {bundle.name} claims requests of {other.name} cannot be told: {error.message}"
            hint = f"`wisp lattice restore` on the hosts of {other.name} writes it back; so does deploying {other.name} again"
            raise LatticeError(message, hint=hint) from error
        try:
            refuse_clashes([theirs, mine])
        except HostError as error:
            raise LatticeError(
                error.message, hint="give one of them another route, host or method"
            ) from error
