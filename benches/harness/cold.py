"""What a client waits for an instance: of a component that nobody has used since the host started, and of one that is in use.

Components that nobody has used are many, no two of one binary (`harness.crowd`), each asked once. One that is in use gets one request after
the other on one connection, with nothing else to do for the host, and makes an instance for each.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from harness import crowd
from harness.client import Connection
from harness.density import STARTS, deployed, p99, prepared, subject
from harness.section import Row, Section, of_rows
from harness.servers import GREETING, Subject, serving, wisp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.part import Context

FIRST_BAR: Final = 3.0
LANGUAGES: Final = (("Rust", 0.15, 2_000), ("Python", 2.5, 500))
"""With the most that the median may take in milliseconds, and how many requests there are in a round."""

WARM_UP: Final = 100


def measure(context: Context) -> Section:
    """Measure first requests, and requests to what is in use."""
    hello = context.components.rust_p2.wasm
    context.say(f"making and compiling {crowd.BINARIES:,} components that differ")
    app = prepared(crowd.crowd(hello, crowd.binaries(hello), crowd.BINARIES))
    late = tuple(p99(deployed(app, asked=True).first) for _ in range(min(context.rounds, STARTS)))
    title = f"first request to a Rust component, {app.count:,} binaries once each, p99"
    subjects = (
        wisp(context.components.rust_p2, "fresh"),
        wisp(context.components.python_merged, "fresh"),
    )
    rows = [Row(title, late, "ms", FIRST_BAR), *_unloaded(subjects, context)]
    for row in rows:
        context.say(f"{row.title}: {row.told}")
    return of_rows(rows, "cold", [one.shown for one in (subject(app.folder), *subjects)])


def _unloaded(subjects: tuple[Subject, ...], context: Context) -> Iterator[Row]:
    for server, (language, bar, count) in zip(subjects, LANGUAGES, strict=True):
        values = tuple(_typical(server, count) for _ in range(context.rounds))
        title = f"an instance for each request, one connection, nothing else to do ({language}), p50"
        yield Row(title, values, "ms", bar)


def _typical(subject: Subject, count: int) -> float:
    """Return the median of what requests take, one after the other."""
    with serving(subject) as server, Connection(server.ports[0]) as connection:
        for _ in range(WARM_UP):
            connection.ask("/", GREETING)
        return median(connection.ask("/", GREETING) for _ in range(count))
