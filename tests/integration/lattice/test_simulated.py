"""The simulation of the benchmark: its NATS does what the real one does, and what it counts does not grow with the square of hosts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from harness import virtual
from harness.fleet import Constants, at_rest, edge, state_at
from harness.simulated import Broker, Link

from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.nats.tasks import ended
from wisp.lattice.plan.lease import Lease
from wisp.lattice.state import Timing

if TYPE_CHECKING:
    from tests.integration.lattice.conftest import Connect
    from wisp.lattice.state import State

CONSTANTS = Constants(prepare=0.3, size=100_000)


async def history(state: State) -> list[object]:
    """Do what planners and hosts do with a bucket, and return what they see."""
    bucket, seen = state.live, list[object]()
    first = await bucket.create("host.a", b"1")
    for refused in (bucket.create("host.a", b"2"), bucket.update("host.a", b"2", first + 7)):
        with pytest.raises(Conflict):
            await refused
    await bucket.update("host.a", b"2", first)
    await bucket.put("observed.a", b"else")
    async with bucket.mirror("host.*", "planner") as mirror:
        seen.append(sorted(mirror.entries))
        lease = await Lease.take(bucket, "host.b", b"there", Timing(lease=2.0, renew=0.5))
        keeping = asyncio.create_task(lease.keep())
        while "host.b" not in mirror.entries:
            await mirror.changed()
        await ended([keeping])
        while "host.b" in mirror.entries:
            await mirror.changed()
        seen.append(sorted(mirror.entries))
        await bucket.remove("host.a")
        while mirror.entries:
            await mirror.changed()
    seen.append(await bucket.get("host.a"))
    await bucket.create("host.a", b"3")
    found = await bucket.get("host.a")
    seen.append(found.value if found else None)
    return seen


async def test_a_simulated_bucket_does_what_a_real_one_does(open_state: Connect) -> None:
    real = await history(await open_state())

    simulated = await asyncio.to_thread(lambda: virtual.run(_simulated()))

    assert simulated == real == [["host.a"], ["host.a"], None, b"3"]


async def _simulated() -> list[object]:
    return await history(state_at(Link(Broker(), 0.01)))


def test_messages_grow_with_hosts_and_not_with_their_square() -> None:
    few, many = (virtual.run(at_rest(count, 4, CONSTANTS)) for count in (5, 25))

    assert many.rate / 25 < 1.1 * few.rate / 5
    assert many.death / 25 < 1.5 * few.death / 5 + 5


def test_hosts_behind_slow_links_answer_after_their_round_trips_and_no_earlier() -> None:
    took = virtual.run(edge(1, CONSTANTS, hosts=10))

    assert CONSTANTS.prepare < took < 10
    assert virtual.run(edge(1, CONSTANTS, hosts=10)) == pytest.approx(took, rel=0.2)
