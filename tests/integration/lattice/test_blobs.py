"""What hosts get from each other and what from NATS's store, on a real server."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from wisp.errors import LatticeError
from wisp.lattice.nats.connection import arrived, connect
from wisp.lattice.nats.objects import digest_of
from wisp.lattice.running import blobs
from wisp.lattice.running.blobs import Blobs, first_of
from wisp.lattice.running.remembered import Remembered
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.msg import Msg

    from tests.integration.lattice.conftest import Connect
    from wisp.lattice.nats_server.server import Server
    from wisp.lattice.state import State

HOSTS = ("a", "b", "c", "d", "e")


def content(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)  # noqa: S311 - the same each time


class Host:
    """One host's blobs, with a cache of its own."""

    def __init__(self, name: str, folder: Path, lattice: State) -> None:
        self.name = name
        self.lattice = lattice
        self.cache = Cache.open(folder / name / "cache")
        self.blobs = Blobs(name, self.cache, Remembered(folder / name / "state"))

    async def get(self, digest: str, hosts: tuple[str, ...] = HOSTS) -> bytes:
        """Get a component, keep it, and give it to others."""
        found = await self.blobs.fetch(digest, hosts, self.lattice)
        self.cache.add(found)
        await self.blobs.offer(digest, self.lattice)
        return found


@asynccontextmanager
async def taken_from_store(server: Server) -> AsyncIterator[list[str]]:
    """Hear of each reading of an object from the store: whoever reads makes a consumer for it."""
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        if "OBJ_wisp-test" in message.subject:
            heard.append(message.subject)

    async with connect(server.url, name="a test") as connection:
        await connection.client.subscribe("$JS.API.CONSUMER.CREATE.>", cb=hear)
        await arrived(connection.client)
        yield heard
        await arrived(connection.client)


@pytest.fixture
async def hosts(open_state: Connect, tmp_path: Path) -> list[Host]:
    return [Host(name, tmp_path, await open_state()) for name in HOSTS]


async def test_of_many_hosts_that_need_something_new_one_takes_it_from_the_store(
    server: Server, hosts: list[Host]
) -> None:
    made = [content(number, 1_500_000) for number in range(6)]
    digests = [await hosts[0].lattice.objects.put(one) for one in made]

    async with taken_from_store(server) as taken:
        found = await asyncio.gather(*(host.get(digest) for host in hosts for digest in digests))

    assert found == made * len(hosts)
    assert len(taken) == len(digests)
    assert len({first_of(digest, HOSTS) for digest in digests}) > 1


async def test_a_host_that_comes_later_needs_no_store(server: Server, hosts: list[Host]) -> None:
    one = content(1, 3_000_000)
    digest = await hosts[0].lattice.objects.put(one)
    await hosts[0].get(digest)
    await hosts[0].lattice.desired._jetstream.purge_stream("OBJ_wisp-test")

    async with taken_from_store(server) as taken:
        assert await hosts[1].get(digest) == one

    assert taken == []


async def test_an_object_of_one_piece_costs_the_store_no_consumer(server: Server, hosts: list[Host]) -> None:
    small, empty = content(1, 100_000), b""
    digests = [await hosts[0].lattice.objects.put(one) for one in (small, empty)]

    async with taken_from_store(server) as taken:
        found = [await hosts[1].lattice.objects.get(digest) for digest in digests]

    assert found == [small, empty]
    assert taken == []


async def test_what_a_host_gives_that_is_something_else_is_not_believed(hosts: list[Host]) -> None:
    one = content(1, 600_000)
    digest = await hosts[0].lattice.objects.put(one)
    await hosts[0].get(digest)
    hosts[0].cache.component(digest).write_bytes(content(2, 600_000))

    assert await hosts[1].get(digest) == one


async def test_who_waits_in_vain_for_another_host_asks_the_store(
    hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "WAIT", 0.2)
    one = content(1, 1000)
    digest = await hosts[0].lattice.objects.put(one)
    waits = next(host for host in hosts if host.name != first_of(digest, HOSTS))

    assert await waits.get(digest) == one


async def test_what_a_host_does_not_serve_any_more_it_does_not_give(hosts: list[Host]) -> None:
    digest = await hosts[0].lattice.objects.put(content(1, 1000))
    await hosts[0].get(digest)
    await hosts[0].blobs.keep([], hosts[0].lattice)
    await hosts[0].lattice.desired._jetstream.purge_stream("OBJ_wisp-test")

    with pytest.raises(LatticeError, match="has no object"):
        await hosts[1].get(digest, hosts=("b",))


async def test_only_pieces_of_what_is_given_can_be_asked_for(hosts: list[Host]) -> None:
    digest = await hosts[0].lattice.objects.put(content(1, 1000))
    await hosts[0].get(digest)
    subject = f"blob.{digest.removeprefix('sha256:')}"

    for wrong in (b"", b"{}", b'{"start":-1,"size":1}', b'{"start":0,"size":99999999}'):
        with pytest.raises(LatticeError, match="_Piece"):
            await hosts[1].lattice.requests.ask(subject, wrong, 5)
    past = await hosts[1].lattice.requests.ask(subject, b'{"start":5000,"size":10}', 5)
    assert int.from_bytes(past, "big") == 1000


def test_every_host_computes_the_same_first_one() -> None:
    digest = digest_of(b"x")

    assert first_of(digest, HOSTS) == first_of(digest, HOSTS[::-1])
    assert first_of(digest, ()) is None
