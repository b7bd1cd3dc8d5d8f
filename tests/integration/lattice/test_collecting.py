"""Collecting what no app needs, on a real server, while others deploy."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import nats.js.errors
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.lattice.turns import Turns
from wisp.errors import LatticeError
from wisp.lattice.commands import configuring, control
from wisp.lattice.commands.collecting import Collected, Collecting
from wisp.lattice.commands.control import Bundle
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.nats.tasks import ended
from wisp.lattice.records import HostRecord
from wisp.lattice.sealing import Key
from wisp.manifest.locked import LockedGrants, LockedLimits

if TYPE_CHECKING:
    from tests.integration.lattice.conftest import Connect
    from wisp.lattice.nats_server.server import Server
    from wisp.lattice.state import State

GRANTS = LockedGrants.model_fields.keys() - {"config"}
LATER = datetime.now(UTC) + timedelta(days=1)
"""As if a day had gone by: everything that is there is old."""

LONG_AGO = datetime.now(UTC) - timedelta(days=1)


def bundle(name: str, version: str, *parts: bytes) -> Bundle:
    """Return an app that consists of these parts."""
    components = {digest_of(part): lambda part=part: part for part in parts}
    locked = json.dumps(
        {
            "schema": 1,
            "name": name,
            "version": version,
            "http": [],
            "cron": [],
            "secrets": {},
            "components": {f"c{n}": _component(digest) for n, digest in enumerate(components)},
        }
    )
    return Bundle(name, version, locked.encode(), components)


def _component(digest: str) -> dict[str, Any]:
    return {
        "digest": digest,
        "environment": {},
        "grants": {**dict.fromkeys(GRANTS, ()), "config": {}},
        "limits": dict.fromkeys(LockedLimits.model_fields, 1),
        "instances": {"reuse": 1, "idle_ms": 1, "concurrency": 1},
        "links": {},
    }


async def deploy(lattice: State, wanted: Bundle) -> None:
    await control.deploy(lattice, wanted, {}, lambda message: None)


async def founded(open_state: Connect, name: str = "test") -> State:
    await (await open_state(name)).founded()
    return await open_state(name)


async def there(lattice: State, wanted: Bundle) -> bool:
    """Whether all that an app consists of can be had, as it was."""
    for digest in (*wanted.components, digest_of(wanted.locked)):
        await lattice.objects.get(digest)
    return True


async def test_what_no_app_names_is_removed_and_what_one_can_go_back_to_stays(open_state: Connect) -> None:
    lattice = await founded(open_state)
    first, second = bundle("shop", "1", b"shared", b"old"), bundle("shop", "2", b"shared", b"new")
    gone = bundle("gone", "1", b"of a deleted app", b"shared")
    for one in (first, second, gone):
        await deploy(lattice, one)
    await control.delete(lattice, "gone")
    await lattice.objects.put(b"left over")

    nothing = await Collecting(lattice).collect(LONG_AGO)
    collected = await Collecting(lattice).collect(LATER)

    assert nothing == Collected()
    assert collected.objects == 3  # what was left over, the locked app that was deleted, and what only it had
    assert await there(lattice, first)
    assert await there(lattice, second)
    assert not await lattice.objects.has(digest_of(b"of a deleted app"))
    await control.rollback(lattice, "shop", None)
    assert (await Collecting(lattice).collect(LATER)).objects == 0


async def test_of_what_was_removed_nothing_stays(open_state: Connect) -> None:
    lattice = await founded(open_state)
    await lattice.objects.put(b"x" * 1_000_000)
    jetstream = lattice.desired._jetstream

    collected = await Collecting(lattice).collect(LATER)
    again = await Collecting(lattice).collect(LATER)

    info = await jetstream.stream_info("OBJ_wisp-test")
    assert (collected.objects, collected.size, again) == (1, 1_000_000, Collected())
    assert info.state.bytes < 1000
    for number in range(info.state.first_seq, info.state.last_seq + 1):
        with contextlib.suppress(nats.js.errors.NotFoundError):
            left = await jetstream.get_msg("OBJ_wisp-test", number)
            assert (left.headers or {})["Nats-TTL"]  # goes by itself


async def test_only_what_is_older_than_the_time_of_grace_is_removed(open_state: Connect) -> None:
    lattice = await founded(open_state)
    await lattice.objects.put(b"left over")
    collecting = Collecting(lattice)

    young = await collecting.collect(await collecting.moment(3600))
    old = await collecting.collect(await collecting.moment(0))

    assert (young.objects, old.objects) == (0, 1)


async def test_what_cannot_be_collected_is_said_and_tried_again(open_state: Connect) -> None:
    lattice = await founded(open_state)
    await deploy(lattice, bundle("shop", "1", b"whole"))
    await lattice.objects.put(b"left over")
    odd = await lattice.desired.put("app.odd", f'{{"digest": "{digest_of(b"whole")}"}}'.encode())
    [head] = [head for head in await lattice.objects.heads() if head.digest == digest_of(b"whole")]
    await lattice.desired._jetstream.publish(f"$O.wisp-test.C.{head.pieces}", b"damage")
    said: asyncio.Queue[str] = asyncio.Queue()

    collecting = asyncio.create_task(
        Collecting(lattice).forever(0.1, -1.0, lambda event, message: said.put_nowait(event))
    )
    failed = await said.get(), await said.get()
    await lattice.desired.purge("app.odd", odd)
    while (event := await said.get()) == "collect-failed":
        pass
    await ended([collecting])

    assert (failed, event) == (("collect-failed", "collect-failed"), "collected")
    assert not await lattice.objects.has(digest_of(b"left over"))


async def test_an_upload_that_was_given_up_is_removed(open_state: Connect) -> None:
    lattice = await founded(open_state)
    jetstream = lattice.desired._jetstream
    await jetstream.publish("$O.wisp-test.C.given-up", b"a piece")
    kept = await lattice.objects.put(b"whole")
    await deploy(lattice, bundle("shop", "1", b"whole"))

    collected = await Collecting(lattice).collect(LATER)

    assert (collected.pieces, collected.objects) == (1, 0)
    assert await lattice.objects.get(kept) == b"whole"


async def test_of_an_app_that_cannot_be_read_everything_stays(open_state: Connect) -> None:
    lattice = await founded(open_state)
    wanted = bundle("shop", "1", b"whole")
    await deploy(lattice, wanted)
    await lattice.desired.put("app.shop", b'{"of": "a newer wisp"}')

    await Collecting(lattice).collect(LATER)

    assert await there(lattice, wanted)


async def test_what_is_missing_stops_a_rollback(open_state: Connect) -> None:
    lattice = await founded(open_state)
    first, second = bundle("shop", "1", b"old"), bundle("shop", "2", b"new")
    await deploy(lattice, first)
    await deploy(lattice, second)
    [head] = [head for head in await lattice.objects.heads() if head.digest == digest_of(b"old")]
    await lattice.objects.remove(head)

    with pytest.raises(LatticeError, match="version 1 of shop is not complete any more"):
        await control.rollback(lattice, "shop", None)


async def test_keys_to_secrets_are_removed_when_nobody_names_them_or_their_host_may_not_have_them(
    open_state: Connect,
) -> None:
    lattice = await founded(open_state)
    for name, zone in (("a", "eu"), ("b", "us")):
        key = Key.of(name.encode() * 32).public
        record = HostRecord(
            name=name, token=name, url="http://h", labels={"zone": zone}, workers=1, version="0", xkey=key
        )
        await lattice.live.put(f"host.{name}", record.to_bytes())
    await deploy(lattice, bundle("shop", "1", b"whole"))
    await configuring.set_secret(lattice, "shop", "token", "first")
    await lattice.desired.put("sealed.shop.00000000000000000000000000000000.a", b"{}")

    stray = await Collecting(lattice).collect(LATER)
    await control.scale(lattice, "shop", {"require": {"zone": "eu"}})
    moved = await Collecting(lattice).collect(LATER)
    left = [key.rpartition(".")[2] for key in await lattice.desired.entries("sealed.>")]
    await control.delete(lattice, "shop")
    deleted = await Collecting(lattice).collect(LATER)

    assert (stray.keys, moved.keys, left, deleted.keys) == (1, 1, ["a"], 1)


COUNT = itertools.count()


BURSTS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 25)), min_size=6, max_size=20)
"""Which task goes on, and for how many requests."""


@given(BURSTS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_collected_while_apps_are_deployed_they_are_whole_afterwards(
    server: Server, open_state: Connect, bursts: list[tuple[int, int]]
) -> None:
    number = next(COUNT)
    lattice = await founded(open_state, f"l{number}")
    left_over = b"left over by a deploy that failed"
    await lattice.objects.put(left_over)
    before = bundle("shop", "1", b"shared", b"old")
    await deploy(lattice, before)
    wanted = bundle("shop", "2", b"shared", left_over, b"new"), bundle("blog", "1", left_over, b"other")

    async with Turns(server.url, f"l{number}") as stepping:
        for one in wanted:
            await stepping.begin(functools.partial(deploy, wanted=one))
        for _ in range(2):
            await stepping.begin(lambda state: Collecting(state).collect(LATER, LONG_AGO))
        await stepping.run([task for task, count in bursts for _ in range(count)])

    for one in (before, *wanted):
        assert await there(lattice, one)
    await Collecting(lattice).collect(LATER)
    for one in (before, *wanted):
        assert await there(lattice, one)
