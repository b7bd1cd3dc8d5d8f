"""The values of secrets come from real files and real commands, and no complaint has one in it."""

from __future__ import annotations

import asyncio
import os
import traceback
from typing import TYPE_CHECKING

import pytest

from wisp.errors import ManifestError
from wisp.host.address import Address
from wisp.host.secrets import LONGEST, secrets
from wisp.host.settings import HostSettings, Start

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.host.settings import JsonObject

CANARY = "canary-4711"


def source(**where: str) -> dict[str, JsonObject]:
    return {"token": {"environment": None, "file": None, "command": None, "default": None, **where}}


async def value(folder: Path, variables: dict[str, str] | None = None, **where: str) -> str:
    return (await secrets(source(**where), folder, variables or {}))["token"]


async def complaint(
    folder: Path, variables: dict[str, str] | None = None, *, patience: float = 30.0, **where: str
) -> str:
    """Return all that anybody could show of the error."""
    with pytest.raises(ManifestError) as caught:
        await secrets(source(**where), folder, variables or {}, patience=patience)
    shown = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)
    assert CANARY not in shown
    return str(caught.value)


async def test_a_secret_comes_from_a_variable_a_file_or_a_command(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from a file\n\n", encoding="utf-8")

    assert await value(tmp_path, {"TOKEN": "from a variable\n"}, environment="TOKEN") == "from a variable\n"
    assert await value(tmp_path, file="token") == "from a file\n"
    assert await value(tmp_path, file=str(tmp_path / "token")) == "from a file\n"
    assert await value(tmp_path, command="printf 'käse %s\\n' \"$PWD\"") == f"käse {tmp_path}"


async def test_a_secret_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    assert (
        await complaint(tmp_path, {"OTHER": CANARY}, environment="TOKEN")
        == "there is no secret token: the environment variable TOKEN is not set"
    )
    assert (
        await complaint(tmp_path, file="token")
        == f"there is no secret token: cannot read {tmp_path / 'token'}: No such file or directory"
    )
    assert "Is a directory" in await complaint(tmp_path, file=".")


async def test_what_is_not_utf_8_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(CANARY.encode() + b"\xff")

    assert "token holds is not UTF-8" in await complaint(tmp_path, file="token")
    assert "its command wrote is not UTF-8" in await complaint(tmp_path, command="cat token")
    odd = os.fsdecode(CANARY.encode() + b"\xff")
    assert "variable TOKEN is not UTF-8" in await complaint(tmp_path, {"TOKEN": odd}, environment="TOKEN")


async def test_a_secret_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(CANARY.encode() * LONGEST)

    assert "longer than 1 MiB" in await complaint(tmp_path, file="token")
    assert "longer than 1 MiB" in await complaint(tmp_path, command=f"yes {CANARY}")


async def test_what_a_failing_command_wrote_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY, encoding="utf-8")

    said = await complaint(tmp_path, command="cat token; cat token >&2; exit 3")

    assert said == "there is no secret token: its command ended with 3"


async def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY, encoding="utf-8")
    command = "cat token; sleep 1000 & echo $! > child; wait"

    said = await complaint(tmp_path, command=command, patience=1.0)

    assert said == "there is no secret token: its command took longer than 1 s"
    await gone(int((tmp_path / "child").read_text()))


async def test_nobody_waits_for_what_a_command_leaves_behind_for_longer_than_for_itself(
    tmp_path: Path,
) -> None:
    said = await complaint(tmp_path, command="sleep 1000 & echo $! > child", patience=1.0)

    assert said == "there is no secret token: its command took longer than 1 s"
    await gone(int((tmp_path / "child").read_text()))


async def test_who_stops_waiting_ends_the_command(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "begun")
    working = asyncio.create_task(value(tmp_path, command="echo $$ > begun; exec sleep 1000"))
    child = int(await asyncio.to_thread((tmp_path / "begun").read_text))

    working.cancel()
    await asyncio.wait([working])

    assert working.cancelled()
    await gone(child)


async def test_a_command_cannot_ask_on_the_terminal(tmp_path: Path) -> None:
    assert "its command ended with" in await complaint(tmp_path, command="read answer < /dev/tty")


def test_what_workers_are_told_is_not_shown_by_repr() -> None:
    app = {"components": {"api": {"grants": {"config": {"token": CANARY}}}}}
    start = Start((app,), {})

    assert CANARY in str(start.message(0, HostSettings(Address("127.0.0.1", 0), workers=1)))
    assert CANARY not in repr(start)


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), 20)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
