"""Places of keys and values, compared with what `tomllib` reads."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit
from hypothesis import assume, given
from hypothesis import strategies as st

from wisp.manifest.positions import Path, Position, positions

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = '''\
a.b."c.d" = 1 # not a key = 2
list = [1, [2, 3,], {x = 1, y.z = "]}"}, """
several " "" \\""" lines """, \'\'\'q\'\'\'\'\', ] # e
[ x . 'y z' ]
"key\\u0020" = """a"""""

[[http]]
route = "/a" # comment
[[http]]
route="/ä"
[http.sub]
when = 1979-05-27 07:32:00
[[http.deep]]
[[http.deep]]
empty = {}
spread = [ # one
  1
  # [two]
  , 'x' ,
]
[x."y z".later]
'''


def paths(value: object, prefix: Path = ()) -> Iterator[Path]:
    """List the paths of all keys and elements, as `tomllib` sees them."""
    items: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield (*prefix, key)
        yield from paths(item, (*prefix, key))


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("a", "b", "c.d"), (1, 5), (1, 13)),
        (("list", 1, 1), (2, 16), (2, 16)),
        (("list", 2, "y", "z"), (2, 31), (2, 35)),
        (("list", 3), (2, 42), (2, 42)),
        (("x", "y z"), (4, 7), (4, 1)),
        (("x", "y z", "key "), (5, 1), (5, 15)),
        (("http", 0, "route"), (8, 1), (8, 9)),
        (("http", 1), (9, 1), (9, 1)),
        (("http", 1, "route"), (10, 1), (10, 7)),
        (("http", 1, "sub", "when"), (12, 1), (12, 8)),
        (("http", 1, "deep", 1, "spread", 1), (19, 5), (19, 5)),
    ],
)
def test_keys_and_values_are_found(path: Path, key: tuple[int, int], value: tuple[int, int]) -> None:
    place = positions(DOCUMENT)[path]

    assert (place.key, place.value) == (Position(*key), Position(*value))


def test_every_key_has_a_place_and_there_are_no_others() -> None:
    assert set(positions(DOCUMENT)) == set(paths(tomllib.loads(DOCUMENT)))


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4) | st.sampled_from(
    ["a", "b", "c-d"]
)
SCALARS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.datetimes()
)
VALUES = st.recursive(
    SCALARS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_key_of_a_written_document_has_a_place(data: dict[str, Any]) -> None:
    document = tomlkit.dumps(data).replace("\r\n", "\n")

    read = tomllib.loads(document)

    assert set(positions(document)) == set(paths(read))


LINES = st.sampled_from(
    [
        "a = 1",
        "b.c = [1, {d = 2}, [3]]",
        '"e f" = """x\n\n"y"""',
        "g = '''\n#\n'''",
        "[a]",
        "[a.b]",
        "[[t]]",
        "[[t.u]]",
        "[t.v]",
        "# [c]",
        "h = {i = {j = []}}",
        "k = [ # c\n 1, # d\n]",
        "'' = ''",
        'l = "\\""',
        "m = 1.5e3#",
        "n = inf",
        "",
    ]
)


@given(st.lists(LINES, max_size=8).map("\n".join))
def test_whatever_tomllib_reads_has_places(document: str) -> None:
    try:
        read = tomllib.loads(document)
    except tomllib.TOMLDecodeError:
        assume(False)
        return

    assert set(positions(document)) == set(paths(read))
