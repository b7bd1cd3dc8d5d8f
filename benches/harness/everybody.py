"""wisp beside servers of every kind: what one machine gives to who needs to answer requests, however it is done.

Native hyper is the ceiling. All servers say the same, and each runs as its documentation runs it in production.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import peers, series
from harness.section import Section, Table, cell
from harness.series import Series, typical
from harness.servers import apart, wasmtime, wisp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.components import Components
    from harness.part import Context
    from harness.servers import Subject

HEAD = (
    "server",
    "requests/s",
    "of native hyper",
    "p50, ms",
    "p99, ms",
    "processor time per request, µs",
    "memory (PSS), MiB",
    "load generator's share",
    "errors",
)
CEILING = "hyper"
REUSED_BAR = 0.75


def measure(context: Context) -> Section:
    """Make all peers ready, and measure everybody in turn."""
    context.say("installing the peers")
    subjects: dict[str, Subject | str] = {
        **_own(context.components),
        **peers.prepared(peers.ALL, context.components),
    }
    found = series.take_turns("peers", subjects, context)
    title = "Rust, WASI 0.2, 128 requests per instance, beside native hyper on as many processes"
    row = series.ratio(title, found["wisp-reused"], found[CEILING], REUSED_BAR)
    line = (row.title, found[CEILING].told, found["wisp-reused"].told, row.told, row.told_bar, row.met)
    tables = (Table(series.RATIOS, (line,)), table(found))
    return Section(tables, series.documents(found), (row,), series.commands(found))


def table(found: Mapping[str, Series]) -> Table:
    """Return the table of all servers, the fastest first; those that did not work come last."""
    ceiling = _requests(found[CEILING]) if CEILING in found else 0.0
    ordered = sorted(found.values(), key=_requests, reverse=True)
    return Table(HEAD, tuple(_told(one, ceiling) for one in ordered))


def _own(components: Components) -> dict[str, Subject]:
    fresh = wasmtime(components.rust_p2, "fresh")
    return {
        "wisp": wisp(components.rust_p2, "fresh"),
        "wisp-reused": wisp(components.rust_p2, "reused", reuse=128),
        "wisp-python": wisp(components.python_merged, "fresh"),
        "wasmtime": fresh,
        "wasmtime-apart": apart(fresh),
    }


def _requests(one: Series) -> float:
    return one.requests.median if one.samples and not one.void else 0.0


def _told(one: Series, ceiling: float) -> tuple[str, ...]:
    if one.void or not one.samples:
        return (one.subject.name, *("-",) * (len(HEAD) - 2), cell(one.void or "-"))
    return (
        one.subject.name,
        one.told,
        f"{_requests(one) / ceiling:.0%}" if ceiling else "-",
        typical(one, "p50_ms", ".2f"),
        typical(one, "p99_ms", ".2f"),
        typical(one, "processor_us", ".1f"),
        typical(one, "memory_mib", ".0f"),
        typical(one, "load_generator", ".0%"),
        "0",
    )
