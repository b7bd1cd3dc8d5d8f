"""What single calls cost, as a table: ours beside each peer, and how many times ours goes into the peer's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.call_rows import COLUMNS, OURS
from harness.section import Figure, Row, Section, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.call_rows import CallRow

HEAD = ("one call", OURS, "bar", "met", *COLUMNS)


@dataclass(frozen=True, slots=True)
class Measured:
    """One row: by column, the nanoseconds of one call in each round."""

    row: CallRow
    figures: dict[str, list[float]] = field(default_factory=dict)


def section(measured: Sequence[Measured], commands: tuple[str, ...]) -> Section:
    """Return what was found."""
    rows = tuple(Row(one.row.title, tuple(one.figures[OURS]), "ns", one.row.bar) for one in measured)
    lines = tuple(_told(one, row) for one, row in zip(measured, rows, strict=True))
    samples = [
        {
            "title": one.row.title,
            "bar_ns": one.row.bar,
            "samples_ns": {
                column: [round(value, 1) for value in values] for column, values in one.figures.items()
            },
        }
        for one in measured
    ]
    return Section((Table(HEAD, lines),), samples, rows, commands)


def _told(measured: Measured, row: Row) -> tuple[str, ...]:
    ours = Figure(row.values)
    cells = [_time(ours), "-" if row.bar is None else f"at most {_unit(row.bar)}", row.met]
    for column in COLUMNS:
        values = measured.figures.get(column)
        figure = Figure(tuple(values)) if values else None
        cells.append("-" if figure is None else f"{_time(figure)}, {_short(figure.median / ours.median)} x")
    return (row.title, *cells)


def _time(figure: Figure) -> str:
    """Return the median, with the least and the greatest, in the median's unit."""
    name, size = _scale(figure.median)
    middle, least, most = (
        _short(value / size) for value in (figure.median, min(figure.values), max(figure.values))
    )
    return f"{middle} {name} ({least} - {most})"


def _short(value: float) -> str:
    """Return a number with three digits, or whole."""
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"  # noqa: PLR2004 - where three digits end


def _unit(nanoseconds: float) -> str:
    name, size = _scale(nanoseconds)
    return f"{nanoseconds / size:g} {name}"


def _scale(nanoseconds: float) -> tuple[str, float]:
    """Return the unit in which a time is read best."""
    for name, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return name, size
    return "ns", 1.0
