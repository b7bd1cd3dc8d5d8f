"""Commands on the machine that began a lattice are let in: all of them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import PROGRAM
from wisp.cli import reach
from wisp.host.address import Address
from wisp.lattice.membership import founding
from wisp.lattice.membership.certificates import LIFETIME
from wisp.lattice.membership.holding import Holding
from wisp.lattice.membership.papers import Papers, Place
from wisp.lattice.nats.connection import connect
from wisp.lattice.nats_server.guarding import Secured
from wisp.lattice.nats_server.server import Server
from wisp.lattice.state import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """The state folder of a machine whose lattice is there, with no host in it."""
    monkeypatch.setenv("WISP_STATE_DIR", str(tmp_path))
    folder = tmp_path / "default"
    desk = founding.desk(Holding(folder / "authority", tmp_path / "secret"), "default", LIFETIME)
    papers = Papers(folder / "identity", "a")
    founding.give_papers(desk, papers, Place(("127.0.0.1",)), ())
    trust = papers.trust()
    assert trust is not None
    server = await Server.start(folder / "nats", Address("127.0.0.1", 0), Secured("a", papers.folder, trust))
    operator = founding.give_operator(desk, folder)
    reach.remember("default", reach.Remembered(server.url, str(operator), str(folder / "ca.pem")))
    async with connect(server.url, name="a test", access=papers.access) as connection:
        await (await State.make(connection, "default")).founded()
    yield tmp_path
    await server.stop()


@pytest.mark.parametrize(
    "words",
    [
        ("apps",),
        ("hosts",),
        ("logs", "--lines", "1"),
        ("lattice", "status"),
        ("lattice", "rotate"),
        ("lattice", "collect"),
        ("delete", "shop"),
    ],
    ids=" ".join,
)
async def test_a_command_is_let_in(state: Path, words: tuple[str, ...]) -> None:
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        *words,
        env={**os.environ, "WISP_STATE_DIR": str(state)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said = b"".join(await process.communicate()).decode()

    assert "securely" not in said
    assert "let us in" not in said
    assert process.returncode in {0, 1}
