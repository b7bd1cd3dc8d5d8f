"""A picture of boxes and arrows, as SVG.

Boxes stand in columns: whoever points at another stands to the left of it, the host's to the right of all. An arrow that is longer
than to the next column gets a place of its own in each column between, so that it runs behind no box. Within a column all
are as wide as the widest, and ordered by the mean place of those that point at them, which keeps most arrows from crossing. What an
arrow is called stands in the gap behind its first box, which is as wide as that takes; labels of one gap make room for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Kind: TypeAlias = Literal["entry", "component", "host", "way"]
"""A `way` is where a long arrow goes through a column; nothing is drawn there."""

ArrowKind: TypeAlias = Literal["use", "entry", "fused", "bridged", "remote"]

_COLOURS: Final[dict[str, tuple[str, str]]] = {
    "entry": ("#eef6ee", "#3a7d44"),
    "component": ("#eef2fb", "#3556a8"),
    "host": ("#f6f1e7", "#8a6d3b"),
}
_ARROWS: Final[dict[ArrowKind, tuple[str, str]]] = {
    "use": ("#b3b8c4", 'stroke-width="1"'),
    "entry": ("#3a7d44", 'stroke-width="1.5"'),
    "fused": ("#3556a8", 'stroke-width="2"'),
    "bridged": ("#b0522a", 'stroke-width="2" stroke-dasharray="6 4"'),
    "remote": ("#7a3aa8", 'stroke-width="2" stroke-dasharray="2 4"'),
}
_LETTER: Final = 7.3
"""The width of a letter at 12 px of a monospaced face, in px; so are all numbers below."""

_SMALL_LETTER: Final = 6.7
"""The same at 11 px, for what stands at an arrow."""

_LINE: Final = 17
_SMALL_LINE: Final = 14
_PADDING: Final = 12
_COLUMN_GAP: Final = 110
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
    """How wide its column is, once that is known."""

    @property
    def width(self) -> float:
        """How wide it is drawn."""
        if self.kind == "way" or self.span:
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
    label: tuple[str, ...] = ()
    kind: ArrowKind = "use"
    note: str = ""
    """What a viewer shows when somebody points at it."""

    @property
    def width(self) -> float:
        """How wide its label is."""
        return max((len(line) for line in self.label), default=0) * _SMALL_LETTER + 8

    @property
    def height(self) -> float:
        """How high its label is."""
        return len(self.label) * _SMALL_LINE + 4


class Place(NamedTuple):
    """A box, and where its upper left corner is."""

    node: Node
    x: float
    y: float


def svg(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """Draw boxes and arrows. What points in a circle is drawn as if its last arrow pointed nowhere."""
    depths = _depths(nodes, edges)
    routes = [(edge, _route(edge, number, depths)) for number, edge in enumerate(edges)]
    columns = _columns(nodes, [route for _, route in routes], depths)
    room = _label_heights(edges, depths, len(columns))
    places = dict(_places(columns, _gaps(edges, depths, len(columns)), room))
    drawn = [(edge, [places[key] for key, _ in route]) for edge, route in routes]
    labels = list(_labels(drawn))
    width = max((place.x + place.node.width for place in places.values()), default=0) + _MARGIN
    bottoms = [place.y + place.node.height for place in places.values()]
    height = max([*bottoms, *(y + edge.height for edge, _, y in labels)], default=0) + _MARGIN
    markers = (
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" fill="{colour}"/></marker>'
        for kind, (colour, _) in _ARROWS.items()
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, monospace" font-size="12">',
        f"<defs>{''.join(markers)}</defs>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        *(_arrow(edge, stops) for edge, stops in sorted(drawn, key=lambda it: it[0].kind != "use")),
        *(_label(*label) for label in labels),
        *(_box(*place) for place in places.values() if place.node.kind != "way"),
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


def _gaps(edges: Sequence[Edge], depths: Mapping[str, int], columns: int) -> list[float]:
    """Find how much room there is behind each column: enough for what its arrows are called."""
    gaps = [float(_COLUMN_GAP)] * columns
    for edge in edges:
        if edge.label:
            depth = depths[edge.source]
            gaps[depth] = max(gaps[depth], edge.width + 7 * _PADDING)
    return gaps


def _label_heights(edges: Sequence[Edge], depths: Mapping[str, int], columns: int) -> list[float]:
    """Find how high each column has to be for the labels before or behind it: as high as the higher of both."""
    behind = [0.0] * (columns + 1)
    for edge in edges:
        if edge.label:
            behind[depths[edge.source]] += edge.height + _ROW_GAP
    return [max(behind[column], behind[column - 1]) for column in range(columns)]


def _places(
    columns: Sequence[Sequence[Node]], gaps: Sequence[float], room: Sequence[float]
) -> Iterator[tuple[str, Place]]:
    boxes = [sum(node.height for node in column) for column in columns]
    rows = [
        max(_ROW_GAP, (wanted - height) / len(column))
        for column, height, wanted in zip(columns, boxes, room, strict=True)
    ]
    heights = [height + row * len(column) for column, height, row in zip(columns, boxes, rows, strict=True)]
    x: float = _MARGIN
    for number, column in enumerate(columns):
        y = _MARGIN + (max(heights) - heights[number]) / 2
        width = max(node.width for node in column)
        for node in column:
            yield node.key, Place(replace(node, span=width), x, y)
            y += node.height + rows[number]
        x += width + gaps[number]


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
    return "\n".join([f'<g class="box">{box}', *lines, "</g>"])


def _arrow(edge: Edge, stops: Sequence[Place]) -> str:
    path = ""
    for (source, left, top), (target, right, bottom) in pairwise(stops):
        start, begin, end = left + source.width, top + source.height / 2, bottom + target.height / 2
        bend = max(40.0, (right - start) / 2)
        path += f"{'L' if path else 'M'}{start:.0f} {begin:.0f}"
        path += f"C{start + bend:.0f} {begin:.0f} {right - bend:.0f} {end:.0f} {right:.0f} {end:.0f}"
    colour, style = _ARROWS[edge.kind]
    note = f"<title>{escape(edge.note)}</title>" if edge.note else ""
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" {style} marker-end="url(#{edge.kind})">{note}</path>'
    )


def _labels(drawn: Iterable[tuple[Edge, Sequence[Place]]]) -> Iterator[tuple[Edge, float, float]]:
    """Put what arrows are called on the middle of their way to the next column, below each other where they would meet.

    Gives the middle of the upper side of each.
    """
    waiting: dict[float, list[tuple[float, Edge]]] = {}
    for edge, ((source, left, top), (target, right, bottom), *_) in drawn:
        if edge.label:
            middle = (top + source.height / 2 + bottom + target.height / 2) / 2
            waiting.setdefault((left + source.width + right) / 2, []).append((middle - edge.height / 2, edge))
    for x, wishes in waiting.items():
        wishes.sort(key=lambda it: it[0])
        lowest, places = 0.0, []
        for wanted, edge in wishes:
            places.append(max(wanted, lowest))
            lowest = places[-1] + edge.height + 2
        # As far up as others went down, so that all are as near to their arrows as they can be.
        back = (sum(places) - sum(wanted for wanted, _ in wishes)) / len(wishes)
        back = min(back, places[0])
        yield from ((edge, x, y - back) for (_, edge), y in zip(wishes, places, strict=True))


def _label(edge: Edge, x: float, y: float) -> str:
    lines = (
        f'<text x="{x:.0f}" y="{y + number * _SMALL_LINE - 2:.0f}">{escape(line)}</text>'
        for number, line in enumerate(edge.label, start=1)
    )
    ground = (
        f'<rect x="{x - edge.width / 2:.0f}" y="{y:.0f}" width="{edge.width:.0f}" height="{edge.height:.0f}" '
        'rx="3" fill="#fff"/>'
    )
    colour, _ = _ARROWS[edge.kind]
    note = f"<title>{escape(edge.note)}</title>" if edge.note else ""
    texts = "".join(lines)
    return f'<g class="label" font-size="11" text-anchor="middle" fill="{colour}">{note}{ground}{texts}</g>'
