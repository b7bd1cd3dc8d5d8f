"""How late a light component answers while each worker has a guest that computes for ever, and a third component is flooded.

The light one is asked at a fixed rate, so that a late answer does not spare the requests behind it; any answer of it but the right one
voids the measurement. The flooded one gets many times what its limits let through, and what is more than that must be refused: a
flood that nobody notices is none.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from harness.client import request
from harness.components import app_of_tables
from harness.flood import flooded
from harness.native import open_loop
from harness.neighbours import guest
from harness.paths import program
from harness.processes import children, processor_seconds
from harness.section import Row, Section, Table, of_rows
from harness.servers import ADDRESS, WORKERS, MeasurementError, Subject, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.part import Context
    from harness.servers import Server

RATE: Final = 100
"""Requests to the light component in a second."""

CONNECTIONS: Final = 8
FLOOD: Final = 1_000
"""Requests to the flooded component in a second; its limits let through at most 40."""

BURNERS: Final = 16
"""Requests to the one that computes. Each worker runs one at a time, and gets one unless all of them went to the others."""

BURNED: Final = 0.1
"""What a worker with such a guest takes of a processor at least, however busy the machine is."""

BAR: Final = 30.0
HEAD: Final = (
    "a light component, while",
    "p50, ms",
    "p99, ms",
    "most, ms",
    "flood: answered",
    "flood: refused",
)
TITLE: Final = "each worker has a guest that computes for ever, and another component is flooded"
COMPONENTS: Final = (
    ("light", "/...", ""),
    (
        "burning",
        "/burning/...",
        f'limits = {{ concurrency = {WORKERS}, cpu = "1h", timeout = "1h", queue_timeout = "1h" }}',
    ),
    ("flooded", "/flooded/...", "limits = { concurrency = 4, queue = 8 }"),
)


@dataclass(frozen=True, slots=True)
class Late:
    """What the light component's clients saw in one round, in milliseconds; and the flood's."""

    p50: float
    p99: float
    most: float
    answered: int
    refused: int


def measure(context: Context) -> Section:
    """Measure it round by round, each with guests that have just begun to compute."""
    folder = app_of_tables("fairness", guest(), COMPONENTS)
    words = ("up", folder, "--listen", ADDRESS, "--workers", str(WORKERS), "--no-access-log")
    subject = Subject("fairness", (program("wisp"), *words, "--drain-timeout", "1s"))
    found = []
    for number in range(1, context.rounds + 1):
        with serving(subject) as server:
            found.append(_late(server, context.seconds))
        context.say(f"fairness {number}/{context.rounds}: p99 {found[-1].p99:.1f} ms")
    row = Row(f"p99 of a light component, while {TITLE}", tuple(one.p99 for one in found), "ms", BAR)
    table = Table(HEAD, tuple(_cells(number, one) for number, one in enumerate(found, 1)))
    tables = (*of_rows([row], "fairness").tables, table)
    return Section(tables, [asdict(one) for one in found], (row,), (subject.shown,))


def _late(server: Server, seconds: int) -> Late:
    (port,) = server.ports
    workers = [child for process in server.processes for child in children(process.pid)]
    with _burning(port), flooded(port, "/flooded/slow?ms=100", FLOOD) as answers:
        before = [processor_seconds(worker) for worker in workers]
        light = open_loop(server.ports, RATE, seconds, CONNECTIONS)
        burned = [processor_seconds(worker) - began for worker, began in zip(workers, before, strict=True)]
        refused, answered = answers[503], answers[200]
    if min(burned) < BURNED * seconds:
        message = f"not every worker had a guest that computes: they took {burned} seconds of the processors"
        raise MeasurementError(message)
    if not refused or not answered or set(answers) != {200, 503}:
        message = f"the flood was answered with {dict(answers)}, and 200 and 503 are wanted"
        raise MeasurementError(message)
    return Late(light.p50_ms, light.p99_ms, light.most_ms, answered, refused)


@contextmanager
def _burning(port: int) -> Iterator[None]:
    """Have guests compute until the block ends."""
    with ExitStack() as stack:
        for _ in range(BURNERS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(request("/burning/spin"))
        yield


def _cells(number: int, late: Late) -> tuple[str, ...]:
    times = (f"{value:.2f}" for value in (late.p50, late.p99, late.most))
    return (f"{TITLE} (round {number})", *times, f"{late.answered:,}", f"{late.refused:,}")
