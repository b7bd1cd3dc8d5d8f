"""Charts as SVG: bars, and lines over an axis.

Written here and not by a library, because that is what it takes to have text as text, colours for light and for dark pages, and a file
that changes only where a figure does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 720
COLOURS: Final = {
    "a": ("#0969da", "#58a6ff"),
    "b": ("#bc4c00", "#f0883e"),
    "c": ("#6e7781", "#8b949e"),
}
"""By the names of their classes: on a light page, and on a dark one."""

DASHES: Final = ("", "7 4", "2 4")
"""Lines of one colour differ by these."""

_LIGHT: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.quiet { fill: #59636e; font-size: 12px; }
.axis { stroke: #818b98; }
.grid { stroke: #818b98; stroke-opacity: 0.25; }
.span { stroke: #1f2328; stroke-width: 1.5; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
"""
_DARK: Final = """
text, .title { fill: #e6edf3; }
.quiet { fill: #9198a1; }
.span { stroke: #e6edf3; }
"""

_LEFT, _RIGHT, _TOP, _ROW = 270, 120, 50, 26


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: how long, from where to where the measurements were; or what is told instead."""

    label: str
    middle: float
    least: float
    most: float
    told: str
    kind: str = "c"


@dataclass(frozen=True, slots=True)
class Line:
    """One line through points."""

    label: str
    points: Sequence[tuple[float, float]]
    kind: str
    dashes: str


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its values grow evenly, whatever its marks say."""

    label: str
    marks: Sequence[tuple[float, str]]
    """From the least value to the greatest."""

    def part(self, value: float) -> float:
        """Return how far along a value lies, from 0 to 1."""
        least, most = self.marks[0][0], self.marks[-1][0]
        return (value - least) / (most - least)


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """Return a chart of bars, one below the other."""
    longest = max((row.most for row in rows), default=0.0) or 1.0
    room = WIDTH - _LEFT - _RIGHT
    body: list[str] = []
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW
        length, least, most = (room * value / longest for value in (row.middle, row.least, row.most))
        body.append(_text(_LEFT - 8, y + 13, row.label, anchor="end"))
        body.append(f'<rect class="{row.kind}" x="{_LEFT}" y="{y}" width="{length:.1f}" height="18" rx="2"/>')
        if most > least:
            body.append(_stroke("span", (_LEFT + least, y + 9), (_LEFT + most, y + 9)))
        body.append(_text(_LEFT + most + 8, y + 13, row.told, kind="quiet"))
    height = _TOP + len(rows) * _ROW + 10
    return _document(title, unit, height, body)


def lines(title: str, across: Axis, up: Axis, drawn: Sequence[Line]) -> str:
    """Return a chart of lines, with their names above it."""
    left, right, top, bottom = 70, 40, _TOP + 22 * ((len(drawn) + 1) // 2) + 10, 420
    wide, high = WIDTH - left - right, bottom - top
    body = [*_names(drawn)]
    for value, mark in up.marks:
        y = bottom - high * up.part(value)
        body += [_stroke("grid", (left, y), (left + wide, y)), _text(left - 8, y + 4, mark, anchor="end")]
    for value, mark in across.marks:
        x = left + wide * across.part(value)
        body += [_stroke("axis", (x, bottom), (x, bottom + 5)), _text(x, bottom + 20, mark, anchor="middle")]
    body.append(_stroke("axis", (left, bottom), (left + wide, bottom)))
    body.append(_text(left + wide / 2, bottom + 42, across.label, anchor="middle", kind="quiet"))
    for line in drawn:
        places = ((left + wide * across.part(x), bottom - high * up.part(y)) for x, y in line.points)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(_drawn(line, points))
    return _document(title, up.label, bottom + 56, body)


def _names(drawn: Sequence[Line]) -> Iterator[str]:
    for number, line in enumerate(drawn):
        x, y = 70 + 330 * (number % 2), _TOP + 22 * (number // 2)
        yield _drawn(line, f"{x},{y} {x + 34},{y}")
        yield _text(x + 42, y + 4, line.label)


def _drawn(line: Line, points: str) -> str:
    return f'<polyline class="line {line.kind}" stroke-dasharray="{line.dashes}" points="{points}"/>'


def _document(title: str, subtitle: str, height: float, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style()}</style>",
        _text(10, 18, title, kind="title"),
        _text(10, 36, subtitle, kind="quiet"),
    )
    return "\n".join((*head, *body, "</svg>\n"))


def _style() -> str:
    rules = [
        "\n".join(
            f"rect.{kind} {{ fill: {pair[page]}; }} .line.{kind} {{ stroke: {pair[page]}; }}"
            for kind, pair in COLOURS.items()
        )
        for page in (0, 1)
    ]
    return f"{_LIGHT}{rules[0]}\n@media (prefers-color-scheme: dark) {{{_DARK}{rules[1]}\n}}\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _stroke(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (right, below) = start, end
    return f'<line class="{kind}" x1="{x:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{below:.1f}"/>'
