"""What a part of the benchmark found: rows with their bars, tables for the document, and all of it as JSON.

Tables with the same head become one in the document, so that each part may give its own lines of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.part import Json

SMALL, LARGE = 10, 1000
"""Below the one a figure has two decimals, from the other on it has none."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Several measurements of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    def text(self, form: str = ",.0f") -> str:
        """Return the median, with the least and the greatest."""
        if len(self.values) == 1:
            return f"{self.median:{form}}"
        return f"{self.median:{form}} ({min(self.values):{form}} - {max(self.values):{form}})"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured, with the bar that it must meet."""

    title: str
    values: tuple[float, ...]
    """One of each round. The median is what counts."""

    unit: str
    """`ms`, `KB`, `x` for a ratio."""

    bar: float | None = None
    is_floor: bool = False
    """Whether the bar is the least that is good, and not the most."""

    void: str | None = None
    """Why it could not be measured; then there are no values."""

    @property
    def value(self) -> float | None:
        """The median, unless it could not be measured."""
        return None if self.void or not self.values else median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met; None without a bar. What could not be measured meets none."""
        if self.bar is None:
            return None
        if self.value is None:
            return False
        return self.value >= self.bar if self.is_floor else self.value <= self.bar

    @property
    def told(self) -> str:
        """The median with the least and the greatest and the unit, or why there is none."""
        if self.value is None:
            return cell(self.void or "-")
        return f"{Figure(self.values).text(form_of(self.value))} {self.unit}".strip()

    @property
    def told_bar(self) -> str:
        """The bar, for a table."""
        if self.bar is None:
            return "-"
        return f"at {'least' if self.is_floor else 'most'} {self.bar:g} {self.unit}".strip()

    @property
    def met(self) -> str:
        """Whether the bar is met, for a table."""
        return {None: "-", True: "yes", False: "**no**"}[self.is_met]

    def document(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "title": self.title,
            "values": [round(value, 4) for value in self.values],
            "unit": self.unit,
            "bar": self.bar,
            "is_floor": self.is_floor,
            "met": self.is_met,
            "void": self.void,
        }


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the document."""

    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return it as Markdown has tables."""
        lines = (self.head, ("---",) * len(self.head), *self.lines)
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True, slots=True)
class Section:
    """What one part found."""

    tables: tuple[Table, ...]
    samples: Json
    """Everything that was measured, as it was measured."""

    rows: tuple[Row, ...] = ()
    """What has a bar, or could have one."""

    commands: tuple[str, ...] = ()
    """The command lines that were measured, as a person would write them."""


def of_rows(rows: Sequence[Row], what: str, commands: Sequence[str] = ()) -> Section:
    """Return a section that is one table of rows; `what` heads its first column."""
    lines = tuple((row.title, row.told, row.told_bar, row.met) for row in rows)
    table = Table((what, "measured", "bar", "met"), lines)
    return Section((table,), [row.document() for row in rows], tuple(rows), tuple(commands))


def cell(text: str) -> str:
    """Return text that does not end a cell of a table: one line, no bars."""
    return (text.splitlines() or ["-"])[0].replace("|", "/")


def form_of(value: float) -> str:
    """Return the format in which a figure of this size is read best."""
    if abs(value) >= LARGE:
        return ",.0f"
    return ".2f" if abs(value) < SMALL else ".1f"
