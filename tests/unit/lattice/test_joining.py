"""What a host keeps of what it is told, without NATS."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from wisp.host.log import Log
from wisp.host.settings import LogSettings
from wisp.lattice.records import App, Assignment, HostRecord, Placed, Wishes
from wisp.lattice.running.joining import Address, Membership
from wisp.lattice.running.keyring import Keyring
from wisp.lattice.running.remembered import Remembered

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = f"sha256:{'1' * 64}"


def membership(folder: Path) -> Membership:
    remembered = Remembered(folder)
    record = HostRecord(name="a", token=remembered.token(), url="http://h", workers=1, version="0")
    log = Log(LogSettings(), os.open(os.devnull, os.O_WRONLY))
    return Membership(Address("nats://h", "test"), record, remembered, Keyring("a", remembered), log)


def assignment(number: int) -> Assignment:
    placed = Placed(app="shop", revision=1, digest=DIGEST, hosts=("a",))
    return Assignment(lattice="l", number=number, epoch=1, planner="a", apps=(placed,))


def app(name: str) -> App:
    return App(name=name, revision=1, digest=DIGEST, version="1", wishes=Wishes(), since=0)


async def test_a_host_goes_on_with_an_assignment_before_the_disk_has_it_and_the_newest_is_on_it_in_the_end(
    tmp_path: Path,
) -> None:
    host = membership(tmp_path)

    for number in (1, 2, 3):
        host._take(assignment(number))
    known, changed, kept = host.assignment, host.changed.is_set(), Remembered(tmp_path).assignment()
    await host.kept()

    assert known == assignment(3)
    assert changed
    assert kept is None
    assert Remembered(tmp_path).assignment() == assignment(3)


async def test_what_is_wanted_of_an_app_that_runs_nowhere_yet_changes_nothing_on_a_host(
    tmp_path: Path,
) -> None:
    host = membership(tmp_path)
    host._take(assignment(1))
    await host.kept()
    host.changed.clear()

    host._want({"blog": app("blog")})
    new = host.changed.is_set()
    host._want({"shop": app("shop")})

    assert not new
    assert host.changed.is_set()
    assert set(host.apps) == {"blog", "shop"}


async def test_an_older_assignment_is_not_taken_over(tmp_path: Path) -> None:
    host = membership(tmp_path)
    host._take(assignment(2))

    host._take(assignment(1))
    await asyncio.wait_for(host.kept(), 10)

    assert host.assignment == assignment(2)
    assert Remembered(tmp_path).assignment() == assignment(2)
