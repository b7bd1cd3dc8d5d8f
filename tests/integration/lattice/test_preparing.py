"""Preparing apps on a host, with a real server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from wisp.host.log import Log
from wisp.host.settings import LogSettings
from wisp.lattice.records import Placed
from wisp.lattice.running.keyring import Keyring
from wisp.lattice.running.preparing import Preparing
from wisp.lattice.running.remembered import Remembered
from wisp.registry.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.lattice.conftest import Connect


def locked(name: str) -> bytes:
    """Return an app of no component."""
    nothing: dict[str, object] = {"http": [], "cron": [], "secrets": {}, "components": {}}
    return json.dumps({"schema": 1, "name": name, "version": "1", **nothing}).encode()


async def test_an_app_whose_routes_are_looked_up_while_it_is_prepared_is_fetched_once(
    open_state: Connect, tmp_path: Path
) -> None:
    lattice, remembered = await open_state(), Remembered(tmp_path / "a")
    digest = await lattice.objects.put(locked("shop"))
    placed = Placed(app="shop", revision=1, digest=digest, hosts=("a", "b"))
    with (tmp_path / "log").open("wb") as stream:
        log = Log(LogSettings(format="json"), stream.fileno())
        preparing = Preparing(Cache.open(tmp_path / "cache"), remembered, {}, log, Keyring("a", remembered))

        prepared, found = await asyncio.gather(
            preparing.prepare(placed, "a", None, lattice), preparing.locked(placed, lattice)
        )

    said = [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]
    assert (prepared.app, found.name) == ("shop", "shop")
    assert said == [f"fetching {digest[:19]}"]
