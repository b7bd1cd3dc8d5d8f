"""A host whose address space is limited, as by `ulimit -v` or in a sandbox: it cannot reserve a pool of instances."""

from __future__ import annotations

import resource
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.host import Host, environment
from tests.e2e.wire import Connection, get

if TYPE_CHECKING:
    from tests.guests.build import Name

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux enforces a limit of the address space, and has /proc"
)

HTTP: tuple[Name, ...] = ("http2", "http3")
LIMIT = 12 << 30
"""Bytes: enough for two instances, 4 GiB and guards each, and far from enough for a pool of a hundred."""

LIMITED = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({0}, {0})); os.execv(sys.argv[1], sys.argv[1:])"
MANY = 16


def start(folder: Path, cache: Path, guest: Name, limit: int | None) -> Host:
    """Serve a guest on one worker, with so much address space for each process."""
    (folder / "wisp.toml").write_text(manifest_of(guest, "/...", {}), encoding="utf-8")
    through = () if limit is None else (sys.executable, "-c", LIMITED.format(limit))
    return Host("--workers", "1", folder=folder, variables=environment(cache), through=through)


def reserved(pid: int) -> int:
    """Return the address space of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


@pytest.mark.parametrize("guest", HTTP)
def test_requests_are_answered_where_the_pool_cannot_be_reserved(
    tmp_path: Path, cache: Path, guest: Name
) -> None:
    with start(tmp_path, cache, guest, None) as host:
        wanted = reserved(host.pids()[0])

    with start(tmp_path, cache, guest, LIMIT) as host:
        limit = resource.prlimit(host.pids()[0], resource.RLIMIT_AS)
        answers = [get(host.address, path) for path in ("/hello", "/counter", "/trap", "/counter")]

    assert wanted > LIMIT
    assert limit == (LIMIT, LIMIT)
    assert [answer.status for answer in answers] == [200, 200, 502, 200]
    assert [answers[0].text, answers[1].text, answers[3].text] == ["Hello, world!", "1", "1"]


@pytest.mark.parametrize("guest", HTTP)
def test_requests_wait_for_their_turn_where_the_pool_cannot_be_reserved(
    tmp_path: Path, cache: Path, guest: Name
) -> None:
    with start(tmp_path, cache, guest, LIMIT) as host, ExitStack() as stack:
        connections = [stack.enter_context(Connection(host.address)) for _ in range(MANY)]
        for connection in connections:
            connection.begin("GET", "/slow?ms=50")
        answers = [connection.answer() for connection in connections]

    assert [answer.status for answer in answers] == [200] * MANY
