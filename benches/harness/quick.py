"""The quick pass: the ratios that have a bar, beside `wasmtime serve` and native hyper only, within three minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness import peers, series
from harness.groups import GROUPS
from harness.section import Section, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.part import Context
    from harness.section import Row
    from harness.series import Series
    from harness.servers import Subject

CEILING: Final = "hyper"


def measure(context: Context) -> Section:
    """Measure both sides of each ratio that has a bar, and the ceiling, in turn."""
    subjects: dict[str, Subject] = {CEILING: peers.hyper()}
    for group in GROUPS:
        every = group.subjects(context.components)
        for one in group.ratios:
            if one.bar is not None:
                subjects |= {f"{group.name} {key}": every[key] for key in (one.peer, one.ours)}
    found = series.take_turns("quick", subjects, context)
    lines, rows = [], []
    for row, peer, ours in _rows(found):
        rows.append(row)
        lines.append((row.title, peer.told, ours.told, row.told, row.told_bar, row.met))
    tables = (Table(series.RATIOS, tuple(lines)), series.table(found.values()))
    return Section(tables, series.documents(found), tuple(rows), series.commands(found))


def _rows(found: Mapping[str, Series]) -> Iterator[tuple[Row, Series, Series]]:
    """Return each ratio with the two that it is of: first those beside `wasmtime serve`, then those beside hyper."""
    compared = [(group, one) for group in GROUPS for one in group.ratios if one.bar is not None]
    for group, one in compared:
        peer, ours = found[f"{group.name} {one.peer}"], found[f"{group.name} {one.ours}"]
        yield series.ratio(one.title, ours, peer, one.bar), peer, ours
    for group, one in compared:
        peer, ours = found[CEILING], found[f"{group.name} {one.ours}"]
        yield series.ratio(f"{one.title}, beside native hyper", ours, peer, None), peer, ours
