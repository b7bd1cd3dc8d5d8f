"""Buckets and objects on a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from nats.errors import ConnectionClosedError
from nats.js.client import JetStreamContext

from wisp.errors import LatticeError
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.nats.connection import arrived, connect
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.nats.tasks import ended
from wisp.lattice.plan.lease import Lease
from wisp.lattice.state import State, Timing

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js.api import ConsumerInfo

    from tests.integration.lattice.conftest import Connect
    from wisp.lattice.nats_server.server import Server

QUICK = Timing(lease=1.0, renew=0.3, settle=2.0)


async def test_of_two_who_write_in_place_of_the_same_value_one_fails(open_state: Connect) -> None:
    one, other = await open_state(), await open_state()
    revision = await one.desired.create("app.a", b"first")

    await one.desired.update("app.a", b"one", revision)
    with pytest.raises(Conflict):
        await other.desired.update("app.a", b"other", revision)

    found = await other.desired.get("app.a")
    assert found is not None
    assert found.value == b"one"


async def test_a_key_that_was_removed_can_be_created_again(open_state: Connect) -> None:
    state = await open_state()
    await state.desired.create("app.a", b"first")
    with pytest.raises(Conflict):
        await state.desired.create("app.a", b"second")

    await state.desired.remove("app.a")

    assert await state.desired.get("app.a") is None
    await state.desired.create("app.a", b"second")


async def test_a_lease_that_is_not_renewed_ends_and_a_mirror_sees_it(open_state: Connect) -> None:
    state = await open_state()
    async with state.live.mirror("host.*") as mirror:
        await Lease.take(state.live, "host.a", b"here", QUICK)
        while "host.a" not in mirror.entries:
            await mirror.changed()
        while "host.a" in mirror.entries:
            await mirror.changed()

    assert await state.live.get("host.a") is None
    await Lease.take(state.live, "host.a", b"again", QUICK)


async def test_a_lease_that_is_renewed_stays(open_state: Connect) -> None:
    state = await open_state()
    lease = await Lease.take(state.live, "host.a", b"here", QUICK)
    other = await Lease.take(state.live, "host.b", b"here", QUICK)
    keeping = asyncio.create_task(lease.keep())

    async with state.live.mirror("host.*") as mirror:
        while "host.b" in mirror.entries:
            await mirror.changed()
        assert "host.a" in mirror.entries
    await ended([keeping])

    with pytest.raises(Conflict):
        await other.keep()  # it has ended, and says so


async def test_an_object_is_what_its_digest_says(open_state: Connect) -> None:
    state = await open_state()
    content = bytes(range(256)) * 4096

    digest = await state.objects.put(content)

    assert digest == digest_of(content)
    assert await state.objects.get(digest) == content
    assert await state.objects.has(digest)


async def test_an_object_that_is_something_else_is_refused(open_state: Connect) -> None:
    state = await open_state()
    digest = digest_of(b"what was meant")
    await state.objects._store.put(digest, b"what somebody put there")

    with pytest.raises(LatticeError, match="is something else"):
        await state.objects.get(digest)


async def test_an_object_that_is_not_there_is_said_to_be_missing(open_state: Connect) -> None:
    state = await open_state()

    with pytest.raises(LatticeError, match="has no object sha256:"):
        await state.objects.get(digest_of(b"nothing"))


async def test_a_lattice_that_nobody_has_made_is_not_made_by_looking(server: Server) -> None:
    async with connect(server.url, name="a test") as connection:
        with pytest.raises(LatticeError, match="there is no lattice nowhere"):
            await State.open(connection, "nowhere")


async def test_without_the_token_nobody_is_let_in(server: Server) -> None:
    stranger = server.url.replace(server.url.split("@")[0], "nats://guess")

    with pytest.raises(LatticeError, match="does not let us in"):
        async with connect(stranger, name="a stranger"):
            pass


async def test_a_connection_is_over_when_the_server_ends(server: Server) -> None:
    async with connect(server.url, name="a test") as connection:
        await server.stop()
        async with asyncio.timeout(10):
            await connection.over.wait()


async def test_nobody_waits_for_an_answer_when_the_connection_has_ended(server: Server) -> None:
    asked = asyncio.Event()

    async def heard(_: Msg) -> None:
        asked.set()

    async with (
        connect(server.url, name="who is silent") as silent,
        connect(server.url, name="who asks") as asks,
    ):
        await silent.client.subscribe("question", cb=heard)
        await arrived(silent.client)
        question = asyncio.create_task(asks.client.request("question", timeout=3600))
        async with asyncio.timeout(20):
            await asked.wait()

            await server.stop()

            with pytest.raises(ConnectionClosedError):
                await question


async def test_where_nobody_listens_the_message_says_so_without_the_token(server: Server) -> None:
    await server.stop()

    with pytest.raises(LatticeError, match="no NATS server answers at nats://127") as caught:
        async with connect(server.url, name="a test"):
            pass
    assert server.url.split("//")[1].split("@")[0] not in str(caught.value)


async def test_what_has_been_sent_and_has_not_come_yet_is_not_taken_for_nothing(
    open_state: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client says that there is nothing when the server has sent all of it, and none of it has arrived."""
    bucket = (await open_state()).desired
    for number in range(3):
        await bucket.put("app.shop", str(number).encode())
    await bucket.put("app.blog", b"x")
    subscriptions = JetStreamContext.PushSubscription
    asked = subscriptions.consumer_info

    async def sent_already(subscription: JetStreamContext.PushSubscription) -> ConsumerInfo:
        info = await asked(subscription)
        info.num_pending = 0
        return info

    monkeypatch.setattr(subscriptions, "consumer_info", sent_already)
    monkeypatch.setattr(subscriptions, "delivered", 0)

    assert {key: entry.value for key, entry in (await bucket.entries("app.*")).items()} == {
        "app.shop": b"2",
        "app.blog": b"x",
    }
    assert await bucket.history("app.shop") == [b"0", b"1", b"2"]
    assert await bucket.entries("drain.*") == {}
    assert await bucket.history("app.other") == []


async def test_a_lease_that_is_renewed_wakes_nobody_and_its_end_does(open_state: Connect) -> None:
    bucket = (await open_state()).live
    revision = await bucket.put("host.a", b"here", lease=1)
    async with bucket.mirror("host.*") as mirror:
        await mirror.changed()
        renewed = await bucket.update("host.a", b"here", revision, lease=1)
        await bucket.put("host.b", b"new")
        await mirror.changed()

        assert mirror.entries["host.a"].revision == renewed
        assert mirror.entries.keys() == {"host.a", "host.b"}
        await bucket.put("host.b", b"new")
        await asyncio.wait_for(mirror.changed(), 20)
        assert mirror.entries.keys() == {"host.b"}


async def test_a_server_soon_forgets_a_mirror_that_was_closed(server: Server, open_state: Connect) -> None:
    bucket = (await open_state()).live
    await bucket.put("host.a", b"here")
    async with connect(server.url, name="one who listens") as listening:
        ends = await listening.client.subscribe("$JS.EVENT.ADVISORY.CONSUMER.DELETED.>")
        await listening.client.flush()
        assert (await bucket.entries("host.*")).keys() == {"host.a"}

        # The client's own default is five minutes.
        await ends.next_msg(timeout=20)
