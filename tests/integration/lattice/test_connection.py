"""Connections to NATS: with what its owner asks for, never in the clear when TLS is wanted, and closed whatever became of them."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING

import pytest

from wisp.errors import LatticeError
from wisp.host.address import Address
from wisp.lattice.membership import claims
from wisp.lattice.membership.access import OPEN, Access
from wisp.lattice.membership.authority import Authority
from wisp.lattice.membership.certificates import Wanted
from wisp.lattice.membership.claims import Permissions
from wisp.lattice.membership.identity import HostIdentity
from wisp.lattice.membership.nkeys import KeyPair
from wisp.lattice.membership.trust import Trust
from wisp.lattice.nats.connection import connect
from wisp.lattice.nats_server.guarding import Secured
from wisp.lattice.nats_server.server import Server, find
from wisp.lattice.state import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[str]:
    """A NATS of somebody's own, which asks for an nkey and speaks no TLS."""
    pair = KeyPair.make("user")
    (tmp_path / "seed").write_text(f"{pair.seed}\n", encoding="ascii")
    config = tmp_path / "own.conf"
    store = json.dumps(str(tmp_path / "data"))
    config.write_text(
        f"host: 127.0.0.1\nport: -1\nports_file_dir: {json.dumps(str(tmp_path))}\njetstream {{ store_dir: {store} }}\n"
        f"authorization {{ users: [ {{ nkey: {pair.public} }} ] }}\n",
        encoding="ascii",
    )
    process = await asyncio.create_subprocess_exec(find(), "-c", str(config), stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    url = ""
    while b"Server is ready" not in (line := await process.stderr.readline()):
        if b"client connections on" in line:
            url = f"nats://{line.decode().split()[-1]}"
    yield url
    process.terminate()
    await process.communicate()


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[tuple[str, Access]]:
    """The NATS of a lattice, and what an operator has for it."""
    authority, identity = Authority.make("test"), HostIdentity(tmp_path / "id")
    wanted = Wanted("a", "test", ("127.0.0.1",))
    identity.keep(authority.issue(identity.request("a", "test"), wanted), authority.certificate)
    pair = KeyPair.make("user")
    text = claims.user(authority.account, pair.public, "operator", Permissions())
    (tmp_path / "creds").write_bytes(claims.credentials(text, pair.seed))
    guard = Secured("a", tmp_path / "id", Trust.of(authority))
    server = await Server.start(tmp_path / "nats", Address("127.0.0.1", 0), guard)
    yield server.url, Access(credentials=tmp_path / "creds", ca=tmp_path / "id" / "ca.pem", tls_first=True)
    await server.stop()


async def refused(url: str, access: Access) -> str:
    with pytest.raises(LatticeError) as raised:
        async with connect(url, name="a test", access=access):
            pass
    return str(raised.value)


async def test_a_nats_with_nkeys_lets_in_who_has_the_seed(own: str, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(KeyPair.make("user").seed, encoding="ascii")

    async with connect(own, name="a test", access=Access(nkey=tmp_path / "seed")) as connection:
        assert (await State.make(connection, "test")).name == "test"
    assert "does not let us in" in await refused(own, Access(nkey=tmp_path / "other"))
    assert "does not let us in" in await refused(own, OPEN)
    assert "cannot be read" in await refused(own, Access(nkey=tmp_path / "missing"))


async def test_a_server_without_tls_is_not_spoken_to_when_tls_is_wanted(own: str, tmp_path: Path) -> None:
    access = Access(nkey=tmp_path / "seed")

    assert "does not speak TLS" in await refused(own.replace("nats://", "tls://"), access)


async def test_credentials_work_whether_tls_comes_first_or_when_the_server_asks(
    secured: tuple[str, Access],
) -> None:
    url, access = secured
    asked = Access(credentials=access.credentials, ca=access.ca)

    for one in (access, asked):
        async with connect(url, name="a test", access=one) as connection:
            assert (await State.make(connection, "test")).name == "test"


async def test_a_client_that_is_slow_to_begin_with_tls_is_waited_for(secured: tuple[str, Access]) -> None:
    host, _, port = secured[0].removeprefix("tls://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    # The server speaks in the clear when it waits no longer.
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.5)
    writer.close()
    await writer.wait_closed()


async def test_of_several_servers_one_that_is_there_is_enough(secured: tuple[str, Access]) -> None:
    url, access = secured

    async with connect(f"tls://127.0.0.1:1, {url}", name="a test", access=access) as connection:
        assert (await State.make(connection, "test")).name == "test"
    assert "127.0.0.1:1, tls://" in await refused("tls://127.0.0.1:1,tls://127.0.0.1:2", access)


async def test_a_connection_that_did_not_come_about_leaves_no_socket_behind(
    secured: tuple[str, Access], tmp_path: Path
) -> None:
    url, access = secured
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(Authority.make("test").certificate)

    for ca, tls_first in ((foreign, True), (foreign, False), (access.ca, True)):
        await refused(url, Access(ca=ca, tls_first=tls_first))

    gc.collect()  # a socket that was left would be a warning now, which is an error
