"""A real nats-server, and connections to it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from wisp.host.address import Address
from wisp.lattice.nats.connection import connect
from wisp.lattice.nats_server.server import Server
from wisp.lattice.state import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Connect(Protocol):
    """Connects to the lattice of a test, once more with each call."""

    async def __call__(self, name: str = "test") -> State: ...


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    started = await Server.start(tmp_path / "nats", Address("127.0.0.1", 0))
    yield started
    await started.stop()


@pytest.fixture
async def open_state(server: Server) -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        async def opened(name: str = "test") -> State:
            connection = await stack.enter_async_context(connect(server.url, name="a test"))
            return await State.make(connection, name)

        yield opened
