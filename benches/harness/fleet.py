"""Lattices that are larger than this machine: simulated, with wisp's own planner, placement, leases and records, in virtual time.

A simulated host does what a real one does with NATS (`wisp.lattice.running.joining`), and in place of fetching, compiling and starting workers it
waits for as long as a real host has taken for that just now. How many messages a simulated lattice needs is compared with what NATS counts for real hosts.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final, Literal, cast

from harness import virtual
from harness.hosts import Hosts, variant
from harness.section import Row, Section, of_rows
from harness.servers import MeasurementError
from harness.simulated import Broker, Bucket, Link
from wisp.lattice.commands import control
from wisp.lattice.commands.standing import standing
from wisp.lattice.nats.tasks import ended
from wisp.lattice.plan.lease import Lease
from wisp.lattice.plan.planner import Planner
from wisp.lattice.records import App, Assignment, HostRecord, Identity, Observed, ObservedApp, Wishes
from wisp.lattice.state import ASSIGNMENT, State, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.part import Context
    from wisp.lattice.commands.control import View
    from wisp.lattice.nats import bucket
    from wisp.lattice.nats.objects import Objects
    from wisp.lattice.nats.requests import Requests

EDGE: Final = 100
FASTEST, SLOWEST = 0.020, 0.200
"""Seconds of a round trip to the edge."""

EDGE_BANDWIDTH: Final = 10e6 / 8
"""Bytes a second: 10 Mbit/s."""

LOCAL: Final = 0.0005
"""Seconds of a round trip within a data centre."""

JOIN: Final = 9
"""Round trips until a host has found its buckets and the lattice's identity."""

FETCH: Final = 4
"""Round trips for one object: to look for it, and to make and end a consumer of its pieces."""

FEW, MANY = 100, 1000
APPS: Final = 100
REAL: Final = 5
LIMIT: Final = 600.0
QUIET: Final = 20.0
"""Seconds for which messages are counted."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What was measured on real hosts."""

    prepare: float
    """Seconds from knowing an assignment until the app answers: to fetch on one machine, to compile, to start workers."""

    size: int
    """Bytes of the component."""


class SimulatedHost:
    """One host."""

    def __init__(self, name: str, link: Link, constants: Constants) -> None:
        self._name = name
        self._link = link
        self._constants = constants
        self._state = state_at(link)
        self._assignment: Assignment | None = None
        self._changed, self._news = asyncio.Event(), asyncio.Event()
        self._served: dict[str, str] = {}
        self._known: set[str] = set()
        self._observed: Observed | None = None

    async def run(self) -> None:
        """Be part of the lattice until cancelled."""
        await self._link.round_trips(JOIN)
        record = HostRecord(name=self._name, token=self._name, url="http://h", workers=1, version="0")
        lease = await Lease.take(self._state.live, f"host.{self._name}", record.to_bytes(), Timing())
        planner = Planner(self._state, self._name, lambda event, message: None)
        parts = (lease.keep(), self._follow(), self._remember(), self._report(), self._carry(), planner.run())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await ended(tasks)

    async def _follow(self) -> None:
        async with self._state.desired.mirror(ASSIGNMENT) as mirror:
            while True:
                if entry := mirror.entries.get(ASSIGNMENT):
                    self._assignment = Assignment.read(entry.value)
                    self._changed.set()
                await mirror.changed()

    async def _remember(self) -> None:
        async with self._state.desired.mirror("app.*") as mirror:
            while True:
                await mirror.changed()

    async def _report(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._observed is not None:
                await self._state.live.put(f"observed.{self._name}", self._observed.to_bytes())

    async def _carry(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            assignment = self._assignment
            if assignment is None:
                continue
            placed = assignment.on(self._name)
            self._say(assignment)
            await self._learn(assignment)
            new = [one for one in placed if self._served.get(one.app) != one.digest]
            for _ in new:
                await self._link.round_trips(FETCH)
                await self._link.back(self._constants.size)
            if new:
                await asyncio.sleep(self._constants.prepare)
            self._served = {one.app: one.digest for one in placed}
            self._say(assignment)

    async def _learn(self, assignment: Assignment) -> None:
        """Fetch the manifest of each app, wherever it runs: requests for it are passed on."""
        for placed in assignment.apps:
            if placed.digest not in self._known:
                self._known.add(placed.digest)
                await self._link.round_trips(FETCH)

    def _say(self, assignment: Assignment) -> None:
        apps = tuple(
            ObservedApp(
                app=one.app,
                revision=one.revision,
                state="running" if self._served.get(one.app) == one.digest else "preparing",
                running=self._served.get(one.app),
            )
            for one in assignment.on(self._name)
        )
        said = Observed(host=self._name, assignment=assignment.number, apps=apps)
        if said != self._observed:
            self._observed = said
            self._news.set()


def state_at(link: Link) -> State:
    """Return the state of the simulated lattice, at the end of a link."""
    desired, live = (Bucket(link.broker.stores[name], link) for name in ("desired", "live"))
    return State(
        "simulated",
        Identity(id="simulated"),
        cast("bucket.Bucket", desired),
        cast("bucket.Bucket", live),
        cast("Objects", None),
        cast("Requests", None),
    )


def measure(context: Context) -> Section:
    """Measure constants on real hosts, then simulate."""
    constants, real = _constants(context)
    context.say(f"an app answers {constants.prepare * 1000:.0f} ms after a host knows of it")
    few, many = (virtual.run(at_rest(count, APPS, constants)) for count in (FEW, MANY))
    alike = virtual.run(at_rest(REAL, 1, constants))
    rows = [
        Row(
            f"{EDGE} hosts with round trips of 20 - 200 ms and 10 Mbit/s: from `wisp deploy` writing an app until all answer",
            tuple(virtual.run(edge(seed, constants)) for seed in range(context.rounds)),
            "s",
        ),
        Row(f"{MANY:,} hosts at rest, {APPS} apps: control messages a second", (many.rate,), ""),
        Row(f"... a host and second, beside {FEW} hosts", (many.rate / MANY / (few.rate / FEW),), "x", 1.1),
        Row(
            f"... when a host dies: messages until all is well again, for each of {MANY:,} hosts",
            (many.death / MANY,),
            "",
        ),
        Row(f"... beside {FEW} hosts", (many.death / MANY / (few.death / FEW),), "x", 1.5),
        Row(f"{REAL} real hosts at rest: messages a second that NATS counts", (real,), ""),
        Row("... that the simulation counts, beside it", (alike.rate / real,), "x"),
    ]
    for row in rows:
        context.say(f"{row.title}: {row.told}")
    return of_rows(rows, "simulated")


def _constants(context: Context) -> tuple[Constants, float]:
    """Deploy on a real host that knows nothing, and count the messages of some at rest."""
    wasm = context.components.rust_p2.wasm
    took = []
    with Hosts(1, alone=True) as hosts:
        for number in range(context.rounds):
            app = f"measured{number}"
            hosts.wisp("deploy", variant(hosts.folder, app, wasm), "--no-wait")
            began = time.monotonic()
            hosts.until(_complete(app, 1, 1))
            took.append(time.monotonic() - began)
    with Hosts(REAL) as hosts:
        hosts.wisp("deploy", variant(hosts.folder, "first", wasm))
        before = hosts.counted()
        time.sleep(QUIET)
        rate = (hosts.counted() - before) / QUIET
    return Constants(median(took), wasm.stat().st_size), rate


@dataclass(frozen=True, slots=True)
class Counted:
    """The messages of a simulated lattice."""

    rate: float
    """A second, at rest."""

    death: float
    """What the death of a host takes beyond that."""


async def at_rest(count: int, apps: int, constants: Constants) -> Counted:
    """Count the messages of so many hosts with so many apps of two replicas."""
    broker = Broker()
    lattice = await Simulation.of([Link(broker, LOCAL) for _ in range(count)], constants)
    for number in range(apps):
        await lattice.deploy(f"app-{number}", min(2, count))
    await lattice.until(lambda view: all(_whole(view, f"app-{number}") for number in range(apps)))
    rate = await lattice.count() / QUIET
    await ended([lattice.tasks.pop(f"h{count - 1:04}")])
    death = await lattice.count() - rate * QUIET * (count - 1) / count
    await lattice.end()
    return Counted(rate, death)


async def edge(seed: int, constants: Constants, *, hosts: int = EDGE) -> float:
    """Return how long it takes until hosts at the edge answer for a new app."""
    chance = random.Random(seed)  # noqa: S311 - it is to be the same each time
    broker, loop = Broker(), asyncio.get_running_loop()
    trips = [chance.uniform(FASTEST, SLOWEST) for _ in range(hosts)]
    lattice = await Simulation.of([Link(broker, trip, EDGE_BANDWIDTH) for trip in trips], constants)
    began = loop.time()
    await lattice.deploy("shop", "per-host")
    await lattice.until(_complete("shop", 1, hosts))
    took = loop.time() - began
    await lattice.end()
    return took


@dataclass
class Simulation:
    """A simulated lattice that runs."""

    broker: Broker
    tasks: dict[str, asyncio.Task[None]]
    state: State
    """As somebody sees it who is no part of it, and costs it nothing."""

    @classmethod
    async def of(cls, links: list[Link], constants: Constants) -> Simulation:
        """Start a host at the end of each link, and wait until it is planned with."""
        broker = links[0].broker
        tasks = {
            f"h{number:04}": asyncio.create_task(SimulatedHost(f"h{number:04}", link, constants).run())
            for number, link in enumerate(links)
        }
        tasks["beat"] = asyncio.create_task(broker.beat())
        made = cls(broker, tasks, state_at(Link(broker, LOCAL, counted=False)))
        await made.until(
            lambda view: view.assignment is not None and len(view.assignment.marks) == len(links)
        )
        return made

    async def deploy(self, name: str, replicas: int | Literal["per-host"]) -> None:
        """Want an app."""
        wishes = Wishes(replicas=replicas)
        digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        app = App(name=name, revision=1, digest=digest, version="1", wishes=wishes, since=0)
        await self.state.desired.create(f"app.{name}", app.to_bytes())

    async def until(self, look: Callable[[View], bool]) -> None:
        """Wait until it looks so."""
        view = await control.until(self.state, look, LIMIT)
        for name, task in self.tasks.items():
            if task.done():
                message = f"{name} has ended: {task.exception()}"
                raise MeasurementError(message)
        if not look(view):
            message = "the simulated lattice did not become what it should"
            raise MeasurementError(message)

    async def count(self) -> int:
        """Return the messages of the next seconds."""
        before = self.broker.messages
        await asyncio.sleep(QUIET)
        return self.broker.messages - before

    async def end(self) -> None:
        """End all of it."""
        await ended(self.tasks.values())


def _complete(app: str, revision: int, count: int) -> Callable[[View], bool]:
    def look(view: View) -> bool:
        found = standing(view, app, revision)
        return found.complete and len(found.running) == count

    return look


def _whole(view: View, app: str) -> bool:
    return standing(view, app, 1).complete
