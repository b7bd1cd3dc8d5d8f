"""A picture of boxes and arrows, as SVG.

Boxes stand in columns: whoever points at another stands to the left of it. Within a column they are ordered by the mean place of
those that point at them, which keeps most arrows from crossing. That is enough for the dozens of boxes that an app has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Kind: TypeAlias = Literal["entry", "component", "host"]

_COLOURS: Final[dict[Kind, tuple[str, str]]] = {
    "entry": ("#eef6ee", "#3a7d44"),
    "component": ("#eef2fb", "#3556a8"),
    "host": ("#f6f1e7", "#8a6d3b"),
}
_LETTER: Final = 7.3
"""The width of a letter at 12 px of a monospaced face, in px; so are all numbers below."""

_LINE: Final = 17
_PADDING: Final = 12
_COLUMN_GAP: Final = 120
_ROW_GAP: Final = 22
_MARGIN: Final = 20


@dataclass(frozen=True, slots=True)
class Node:
    """A box."""

    key: str
    title: str
    lines: tuple[str, ...] = ()
    kind: Kind = "component"

    @property
    def width(self) -> float:
        """How wide it is drawn."""
        return max(len(line) for line in (self.title, *self.lines)) * _LETTER + 2 * _PADDING

    @property
    def height(self) -> float:
        """How high it is drawn."""
        return (1 + len(self.lines)) * _LINE + 2 * _PADDING - 5


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from one box to another."""

    source: str
    target: str
    label: str = ""


def svg(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """Draw boxes and arrows. What points in a circle is drawn as if its last arrow pointed nowhere."""
    columns = _columns(nodes, edges)
    places = dict(_places(columns))
    width = max((x + node.width for node, x, _ in places.values()), default=0) + _MARGIN
    height = max((y + node.height for node, _, y in places.values()), default=0) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, monospace" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
        *(_arrow(edge, places) for edge in edges),
        *(_box(*place) for place in places.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _columns(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[Node]]:
    depths = _depths(nodes, edges)
    columns: list[list[Node]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for node in nodes:
        columns[depths[node.key]].append(node)
    rows: dict[str, float] = {}
    for column in columns:
        column.sort(
            key=lambda node: _mean(
                [rows[edge.source] for edge in edges if edge.target == node.key and edge.source in rows]
            )
        )
        rows |= {node.key: row / len(column) for row, node in enumerate(column)}
    return columns


def _depths(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, int]:
    """Find the column of each box: the length of the longest way to it."""
    depths = {node.key: 0 for node in nodes}
    # The longest way without a circle has fewer arrows than there are boxes; a circle would go on for ever.
    for _ in nodes:
        moved = False
        for edge in edges:
            if edge.source != edge.target and depths[edge.target] <= depths[edge.source] < len(nodes) - 1:
                depths[edge.target] = depths[edge.source] + 1
                moved = True
        if not moved:
            break
    used = sorted(set(depths.values()))
    return {key: used.index(depth) for key, depth in depths.items()}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _places(columns: Sequence[Sequence[Node]]) -> Iterator[tuple[str, tuple[Node, float, float]]]:
    heights = [sum(node.height + _ROW_GAP for node in column) for column in columns]
    x: float = _MARGIN
    for column, height in zip(columns, heights, strict=True):
        y = _MARGIN + (max(heights) - height) / 2
        for node in column:
            yield node.key, (node, x, y)
            y += node.height + _ROW_GAP
        x += max(node.width for node in column) + _COLUMN_GAP


def _box(node: Node, x: float, y: float) -> str:
    fill, stroke = _COLOURS[node.kind]
    lines = [
        f'<text x="{x + _PADDING:.0f}" y="{y + _PADDING + 8:.0f}" font-weight="bold">{escape(node.title)}</text>'
    ]
    lines += [
        f'<text x="{x + _PADDING:.0f}" y="{y + _PADDING + 8 + number * _LINE:.0f}" fill="#444">{escape(line)}</text>'
        for number, line in enumerate(node.lines, start=1)
    ]
    box = (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{node.width:.0f}" height="{node.height:.0f}" rx="6" '
        f'fill="{fill}" stroke="{stroke}"/>'
    )
    return "\n".join([f"<g>{box}", *lines, "</g>"])


def _arrow(edge: Edge, places: Mapping[str, tuple[Node, float, float]]) -> str:
    source, x1, y1 = places[edge.source]
    target, x2, y2 = places[edge.target]
    x1, y1, y2 = x1 + source.width, y1 + source.height / 2, y2 + target.height / 2
    bend = max(40.0, (x2 - x1) / 2)
    path = f'<path d="M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"'
    drawn = f'{path} fill="none" stroke="#667" marker-end="url(#arrow)"/>'
    if not edge.label:
        return drawn
    x, y = (x1 + x2) / 2, (y1 + y2) / 2 - 5
    return f'{drawn}\n<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" font-size="11" fill="#556">{escape(edge.label)}</text>'
