"""The picture: every box once, whoever points to the left of what it points at, and valid whatever the names."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from wisp.wit.graph import Edge, Node, svg

SPACE = "{http://www.w3.org/2000/svg}"
KEYS = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[Edge]]:
    keys = draw(KEYS)
    ends = st.sampled_from(keys)
    return [Node(key, key) for key in keys], draw(st.lists(st.builds(Edge, ends, ends), max_size=8))


def boxes(picture: str) -> dict[str, float]:
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own
    found = {}
    for group in root.iterfind(f"{SPACE}g[@class='box']"):
        box, title = group.find(f"{SPACE}rect"), group.find(f"{SPACE}text")
        assert box is not None
        assert title is not None
        found[title.text or ""] = float(box.attrib["x"])
    return found


@given(graphs())
def test_every_box_is_drawn_once_even_where_arrows_go_in_circles(
    graph: tuple[list[Node], list[Edge]],
) -> None:
    nodes, edges = graph

    drawn = boxes(svg(nodes, edges))

    assert sorted(drawn) == sorted(node.key for node in nodes)


def test_who_points_at_another_stands_to_the_left_of_it() -> None:
    nodes = [
        Node("host", "host"),
        Node("format", "format"),
        Node("gateway", "gateway"),
        Node("processor", "processor"),
    ]
    edges = [
        Edge("gateway", "processor"),
        Edge("processor", "format"),
        Edge("gateway", "host"),
        Edge("format", "host"),
    ]

    drawn = boxes(svg(nodes, edges))

    assert drawn["gateway"] < drawn["processor"] < drawn["format"] < drawn["host"]


def test_labels_of_arrows_stand_between_their_boxes_and_on_no_other_label() -> None:
    names = [f"component-{number}" for number in range(4)]
    nodes = [Node("front", "front"), *(Node(name, name) for name in names)]
    edges = [
        Edge("front", name, (f"shop:texts/a-rather-long-name-{name}@0.1.0", "fused"), "fused")
        for name in names
    ]

    root = ElementTree.fromstring(svg(nodes, edges))  # noqa: S314 - our own
    grounds = [rectangle(label) for label in root.iterfind(f"{SPACE}g[@class='label']")]
    drawn = [rectangle(box) for box in root.iterfind(f"{SPACE}g[@class='box']")]

    assert len(grounds) == len(names)
    assert not [pair for pair in combinations(grounds + drawn, 2) if meet(*pair)]


def rectangle(group: ElementTree.Element) -> tuple[float, float, float, float]:
    box = group.find(f"{SPACE}rect")
    assert box is not None
    x, y, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@given(st.text(alphabet=st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=20))
def test_any_name_can_be_drawn(name: str) -> None:
    ElementTree.fromstring(svg([Node("a", name, (name,))], [Edge("a", "a", (name,), note=name)]))  # noqa: S314 - our own


def test_nothing_is_an_empty_picture() -> None:
    assert boxes(svg([], [])) == {}
