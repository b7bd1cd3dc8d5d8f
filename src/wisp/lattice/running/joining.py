"""A host's part in its lattice, while NATS is there: its lease, the assignment, what it says of itself, and planning.

When the connection breaks, all of it ends and is begun anew with the next one. What the host serves is not touched by that.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from wisp.errors import ArtifactError, LatticeError, WispError
from wisp.lattice.membership.access import OPEN
from wisp.lattice.nats.connection import connect
from wisp.lattice.nats.tasks import first
from wisp.lattice.plan.lease import Lease
from wisp.lattice.plan.planner import Planner
from wisp.lattice.records import Assignment, HostRecord, Identity
from wisp.lattice.state import ASSIGNMENT, IDENTITY, State, Timing, apps

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from typing import Any

    from wisp.host.log import Level, Log
    from wisp.lattice.membership.access import Access
    from wisp.lattice.membership.belonging import Belonging
    from wisp.lattice.nats.connection import Connection
    from wisp.lattice.records import App, Observed
    from wisp.lattice.running.keyring import Keyring
    from wisp.lattice.running.remembered import Remembered

SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds between attempts to reach NATS."""

KEYS_RETRY: Final = 5.0
"""Seconds until keys are asked for again that nobody could give."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a lattice is."""

    nats: str = field(repr=False)
    """May have a token in it."""

    lattice: str
    access: Access = OPEN
    """How this host proves itself there."""

    belonging: Belonging | None = None
    """Its part in who belongs to the lattice, if that has an authority."""

    def now(self) -> Address:
        """Return where NATS is, as far as is known now. Raises LatticeError."""
        url = self.belonging.url if self.belonging and self.access.tls_first else None
        return replace(self, nats=url) if url else self


class Membership:
    """A host's part in its lattice. `run` goes on until it is cancelled."""

    def __init__(
        self, address: Address, record: HostRecord, remembered: Remembered, keyring: Keyring, log: Log
    ) -> None:
        self._address = address
        self._record = record
        self._remembered = remembered
        self._keyring = keyring
        self._log = log
        self._timing = Timing()
        self._away: str | None = ""
        """Why NATS is away, as it was logged; None while it is there."""

        self._observed: Observed | None = None
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        """Set when what is wanted has changed, or NATS is back."""

        self._leaving = False
        self.lattice: State | None = None
        """Where artifacts are fetched from; None while NATS is away."""

        self.apps: Mapping[str, App] = remembered.desired()
        """What is wanted, as far as it is known: with which configuration an app is served."""

        self.assignment: Assignment | None = remembered.assignment()
        """The newest that is known."""

        self._keeping: asyncio.Task[None] | None = None
        """What writes the newest assignment to the disk, which may take longer than fetching what is in it."""

        self.beside: Callable[[State], Coroutine[Any, Any, None]] | None = None
        """What else is done while NATS is there."""

        self.changed = asyncio.Event()
        """Set when there is a newer assignment or configuration, or NATS is back."""

        self._tell_identity(remembered.identity())

    def say(self, observed: Observed) -> None:
        """Say how things are on this host: now, or when NATS is back."""
        if observed != self._observed:
            self._observed = observed
            self._news.set()

    def leave(self) -> None:
        """Give the lease back when `run` is cancelled, so that others take over at once."""
        self._leaving = True

    async def run(self) -> None:
        """Be part of the lattice whenever that is possible."""
        pause = SHORTEST_PAUSE
        while not self._leaving:
            try:
                at = await asyncio.to_thread(self._address.now)
                name = f"wisp host {self._record.name}"
                async with connect(at.nats, name=name, access=at.access) as connection:
                    lattice = await State.make(connection, self._address.lattice)
                    await self._stretch(lattice, connection)
            except WispError as error:
                self._lost(error.message)
            except Exception as error:  # noqa: BLE001 - a fault of ours in here must not stop what is served
                self._lost(f"a fault in wisp: {type(error).__name__}: {error}")
            else:
                pause = SHORTEST_PAUSE
            self.lattice = None
            self._keyring.forget()
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _stretch(self, lattice: State, connection: Connection) -> None:
        """Take part until the connection is over, or something fails."""
        over = connection.over
        belonging = asyncio.create_task(self._belong(lattice))
        await first(belonging, asyncio.create_task(over.wait()))
        if belonging.cancelled():
            return
        lease = await self._lease(lattice)
        self._joined()
        self.lattice = lattice
        self.changed.set()
        self._wanted.set()
        beside = [asyncio.create_task(self.beside(lattice))] if self.beside else []
        try:
            await first(
                *beside,
                asyncio.create_task(over.wait()),
                asyncio.create_task(lease.keep()),
                asyncio.create_task(self._follow(lattice)),
                asyncio.create_task(self._remember(lattice)),
                asyncio.create_task(self._keys(lattice)),
                asyncio.create_task(self._report(lattice)),
                *self._others(lattice),
                asyncio.create_task(
                    Planner(lattice, self._record.name, self._tell, self._timing).run(self.assignment)
                ),
            )
            self._lost("the connection to NATS has ended")
        finally:
            if self._leaving:
                with contextlib.suppress(LatticeError):
                    await lattice.live.remove(f"observed.{self._record.name}")
                await lease.end()

    def _others(self, lattice: State) -> list[asyncio.Task[None]]:
        """Begin what else a host takes part in."""
        belonging = self._address.belonging
        return [asyncio.create_task(belonging.run(lattice))] if belonging else []

    async def _belong(self, lattice: State) -> None:
        """See to it that this is the lattice that we belong to; wait for that as long as it is not."""
        known = self._remembered.identity()
        if known is None:
            founded = await lattice.founded()
            self._remembered.keep_identity(founded)
            self._tell_identity(founded)
            return
        async with lattice.desired.mirror(IDENTITY) as mirror:
            while True:
                entry = mirror.entries.get(IDENTITY)
                found = Identity.read(entry.value) if entry else None
                if found == known:
                    return
                self._lost(
                    "NATS has lost the data of this lattice; what runs here goes on, and `wisp lattice restore` writes them back"
                    if found is None
                    else f"NATS has another lattice {lattice.name} now; what runs here goes on. To join that one, stop this"
                    f" host and remove {self._remembered.folder}"
                )
                await mirror.changed()

    def _tell_identity(self, identity: Identity | None) -> None:
        """Let machines that we let in know which lattice it is."""
        if identity is not None and self._address.belonging is not None:
            self._address.belonging.identity = identity.id

    async def _lease(self, lattice: State) -> Lease:
        """Take the lease of our name, or take it over from the process that we were before. Raises LatticeError."""
        key, value = f"host.{self._record.name}", self._record.to_bytes()
        found = await lattice.live.get(key)
        if found is None:
            return await Lease.take(lattice.live, key, value, self._timing)
        if HostRecord.read(found.value).token != self._record.token:
            message = f"the lattice {lattice.name} has another host {self._record.name}"
            raise LatticeError(message, hint="give this one another --name")
        return await Lease.retake(lattice.live, key, value, self._timing, found.revision)

    async def _follow(self, lattice: State) -> None:
        """Take over every assignment that is newer than the one we know."""
        async with lattice.desired.mirror(ASSIGNMENT) as mirror:
            while True:
                if entry := mirror.entries.get(ASSIGNMENT):
                    self._take(Assignment.read(entry.value))
                await mirror.changed()

    async def _remember(self, lattice: State) -> None:
        """Follow what is wanted, and remember it, for the day on which NATS has lost it."""
        async with lattice.desired.mirror("app.*") as mirror:
            while True:
                self._want(apps(mirror.entries))
                with self._tried():
                    await asyncio.to_thread(self._remembered.keep_desired, self.apps)
                await mirror.changed()

    def _want(self, found: Mapping[str, App]) -> None:
        """Take over what is wanted. An app that is not there any more is lost, and stays as it was; so is an earlier record."""
        before = self.apps
        newer = {
            name: app
            for name, app in found.items()
            if name not in before or before[name].revision <= app.revision
        }
        self.apps = {**before, **newer}
        changed = {name for name, app in self.apps.items() if app != before.get(name)}
        if changed:
            self._wanted.set()
        # What is new has nothing to be carried out before the planner has said where.
        if self.assignment is not None and any(self.assignment.placed(name) for name in changed):
            self.changed.set()

    async def _keys(self, lattice: State) -> None:
        """See to it that we can open the secrets of what we may run, before we are to run it."""
        complete = True
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if complete else KEYS_RETRY):
                    await self._wanted.wait()
            self._wanted.clear()
            with self._tried():
                complete = await self._keyring.complete(self.apps.values(), self._record, lattice)

    def _take(self, found: Assignment) -> None:
        known = self.assignment
        if known is not None and known.lattice == found.lattice and known.number >= found.number:
            return
        self.assignment = found
        self.changed.set()
        self._keeping = asyncio.create_task(self._keep(found, self._keeping))

    async def _keep(self, found: Assignment, before: asyncio.Task[None] | None) -> None:
        """Remember an assignment, after the one before it."""
        if before is not None:
            await before
        with self._tried():
            await asyncio.to_thread(self._remembered.keep_assignment, found)

    async def kept(self) -> None:
        """Wait until the newest assignment that is known is on the disk: before this host says that it carries it out."""
        if self._keeping is not None:
            await self._keeping

    @contextlib.contextmanager
    def _tried(self) -> Iterator[None]:
        """Go on without remembering when that is not possible: a full disk is no reason to run what is not wanted any more."""
        try:
            yield
        except ArtifactError as error:
            message = f"this host would not start with what it runs: {error.message}"
            self._log.event("remember-failed", message, level="warn")

    async def _report(self, lattice: State) -> None:
        """Say how things are, once at the beginning and then whenever that changes."""
        while True:
            self._news.clear()
            if self._observed is not None:
                await lattice.live.put(f"observed.{self._record.name}", self._observed.to_bytes())
            await self._news.wait()

    def _tell(self, event: str, message: str) -> None:
        self._log.event(event, message)

    def _joined(self) -> None:
        word = "is back in" if self._away else "has joined"
        message = f"host {self._record.name} {word} the lattice {self._address.lattice}"
        self._log.event("joined", message, host=self._record.name, lattice=self._address.lattice)
        self._away = None

    def _lost(self, reason: str) -> None:
        """Say once why we are not part of the lattice."""
        if reason != self._away and not self._leaving:
            level: Level = "warn"
            self._log.event("away", f"not part of the lattice: {reason}", level=level)
        self._away = reason
