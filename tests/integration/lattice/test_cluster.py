"""Three NATS servers, each with what its host was given: a cluster that loses one and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

from wisp.errors import LatticeError
from wisp.host.address import Address
from wisp.host.log import Log
from wisp.host.settings import LogSettings
from wisp.lattice.membership import founding
from wisp.lattice.membership.belonging import Belonging
from wisp.lattice.membership.certificates import LIFETIME
from wisp.lattice.membership.holding import Holding
from wisp.lattice.membership.papers import Papers, Place
from wisp.lattice.nats.connection import Silence, connect
from wisp.lattice.nats_server.keeping import Wanted, secured
from wisp.lattice.nats_server.server import Server
from wisp.lattice.records import Identity
from wisp.lattice.state import IDENTITY, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)
PATIENCE = 60.0
Found = TypeVar("Found")


class Site:
    """Three hosts on this machine, and the server of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = founding.desk(Holding(folder / "authority", folder / "secret"), "test", LIFETIME)
        self.routes = {name: Address("127.0.0.1", port) for name, port in zip("abc", _ports(3), strict=True)}
        self.listen = {name: Address("127.0.0.1", port) for name, port in zip("abc", _ports(3), strict=True)}
        self.servers: dict[str, Server] = {}

    def belonging(self, name: str) -> Belonging:
        papers = Papers(self.folder / name, name)
        founding.give_papers(self.desk, papers, Place(("127.0.0.1",), str(self.routes[name])), ())
        known = papers.known()
        assert known is not None
        routes = tuple(map(str, self.routes.values()))
        papers.keep_known(known.model_copy(update={"servers": (self.url,), "routes": routes}))
        return Belonging(papers, "test", Log(LogSettings(format="json", access=False)))

    @property
    def url(self) -> str:
        return ",".join(f"tls://{address}" for address in self.listen.values())

    async def start(self, name: str) -> None:
        belonging = self.belonging(name)
        wanted = Wanted(self.folder / f"nats-{name}", self.listen[name], route=self.routes[name])
        self.servers[name] = await Server.start(wanted.folder, wanted.address, secured(wanted, belonging))


def _ports(count: int) -> list[int]:
    """Return free ports; servers of a cluster have to know each other's before they run."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    made = Site(folder)
    try:
        yield made
    finally:
        for server in made.servers.values():
            await server.stop()


@asynccontextmanager
async def reached(place: Site, name: str) -> AsyncIterator[State]:
    """Reach the lattice through one server, as soon as that is possible."""
    access = Papers(place.folder / "a", "a").access
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(PATIENCE):
            while True:
                attempt = AsyncExitStack()
                try:
                    at = f"tls://{place.listen[name]}"
                    connection = await attempt.enter_async_context(connect(at, name="a test", access=access))
                    lattice = await State.make(connection, "test")
                except LatticeError:
                    await attempt.aclose()
                else:
                    await stack.enter_async_context(attempt)
                    break
        yield lattice


async def test_a_cluster_of_three_loses_one_server_and_nothing_else(tmp_path: Path) -> None:
    async with site(tmp_path) as place:
        for name in "abc":
            await place.start(name)
        async with reached(place, "a") as lattice:
            await lattice.founded()
            for number in range(20):
                await lattice.desired.put(f"drain.host-{number}", b"{}")
            digest = await lattice.objects.put(b"a component" * 10_000)

        for lost, asked in (("a", "b"), ("c", "a")):
            await place.servers[lost].stop()
            found = await eventually(place, asked, lambda lattice: look(lattice, digest))
            assert found == (20, 110_000)
            await place.start(lost)


async def test_what_is_read_while_another_leader_is_elected_is_waited_for(tmp_path: Path) -> None:
    async with site(tmp_path) as place:
        for name in "abc":
            await place.start(name)
        async with reached(place, "a") as lattice:
            await lattice.founded()
            digest = await lattice.objects.put(b"a component" * 10_000)
            info = await lattice.objects._jetstream.stream_info("OBJ_wisp-test")
            assert info.cluster is not None
            leader = str(info.cluster.leader)
        other = next(name for name in "abc" if name != leader)

        async with reached(place, other) as lattice:
            os.kill(place.servers[leader].pid, signal.SIGKILL)
            heads = await lattice.objects.heads()
            content = await lattice.objects.get(digest)

    assert [head.digest for head in heads] == [digest]
    assert len(content) == 110_000


async def look(lattice: State, digest: str) -> tuple[int, int]:
    """Read what is there, write, and return how much was there."""
    entries, content = await lattice.desired.entries("drain.*"), await lattice.objects.get(digest)
    await lattice.desired.put("drain.host-0", b"{}")
    return len(entries), len(content)


async def eventually(place: Site, name: str, work: Callable[[State], Awaitable[Found]]) -> Found:
    """Do something as soon as the servers that are left have elected another leader of everything."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(Silence):
                async with reached(place, name) as lattice:
                    return await work(lattice)


async def test_machines_that_found_a_lattice_at_once_found_one(tmp_path: Path) -> None:
    async with site(tmp_path) as place:
        for name in "abc":
            await place.start(name)
        async with AsyncExitStack() as stack:
            reached_by = [await stack.enter_async_context(reached(place, name)) for name in "abcabc"]
            for number in range(20):
                founded = await asyncio.gather(*(lattice.founded() for lattice in reached_by))

                assert len({identity.id for identity in founded}) == 1, number
                written = await reached_by[0].desired.get(IDENTITY)
                assert written is not None
                assert Identity.read(written.value) == founded[0]
                await reached_by[0].desired.remove(IDENTITY)


async def test_two_of_three_servers_keep_nothing_before_the_third_is_there(tmp_path: Path) -> None:
    async with site(tmp_path) as place:
        for name in "ab":
            await place.start(name)
        access = Papers(tmp_path / "a", "a").access
        async with connect(f"tls://{place.listen['a']}", name="a test", access=access) as connection:
            with pytest.raises(LatticeError, match=r"servers are missing|in time"):
                await State.make(connection, "test")

        await place.start("c")

        async with reached(place, "a") as lattice:
            assert (await lattice.founded()).id


async def test_a_host_without_the_secret_of_the_servers_is_none_of_them(tmp_path: Path) -> None:
    async with site(tmp_path) as place:
        for name in "abc":
            await place.start(name)
        async with reached(place, "a") as lattice:
            await lattice.founded()
        stranger = place.belonging("c")
        known = stranger.papers.known()
        assert known is not None
        stranger.papers.keep_known(known.model_copy(update={"routes_secret": "guessed"}))
        await place.servers["c"].stop()

        wanted = Wanted(tmp_path / "stranger", place.listen["c"], route=place.routes["c"])
        place.servers["c"] = await Server.start(wanted.folder, wanted.address, secured(wanted, stranger))

        access = Papers(tmp_path / "a", "a").access
        async with connect(f"tls://{place.listen['c']}", name="a test", access=access) as connection:
            with pytest.raises(LatticeError):
                await State.open(connection, "test")
