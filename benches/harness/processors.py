"""What a second worker costs: processor time for a request with one worker and with two.

Processes that shared something would get into each other's way, and each request would cost more. What the system itself costs with
more processes is in native hyper's figure too, so each is told in times of hyper's with as many processes, in the same round.

Beside one worker the load generator would sleep most of the time, beside two it would not, and who wakes it is charged for that (docs/benchmarks/ideas.md).
So here it never sleeps, beside any of them.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from harness import peers, series
from harness.load import measure_awake
from harness.section import Row, Section, of_rows
from harness.servers import wisp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.part import Context
    from harness.series import Series

BAR: Final = 1.1
"""Times that the dearer of the two may cost what the other does."""

COUNTS: Final = (1, 2)
TITLE: Final = "processor time per request, in times of native hyper's on as many processes: "


def measure(context: Context) -> Section:
    """Measure wisp with one worker and with two, and hyper with as many processes, in turn."""
    subjects = {}
    for count in COUNTS:
        subjects[f"hyper-{count}"] = peers.hyper(count)
        name = f"fresh, workers: {count}"
        subjects[f"wisp-{count}"] = wisp(context.components.rust_p2, name, workers=count)
    found = series.take_turns("processors", subjects, context, measure_awake)
    rows = [*(_normalised(found, count) for count in COUNTS)]
    rows.append(difference(*rows))
    table = of_rows(rows, "processors").tables[0]
    tables = (table, series.table(found.values()))
    return Section(tables, series.documents(found), tuple(rows), series.commands(found))


def difference(one: Row, two: Row) -> Row:
    """Return how many times the less the greater of two medians is."""
    title = "the same: the greater of both, in times of the less"
    void = one.void or two.void
    if void or not one.values or not two.values:
        return Row(title, (), "x", BAR, void=void or "not measured")
    medians = sorted((median(one.values), median(two.values)))
    return Row(title, (medians[1] / medians[0],), "x", BAR)


def _normalised(found: Mapping[str, Series], count: int) -> Row:
    ours, ceiling = found[f"wisp-{count}"], found[f"hyper-{count}"]
    void = ours.void or ceiling.void
    pairs = zip(ours.samples, ceiling.samples, strict=False)
    values = () if void else tuple(mine.processor_us / theirs.processor_us for mine, theirs in pairs)
    workers = "1 worker" if count == 1 else f"{count} workers"
    return Row(f"{TITLE}{workers}, fresh instances", values, "x", void=void)
