"""How many messages a lattice costs that has nothing to do: so many for each host, whatever their number."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from wisp.lattice.nats.connection import connect
from wisp.lattice.nats.tasks import ended
from wisp.lattice.plan.lease import Lease
from wisp.lattice.plan.planner import Planner
from wisp.lattice.records import HostRecord
from wisp.lattice.state import ASSIGNMENT, PLANNER, State, Timing

if TYPE_CHECKING:
    from wisp.lattice.nats.connection import Connection
    from wisp.lattice.nats_server.server import Server

QUICK = Timing(lease=2.0, renew=0.5, settle=1.0)
RENEWALS = 6


async def messages(server: Server, lattice: str, count: int) -> float:
    """Return how many messages a host sends and gets for each renewal, in a lattice of so many."""
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(connect(server.url, name="a test")) for _ in range(count)
        ]
        states = [await State.make(connection, lattice) for connection in connections]
        tasks = [
            asyncio.create_task(part)
            for number, state in enumerate(states)
            for part in (
                (await _lease(state, number)).keep(),
                Planner(state, f"host-{number}", lambda event, message: None, QUICK).run(),
                _follow(state),
            )
        ]
        try:
            watcher = await stack.enter_async_context(connect(server.url, name="a test"))
            looking = await State.make(watcher, lattice)
            await _renewals(looking, 1)
            before = sum(map(_count, connections))
            await _renewals(looking, RENEWALS)
            return (sum(map(_count, connections)) - before) / count / RENEWALS
        finally:
            await ended(tasks)


async def _renewals(state: State, count: int) -> None:
    """Wait until the planner's lease was renewed so often. Mirrors say nothing of renewals."""
    seen: set[int] = set()
    while len(seen) <= count:
        if entry := await state.live.get(PLANNER):
            seen.add(entry.revision)
        await asyncio.sleep(QUICK.renew / 20)


async def _lease(state: State, number: int) -> Lease:
    name = f"host-{number}"
    record = HostRecord(name=name, token=name, url="http://127.0.0.1:1", workers=1, version="0")
    return await Lease.take(state.live, f"host.{name}", record.to_bytes(), QUICK)


async def _follow(state: State) -> None:
    async with state.desired.mirror(ASSIGNMENT) as mirror:
        while True:
            await mirror.changed()


def _count(connection: Connection) -> int:
    stats = connection.jetstream._nc.stats
    return int(stats["in_msgs"] + stats["out_msgs"])


async def test_the_messages_of_a_host_do_not_grow_with_the_number_of_hosts(server: Server) -> None:
    few = await messages(server, "few", 3)
    many = await messages(server, "many", 15)

    # A renewal and its answer, what the planner is told of it, the planner's own renewal, and signs of life of the watches.
    assert few < 8
    assert many < few * 1.5
