"""What an instance takes that a slow request holds open: 2,000 at once, each waiting for the last byte of its request's body.

Every client has sent the head and nothing of the body. That all of them have an instance is what the host itself counts. At the end each
sends what is missing and gets its answer, so none was lost.
"""

from __future__ import annotations

import http.client
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.client import Connection, request
from harness.components import app_of, guests
from harness.paths import program
from harness.section import Row, Section, of_rows
from harness.servers import ADDRESS, WORKERS, MeasurementError, Subject, free_port, serving, settle

if TYPE_CHECKING:
    from pathlib import Path

    from harness.part import Context
    from harness.servers import Server

HELD: Final = 2_000
ROOM: Final = 3_000
"""Each worker has its share of the limit, and the kernel does not deal connections out evenly."""

SETTINGS: Final = (f'limits = {{ concurrency = {ROOM}, timeout = "5m" }}',)
ANSWERED: Final = 10
"""One instance of so many goes on at the end."""

LIMIT: Final = 120.0
"""Seconds in which all instances must be there."""

MEBIBYTE: Final = 2**20
BARS: Final = {"rust": ("Rust", 1.0), "python": ("Python", 2.0)}


@dataclass(frozen=True, slots=True)
class Held:
    """The host with and without instances that wait."""

    before: int
    held: int

    @property
    def each(self) -> float:
        """MiB for each instance with its connection."""
        return (self.held - self.before) / HELD / MEBIBYTE


def measure(context: Context) -> Section:
    """Measure both languages, each once: nothing about it varies but the last pages."""
    context.say("building what waits for bodies")
    built, rows, commands = guests("bodies"), [], []
    for name, (language, bar) in BARS.items():
        admin = free_port()
        subject = _subject(name, built[name], admin)
        with serving(subject) as server:
            held = _held(server, admin)
        title = f"{HELD:,} instances held open ({language}), each"
        rows.append(Row(title, (held.each,), "MiB", bar))
        commands.append(subject.shown.replace(str(admin), "PORT"))
        context.say(f"{rows[-1].title}: {rows[-1].told}")
    return of_rows(rows, "density in use", commands)


def active(metrics: dict[str, object]) -> int:
    """Return how many requests the host says are in progress."""
    pools = metrics.get("pools")
    if not isinstance(pools, list):
        raise MeasurementError("the host's metrics do not tell of pools")
    return sum(int(pool["active"]) for pool in pools)


def _subject(name: str, wasm: Path, admin: int) -> Subject:
    folder = app_of(f"bodies-{name}", "held", wasm, *SETTINGS)
    listen = ("--listen", ADDRESS, "--admin", f"127.0.0.1:{admin}")
    words = ("up", folder, *listen, "--workers", str(WORKERS), "--no-access-log")
    return Subject(f"wisp bodies-{name}", (program("wisp"), *words))


def _held(server: Server, admin: int) -> Held:
    with ExitStack() as stack:
        before = server.memory
        waiting = []
        for _ in range(HELD):
            waiting.append(stack.enter_context(Connection(server.ports[0])))
            # At once: a connection whose head does not come is closed.
            waiting[-1].send(request("/up", body=1))
        _await(admin)
        settle(server, LIMIT)
        held = Held(before, server.memory)
        for connection in waiting[::ANSWERED]:
            connection.send(b"x")
            if connection.answer() != b"1":
                raise MeasurementError("an instance that had waited gave another answer")
    return held


def _await(admin: int) -> None:
    limit = time.monotonic() + LIMIT
    while (there := active(_metrics(admin))) != HELD:
        if time.monotonic() > limit:
            message = f"the host holds {there:,} instances instead of {HELD:,}"
            raise MeasurementError(message)
        time.sleep(0.1)


def _metrics(admin: int) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=LIMIT)
    try:
        connection.request("GET", "/.well-known/wisp/metrics")
        found: dict[str, object] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return found
