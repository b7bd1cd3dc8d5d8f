"""Ten megabytes through a component: into it, out of it, and both at once, beside the same service in native hyper.

One connection at a time, so that what is compared is how a body moves, and not how many do. The client reads and writes with as few
system calls as the system allows, and counts every byte that it gets.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from harness import native
from harness.client import Connection, request
from harness.components import app_of, guests
from harness.paths import program
from harness.section import Row, Section, Table, of_rows
from harness.servers import ADDRESS, PORT, WORKERS, MeasurementError, Subject, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.part import Context

MEGABYTES: Final = 10
BODY: Final = bytes(MEGABYTES * 1_000_000)
TIMES: Final = 20
"""Bodies of one kind in one round."""

BAR: Final = 0.5
WISP, HYPER = "wisp", "native hyper"
HEAD: Final = (f"{MEGABYTES} MB, one connection", "native hyper, MB/s", "wisp, MB/s")


@dataclass(frozen=True, slots=True)
class Way:
    """One direction."""

    title: str
    move: Callable[[Connection], int]
    """Makes one request, and returns the bytes that the server got or gave."""


def measure(context: Context) -> Section:
    """Measure each way on both servers in turn, round by round."""
    context.say("building what reads and writes bodies")
    subjects = {WISP: _wisp(guests("bodies")["rust"]), HYPER: _hyper()}
    rates: dict[str, dict[str, list[float]]] = {way.title: {WISP: [], HYPER: []} for way in WAYS}
    for number in range(1, context.rounds + 1):
        for name, subject in subjects.items():
            with serving(subject) as server, Connection(server.ports[0]) as connection:
                for way in WAYS:
                    rates[way.title][name].append(_rate(way, connection))
        told = "; ".join(
            f"{title} {', '.join(f'{name} {values[-1]:,.0f}' for name, values in found.items())}"
            for title, found in rates.items()
        )
        context.say(f"bodies {number}/{context.rounds}, MB/s: {told}")
    return section(rates, tuple(subject.shown for subject in subjects.values()))


def section(rates: dict[str, dict[str, list[float]]], commands: tuple[str, ...]) -> Section:
    """Return what was measured: ratios with their bars, and the rates behind them."""
    rows = [
        Row(
            f"{MEGABYTES} MB {title}, of native hyper",
            tuple(ours / theirs for ours, theirs in zip(found[WISP], found[HYPER], strict=True)),
            "x",
            BAR,
            is_floor=True,
        )
        for title, found in rates.items()
    ]
    lines = tuple(
        (title, f"{median(found[HYPER]):,.0f}", f"{median(found[WISP]):,.0f}")
        for title, found in rates.items()
    )
    tables = (*of_rows(rows, "streamed").tables, Table(HEAD, lines))
    return Section(tables, rates, tuple(rows), commands)


def _wisp(wasm: Path) -> Subject:
    folder = app_of("bodies", "streamed", wasm)
    words = ("up", folder, "--listen", ADDRESS, "--workers", str(WORKERS), "--no-access-log")
    return Subject("wisp bodies", (program("wisp"), *words))


def _hyper() -> Subject:
    return Subject("native hyper, bodies", (native.program("hyper-bodies"), PORT))


def _rate(way: Way, connection: Connection) -> float:
    """Return megabytes in a second, after one body that does not count."""
    _moved(way, connection)
    began = time.perf_counter()
    for _ in range(TIMES):
        _moved(way, connection)
    return TIMES * MEGABYTES / (time.perf_counter() - began)


def _moved(way: Way, connection: Connection) -> None:
    moved = way.move(connection)
    if moved != len(BODY):
        message = f"{way.title}: {moved:,} bytes arrived instead of {len(BODY):,}"
        raise MeasurementError(message)


def _up(connection: Connection) -> int:
    connection.send(request("/up", body=len(BODY)))
    connection.send(BODY)
    return int(connection.answer())


def _down(connection: Connection) -> int:
    connection.send(request("/down"))
    return connection.swallow()


def _echo(connection: Connection) -> int:
    """Send in a thread, for the server sends back while it reads."""
    connection.send(request("/echo", body=len(BODY)))
    sending = threading.Thread(target=connection.send, args=(BODY,))
    sending.start()
    try:
        return connection.swallow()
    finally:
        sending.join()


WAYS: Final = (
    Way("into a component", _up),
    Way("out of a component", _down),
    Way("into a component and back", _echo),
)
