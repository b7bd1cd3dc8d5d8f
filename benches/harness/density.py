"""What services cost that nobody uses: memory, the time until the host is ready, and the first request to each.

The app has up to 10,000 components of 1,000 binaries that differ (`harness.crowd`). Every component is asked once, in an order
that is shuffled, and its answer says which binary gave it. Memory is that of the whole tree of processes before that: of a page that
several have mapped, each counts its share (PSS), so that the tree's sum is what the machine would have free without it. What is not
of files (anonymous memory) is told beside it, because the rest can be dropped when the machine needs it.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import TYPE_CHECKING, Final

from harness import crowd
from harness.client import Connection
from harness.paths import program
from harness.section import Row, Section, Table, of_rows
from harness.servers import ADDRESS, GREETING, WORKERS, Subject, serving
from wisp.cli.prepare import prepare
from wisp.cli.prepared import PrepareOptions

if TYPE_CHECKING:
    from pathlib import Path

    from harness.crowd import Crowd
    from harness.part import Context
    from harness.servers import Server

COUNTS: Final = (0, 10, 100, 1_000, 10_000)
MOST: Final = COUNTS[-1]
STARTS: Final = 3
"""At most so many starts of the largest app: what is counted hardly varies, and each takes seconds."""

MEGABYTE: Final = 10**6
HEAD: Final = ("components deployed", "memory, MB", "of it anonymous, MB", "ready after, s")


@dataclass(frozen=True, slots=True)
class Deployed:
    """One start of an app whose components nobody uses yet."""

    count: int
    memory: int
    anonymous: int
    ready: float
    """Seconds from the start of the process to the first answer, of a component that is always there."""

    first: tuple[float, ...] = ()
    """Milliseconds of the first request to each component."""


def measure(context: Context) -> Section:
    """Measure apps of more and more components that nobody uses."""
    hello = context.components.rust_p2.wasm
    context.say(f"making and compiling {crowd.BINARIES:,} components that differ")
    made = crowd.binaries(hello)
    found: list[Deployed] = []
    for count in COUNTS:
        app = prepared(crowd.crowd(hello, made, count))
        for _ in range(min(context.rounds, STARTS) if count in {0, MOST} else 1):
            found.append(deployed(app, asked=count == MOST))
            context.say(_line(found[-1]))
    return section(found, subject(app.folder).shown)


def section(found: list[Deployed], command: str) -> Section:
    """Return what starts of apps of different sizes found."""
    none, most = ([one for one in found if one.count == count] for count in (0, MOST))
    nothing = min(one.memory for one in none)
    rows = (
        Row(
            f"{MOST:,} components deployed: more memory than with none",
            tuple((one.memory - nothing) / MEGABYTE for one in most),
            "MB",
            100,
        ),
        Row(f"{MOST:,} components deployed: ready", tuple(one.ready for one in most), "s", 3),
        Row(
            f"{MOST:,} components deployed: first request to each, p99",
            tuple(p99(one.first) for one in most),
            "ms",
            10,
        ),
    )
    of_bars = of_rows(rows, "density")
    lines = tuple(_cells(one) for one in {one.count: one for one in found}.values())
    samples = [{**asdict(one), "first": percentiles(one.first)} for one in found]
    return Section((*of_bars.tables, Table(HEAD, lines)), samples, rows, (command,))


def subject(folder: Path) -> Subject:
    """Return `wisp up` with an app."""
    words = ("up", folder, "--listen", ADDRESS, "--workers", str(WORKERS), "--no-access-log")
    return Subject(folder.name, (program("wisp"), *words))


def p99(times: tuple[float, ...]) -> float:
    """Return the time that one of a hundred exceeds."""
    return quantiles(times, n=100)[98]


def percentiles(times: tuple[float, ...]) -> dict[str, float]:
    """Return what is told of many times."""
    if not times:
        return {}
    cuts = quantiles(times, n=100)
    told = {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "most": max(times)}
    return {name: round(value, 3) for name, value in told.items()}


def prepared(app: Crowd) -> Crowd:
    """Fill the caches, so that a start takes what every start but the first does."""
    asyncio.run(prepare([app.folder], PrepareOptions(), lambda _: None))
    return app


def deployed(app: Crowd, *, asked: bool) -> Deployed:
    """Start an app, and measure it; then ask each of its components, if that is wanted."""
    began = time.perf_counter()
    with serving(subject(app.folder)) as server:
        ready = time.perf_counter() - began
        memory, anonymous = server.memory, server.anonymous
        return Deployed(app.count, memory, anonymous, ready, _first(app, server) if asked else ())


def _first(app: Crowd, server: Server) -> tuple[float, ...]:
    """Ask each component once, through one connection that was used before."""
    order = list(range(app.count))
    random.shuffle(order)
    with Connection(server.ports[0]) as connection:
        for _ in range(100):
            connection.ask("/", GREETING)
        return tuple(connection.ask(app.path(number), app.answer(number)) for number in order)


def _line(one: Deployed) -> str:
    first = f", first requests p99 {p99(one.first):.2f} ms" if one.first else ""
    return f"{one.count:,} components: {one.memory / MEGABYTE:.0f} MB, ready after {one.ready:.2f} s{first}"


def _cells(one: Deployed) -> tuple[str, ...]:
    return (
        f"{one.count:,}",
        f"{one.memory / MEGABYTE:.1f}",
        f"{one.anonymous / MEGABYTE:.1f}",
        f"{one.ready:.2f}",
    )
