"""What must hold after every fault, looked at from outside.

1. *Acknowledged desired state is in force*: what `wisp deploy`, `scale` and `delete` have answered for, hosts answer with.
2. *At most one planner writes*: the assignments that were ever in the bucket are one chain, and each epoch has one planner.
3. *Requests outside the fault succeed*: a host that nothing has happened to answers every request, whichever host runs the app.
4. *No acknowledged write or message is lost*: writes to the stores of the lattice are there, once, and messages were taken.

`Promises` remembers what was acknowledged, `Witness` sees every assignment. Who asks each host all the time is in `traffic`, who writes and publishes in `ledger`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.e2e.lattice import get
from wisp.errors import LatticeError
from wisp.lattice.nats.tasks import first
from wisp.lattice.records import Assignment
from wisp.lattice.state import ASSIGNMENT, State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from wisp.lattice.nats.connection import Connection

VERSION = re.compile(rb"VERSION\W+(\w+)")


@dataclass(slots=True)
class Promise:
    """What the lattice has answered for, of one app."""

    revision: int = 0
    version: str | None = None
    """None when it was deleted."""

    replicas: str = "1"
    possible: set[str] = field(default_factory=set)
    """Versions that were asked for afterwards without an answer: they may be in force too."""

    running: list[str] = field(default_factory=list)
    """Versions that somebody asks for just now."""


class Promises:
    """What was acknowledged, and whether it is in force."""

    def __init__(self) -> None:
        self.apps: dict[str, Promise] = {}

    @contextlib.contextmanager
    def asking(self, app: str, version: str) -> Iterator[None]:
        """Somebody asks for a version, while the block runs."""
        promise = self.apps.setdefault(app, Promise())
        promise.possible.add(version)
        promise.running.append(version)
        yield
        promise.running.remove(version)

    def acknowledged(self, app: str, revision: int, version: str | None, replicas: str) -> None:
        """Remember what was answered for; of two answers, the one to the later revision."""
        promise = self.apps.setdefault(app, Promise())
        if revision <= promise.revision:
            return
        promise.revision, promise.version, promise.replicas = revision, version, replicas
        promise.possible = {one for one in promise.running if one != version}

    def broken(self, told: Mapping[str, Any], present: Collection[str]) -> list[str]:
        """Return which promises are not kept, given what `wisp apps --json` tells and which hosts there are."""
        return [
            found
            for app, promise in self.apps.items()
            if (found := _broken(app, promise, told, len(present)))
        ]


def _broken(app: str, promise: Promise, told: Mapping[str, Any], present: int) -> str | None:
    found = told.get(app)
    if found is None:
        return f"{app} is lost" if promise.version is not None else None
    if promise.version is None and not promise.possible:
        return f"{app} was deleted, and is there"
    if found["revision"] < promise.revision:
        return f"{app} is at revision {found['revision']}, and {promise.revision} was acknowledged"
    wanted = present if promise.replicas == "per-host" else min(int(promise.replicas), present)
    if not found["complete"] or (len(found["hosts"]) != wanted and not promise.possible):
        return f"{app} does not run on {wanted} hosts: {found}"
    return _answers(found, {promise.version, *promise.possible})


def _answers(found: Mapping[str, Any], versions: set[str | None]) -> str | None:
    """Ask every host that is said to run an app."""
    for host in found["hosts"]:
        status, body = get(f"{host['url']}/{found['app']}/environment")
        version = VERSION.search(body)
        if status != 200 or version is None or version[1].decode() not in versions:
            return f"host {host['host']} answers for {found['app']} with {status} {body[:100]!r}, not with one of {versions}"
    return None


class Witness:
    """Sees every assignment that is written, for as long as the block runs, whatever happens to NATS."""

    def __init__(
        self, connected: Callable[[str], AbstractAsyncContextManager[Connection]], lattice: str
    ) -> None:
        """Make it; `connected` reaches NATS, under a name."""
        self._connected, self._lattice = connected, lattice
        self.seen: list[Assignment] = []
        self._known: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._look()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _look(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(LatticeError):
                async with self._connected("a witness") as connection:
                    state = await State.open(connection, self._lattice)
                    await first(
                        asyncio.create_task(self._follow(state)),
                        asyncio.create_task(self._end(connection.over)),
                    )
            await asyncio.sleep(0.2)

    async def _end(self, over: asyncio.Event) -> None:
        while not self._stop.is_set() and not over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.2)

    async def _follow(self, state: State) -> None:
        """Read the history whenever there is a new one: ten are kept, so none is missed."""
        async with state.desired.mirror(ASSIGNMENT) as mirror:
            while True:
                for value in await state.desired.history(ASSIGNMENT):
                    if value not in self._known:
                        self._known.add(value)
                        self.seen.append(Assignment.read(value))
                await mirror.changed()

    def runners(self, app: str) -> set[str]:
        """Return the hosts that requests for an app go to, as it was written last."""
        if not self.seen:
            return set()
        return {host for placed in self.seen[-1].versions(app) for host in placed.answering}

    def broken(self) -> list[str]:
        """Return where two planners have written."""
        wrong: list[str] = []
        numbers: dict[int, Assignment] = {}
        planners: dict[int, str] = {}
        for one in self.seen:
            if numbers.setdefault(one.number, one) != one:
                wrong.append(
                    f"there are two assignments {one.number}, of {numbers[one.number].planner} and {one.planner}"
                )
            if planners.setdefault(one.epoch, one.planner) != one.planner:
                wrong.append(
                    f"in epoch {one.epoch} both {planners[one.epoch]} and {one.planner} have written"
                )
        chain = [numbers[number] for number in sorted(numbers)]
        wrong += [
            f"assignment {after.number} is of epoch {after.epoch}, an earlier one of {before.epoch}"
            for before, after in itertools.pairwise(chain)
            if after.epoch < before.epoch
        ]
        return wrong
