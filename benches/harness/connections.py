"""What connections cost that are kept and mostly idle: 10,000 of them, each used once, and one of a hundred now and then.

They come from several addresses of the loopback, because one address has too few ports. Memory is that of the host's processes; what
the kernel keeps for a connection is the same for every server. At the end each connection is used once more.
"""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from harness.client import Connection
from harness.components import app
from harness.paths import program
from harness.section import Row, Section, of_rows
from harness.servers import ADDRESS, GREETING, WORKERS, MeasurementError, Subject, serving, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.part import Context
    from harness.servers import Server

OPEN: Final = 10_000
ROOM: Final = 20_000
"""Each worker has its share of the limit, and the kernel does not deal connections out evenly."""

SOURCES: Final = 4
"""Addresses that they come from."""

SPARE: Final = 1_000
"""Descriptors that this process and each worker need beside the connections."""

BUSY: Final = 100
"""One connection of so many is used while the others are idle."""

BAR: Final = 20.0
KILOBYTE: Final = 1000
LIMIT: Final = 60.0


def measure(context: Context) -> Section:
    """Open them, use a few of them, measure, and use all of them again."""
    _allow(OPEN + SPARE)
    words = ("--max-connections", str(ROOM), "--keep-alive", "5m", "--no-access-log")
    folder = app(context.components.rust_p2, "fresh")
    command = (program("wisp"), "up", folder, "--listen", ADDRESS, "--workers", str(WORKERS), *words)
    subject = Subject("wisp, idle connections", command)
    with serving(subject) as server, ExitStack() as stack:
        before = server.memory
        kept = [stack.enter_context(_used(server, number)) for number in range(OPEN)]
        _use(kept[::BUSY], context.seconds)
        settle(server, LIMIT)
        each = (server.memory - before) / OPEN / KILOBYTE
        for connection in kept:
            connection.ask("/", GREETING)
    row = Row(f"{OPEN:,} keep-alive connections, mostly idle, each", (each,), "KB", BAR)
    context.say(f"{row.title}: {row.told}")
    return of_rows([row], "connections", [subject.shown])


def _used(server: Server, number: int) -> Connection:
    """Open a connection and use it once."""
    connection = Connection(server.ports[0], source=f"127.0.0.{1 + number % SOURCES}")
    connection.ask("/", GREETING)
    return connection


def _use(connections: Sequence[Connection], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for connection in connections:
            connection.ask("/", GREETING)


def _allow(files: int) -> None:
    """Let this process, and the host that it starts, open so many files. Raises MeasurementError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        message = f"{files:,} open files are needed, and {hard:,} are allowed: raise `ulimit -Hn`"
        raise MeasurementError(message)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
