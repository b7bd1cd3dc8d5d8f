"""A picture of boxes and arrows, as SVG.

Boxes stand in columns: whoever points at another stands to the left of it, the host's to the right of all. An arrow that is longer
than to the next column gets a place of its own in each column between, so that it runs behind no box. Within a column all
are ordered by the mean place of those that point at them, which keeps most arrows from crossing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Kind: TypeAlias = Literal["entry", "component", "host", "way"]
"""A `way` is where a long arrow goes through a column; nothing is drawn there."""

_COLOURS: Final[dict[str, tuple[str, str]]] = {
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
    span: float = 0
    """How wide a `way` is: as its column."""

    @property
    def width(self) -> float:
        """How wide it is drawn."""
        if self.kind == "way":
            return self.span
        return max(len(line) for line in (self.title, *self.lines)) * _LETTER + 2 * _PADDING

    @property
    def height(self) -> float:
        """How high it is drawn."""
        if self.kind == "way":
            return 0
        return (1 + len(self.lines)) * _LINE + 2 * _PADDING - 5


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from one box to another."""

    source: str
    target: str
    label: str = ""


def svg(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """Draw boxes and arrows. What points in a circle is drawn as if its last arrow pointed nowhere."""
    depths = _depths(nodes, edges)
    routes = {edge: _route(edge, number, depths) for number, edge in enumerate(edges)}
    places = dict(_places(_columns(nodes, routes.values(), depths)))
    width = max((x + node.width for node, x, _ in places.values()), default=0) + _MARGIN
    height = max((y + node.height for node, _, y in places.values()), default=0) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, monospace" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667"/></marker></defs>',
        *(_arrow(edge.label, [places[key] for key, _ in route]) for edge, route in routes.items()),
        *(_box(*place) for place in places.values() if place[0].kind != "way"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _route(edge: Edge, number: int, depths: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the boxes and ways that an arrow goes through, with their columns."""
    first, last = depths[edge.source], depths[edge.target]
    between = [(f"way {number} {depth}", depth) for depth in range(first + 1, last)]
    return [(edge.source, first), *between, (edge.target, last)]


def _columns(
    nodes: Sequence[Node], routes: Iterable[Sequence[tuple[str, int]]], depths: Mapping[str, int]
) -> list[list[Node]]:
    columns: list[list[Node]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for node in nodes:
        columns[depths[node.key]].append(node)
    before: dict[str, list[str]] = {}
    for route in routes:
        for key, depth in route[1:-1]:
            columns[depth].append(Node(key, "", kind="way"))
        for (source, _), (target, _) in pairwise(route):
            before.setdefault(target, []).append(source)
    rows: dict[str, float] = {}
    for column in columns:
        column.sort(key=lambda node: _mean([rows[key] for key in before.get(node.key, ()) if key in rows]))
        rows |= {node.key: row / len(column) for row, node in enumerate(column)}
    return columns


def _depths(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, int]:
    """Find the column of each box: the length of the longest way to it, the last one for the host's."""
    depths = {node.key: 0 for node in nodes}
    # The longest way without a circle has fewer arrows than there are boxes; a circle would go on for ever.
    for _ in nodes:
        for edge in edges:
            if edge.source != edge.target and depths[edge.target] <= depths[edge.source] < len(nodes) - 1:
                depths[edge.target] = depths[edge.source] + 1
    last = max(depths.values(), default=0)
    depths |= {node.key: last for node in nodes if node.kind == "host"}
    used = sorted(set(depths.values()))
    return {key: used.index(depth) for key, depth in depths.items()}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _places(columns: Sequence[Sequence[Node]]) -> Iterator[tuple[str, tuple[Node, float, float]]]:
    heights = [sum(node.height + _ROW_GAP for node in column) for column in columns]
    x: float = _MARGIN
    for column, height in zip(columns, heights, strict=True):
        y = _MARGIN + (max(heights) - height) / 2
        width = max(node.width for node in column)
        for node in column:
            yield node.key, (replace(node, span=width), x, y)
            y += node.height + _ROW_GAP
        x += width + _COLUMN_GAP


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


def _arrow(label: str, stops: Sequence[tuple[Node, float, float]]) -> str:
    path = ""
    for (source, left, top), (target, right, bottom) in pairwise(stops):
        start, begin, end = left + source.width, top + source.height / 2, bottom + target.height / 2
        bend = max(40.0, (right - start) / 2)
        path += f"{'L' if path else 'M'}{start:.0f} {begin:.0f}"
        path += f"C{start + bend:.0f} {begin:.0f} {right - bend:.0f} {end:.0f} {right:.0f} {end:.0f}"
    drawn = f'<path d="{path}" fill="none" stroke="#667" marker-end="url(#arrow)"/>'
    if not label:
        return drawn
    (source, x1, y1), (target, x2, y2) = stops[0], stops[1]
    x, y = (x1 + source.width + x2) / 2, (y1 + source.height / 2 + y2 + target.height / 2) / 2 - 5
    return f'{drawn}\n<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" font-size="11" fill="#556">{escape(label)}</text>'
