"""The planner: the host that holds its lease computes the assignment and writes it.

Every host runs this; one at a time plans, the others wait for the end of its lease. Nothing depends on there being one only:
what a planner writes goes in place of exactly what it has read or written last, so of two planners the second write fails,
and who fails is no planner any more. A new planner writes the assignment once as it is, with the next epoch, before it
decides anything: from then on its predecessor, who may only have been frozen, cannot write.

A host that has just become planner may see fewer hosts than there are: NATS may have been away, and then all leases are gone. It
decides nothing before every host that the last assignment knew is back, or has had the time to come back. When nobody but the planner before it is
missing, that time begins when it has come itself, and is mostly over: that planner has died with its host, as all leases would have gone otherwise, ours too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, TypeAlias

from wisp.errors import LatticeError
from wisp.lattice import state
from wisp.lattice.commands.collecting import Collecting
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.nats.tasks import first
from wisp.lattice.plan.judging import judge, taken_back
from wisp.lattice.plan.lease import Lease
from wisp.lattice.plan.planning import Situation, missing_from, successor
from wisp.lattice.records import Assignment, PlannerRecord
from wisp.lattice.state import ASSIGNMENT, PLANNER, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from wisp.lattice.nats.bucket import Mirror
    from wisp.lattice.state import State

Tell: TypeAlias = "Callable[[str, str], None]"
"""Told an event and a sentence about it."""

PAUSE: Final = 0.5
"""Seconds after which a planner looks again while an app changes."""


TOGETHER: Final = 0.2
"""Seconds within which leases end that end at once, and within which all hosts hear of an end."""


class Fenced(LatticeError):  # noqa: N818 - says it all
    """Another planner writes now."""


class Planner:
    """Plans, whenever this host holds the lease."""

    def __init__(self, lattice: State, host: str, tell: Tell, timing: Timing | None = None) -> None:
        self._lattice = lattice
        self._host = host
        self._tell = tell
        self._timing = timing or Timing()
        self._revision = 0
        self._current: Assignment | None = None
        self._known: Assignment | None = None
        self._since = 0.0
        """When this host has come, by the clock of the loop."""

        self._before = host
        """Who planned before us."""

        self._lost: frozenset[str] = frozenset()

    async def run(self, known: Assignment | None = None, since: float | None = None) -> None:
        """Wait for the lease, plan, and begin anew when it is lost, until the connection breaks. Raises LatticeError.

        Args:
            known: The newest assignment that this host knows: NATS may have been set back to an older one.
            since: When this host has come, by the clock of the loop; now, if that is not said.

        """
        self._known = known
        self._since = asyncio.get_running_loop().time() if since is None else since
        while True:
            lease = await self._lease()
            try:
                await self._hold(lease)
            except Conflict:
                self._tell("planner-replaced", "another host plans now")

    async def _lease(self) -> Lease:
        """Wait until nobody holds the lease, and take it."""
        live, me = self._lattice.live, PlannerRecord(host=self._host)
        async with live.mirror(PLANNER) as planner:
            while True:
                if not planner.entries:
                    try:
                        return await Lease.take(live, PLANNER, me.to_bytes(), self._timing)
                    except Conflict:
                        pass  # another one was quicker, which the mirror will tell
                await planner.changed()
                if not planner.entries and self._is_new():
                    # Who has been there for longer has nobody to wait for, and goes first.
                    await asyncio.sleep(TOGETHER)

    def _is_new(self) -> bool:
        """Whether this host has come so lately that others may still be on their way."""
        return asyncio.get_running_loop().time() - self._since < self._timing.settle

    async def _hold(self, lease: Lease) -> None:
        """Plan for as long as the lease can be renewed. Raises Conflict when another one plans, LatticeError."""
        try:
            await first(
                asyncio.create_task(lease.keep()),
                asyncio.create_task(self.plan()),
                asyncio.create_task(
                    Collecting(self._lattice).forever(self._timing.collect, self._timing.grace, self._tell)
                ),
            )
        finally:
            await lease.end()

    async def plan(self) -> None:
        """Write assignments without end. Raises Conflict when another one has written, LatticeError."""
        changed = asyncio.Event()
        async with AsyncExitStack() as stack:
            desired = await stack.enter_async_context(
                self._lattice.desired.mirror("app.*", "drain.*", changed=changed)
            )
            live = await stack.enter_async_context(
                self._lattice.live.mirror("host.*", "observed.*", changed=changed)
            )
            current = await self.claim()
            self._tell("planner", f"this host plans, from assignment {current.number} on")
            died = self._only_planner_died(current, live)
            await self._settle(current, live, since=self._since if died else None)
            while True:
                await self._believe(live)
                now = _situation(desired, live)
                self._tell_lost(now)
                following = await self.step(now)
                await self.take_back(following, now, desired)
                await _changed(desired, PAUSE if _changing(following) else None)

    async def claim(self) -> Assignment:
        """Write the newest assignment as ours, so that nobody who has read an earlier one can write. Raises Conflict, LatticeError."""
        found = await self._lattice.desired.get(ASSIGNMENT)
        current = self._newest(Assignment.read(found.value) if found else await self._first())
        mine = current.model_copy(
            update={"number": current.number + 1, "epoch": current.epoch + 1, "planner": self._host}
        )
        await self._write(mine, found.revision if found else 0)
        self._before = current.planner
        return mine

    async def step(self, now: Situation) -> Assignment:
        """Write the assignment that follows from how things are, if it is another one. Raises Conflict, LatticeError."""
        if self._current is None:
            raise Fenced("a planner that has claimed nothing cannot write")
        # In a lattice of a thousand hosts it takes a second, in which leases must be renewed.
        following = await asyncio.to_thread(successor, self._current, now)
        if following is not self._current:
            await self._write(following, self._revision)
            self._tell("assigned", f"wrote assignment {following.number}")
        return following

    async def take_back(self, current: Assignment, now: Situation, desired: Mirror) -> None:
        """Ask for the old versions of apps again whose new ones do worse. Raises LatticeError."""
        for name in sorted({placed.app for placed in current.apps if not placed.proven} & now.apps.keys()):
            app, entry = now.apps[name], desired.entries.get(f"app.{name}")
            verdict = None if app.deleted else judge(app, current.versions(name), now.observed)
            if verdict is None or entry is None:
                continue
            with contextlib.suppress(Conflict):  # somebody wants something else by now
                content = taken_back(app, verdict, now.now).to_bytes()
                await self._lattice.desired.update(f"app.{name}", content, entry.revision)
                self._tell("taken-back", f"app {name} goes back to its version before: {verdict.why}")

    def _newest(self, found: Assignment) -> Assignment:
        """Return what to go on from: what hosts carry out already, should NATS know an earlier one only."""
        known = self._known
        newer = known is not None and known.lattice == found.lattice and known.number > found.number
        return known if known is not None and newer else found

    async def _first(self) -> Assignment:
        identity = await self._lattice.founded()
        return Assignment(lattice=identity.id, number=0, epoch=0, planner=self._host)

    async def _write(self, assignment: Assignment, revision: int) -> None:
        desired, content = self._lattice.desired, assignment.to_bytes()
        if revision:
            self._revision = await desired.update(ASSIGNMENT, content, revision)
        else:
            self._revision = await desired.create(ASSIGNMENT, content)
        self._current = assignment

    async def _believe(self, live: Mirror) -> None:
        """Wait until what is seen of hosts can be believed.

        When the clock of NATS jumps, all leases end at once, ours too, and hosts that are well seem to be gone.
        """
        current = self._current
        if current is None or not current.marks.keys() - state.hosts(live.entries).keys():
            return
        await asyncio.sleep(TOGETHER)
        if self._host in current.marks and self._host not in state.hosts(live.entries):
            await self._settle(current, live)

    def _tell_lost(self, now: Situation) -> None:
        """Say once what NATS has lost of desired state."""
        lost = missing_from(self._current, now) if self._current else frozenset()
        if lost - self._lost:
            self._tell(
                "lost",
                f"NATS has lost what was deployed last of {', '.join(sorted(lost))}, or knows an older record only; what runs"
                " goes on, and `wisp lattice restore` writes back what a host remembers",
            )
        self._lost = lost

    def _only_planner_died(self, current: Assignment, live: Mirror) -> bool:
        """Whether nobody is gone but who planned before us."""
        missing = current.marks.keys() - state.hosts(live.entries).keys()
        return missing == {self._before} - {self._host}

    async def _settle(self, current: Assignment, live: Mirror, since: float | None = None) -> None:
        """Wait until the hosts that were there are, or have had the time to come back, since a moment or now."""
        loop = asyncio.get_running_loop()
        until = (loop.time() if since is None else since) + self._timing.settle
        while current.marks.keys() - state.hosts(live.entries).keys():
            try:
                async with asyncio.timeout_at(until):
                    await live.changed()
            except TimeoutError:
                return


def _situation(desired: Mirror, live: Mirror) -> Situation:
    return Situation(
        state.apps(desired.entries),
        state.hosts(live.entries),
        state.draining(desired.entries),
        state.observed(live.entries),
        time.time_ns() // 1_000_000,
    )


def _changing(assignment: Assignment) -> bool:
    """Whether an app is in two versions: then time alone brings about the next step."""
    return len({placed.app for placed in assignment.apps}) < len(assignment.apps)


async def _changed(mirror: Mirror, limit: float | None) -> None:
    """Wait until something has changed, or for so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await mirror.changed()
