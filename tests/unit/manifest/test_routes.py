"""Path patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.manifest.routes import parse_route

PARTS = st.one_of(
    st.text(min_size=1, max_size=8),
    st.from_regex(r":[a-z][a-z0-9_-]{0,4}", fullmatch=True),
    st.from_regex(r"(%[0-9A-Fa-f]{2}|[a-z~.]){1,4}", fullmatch=True),
    st.sampled_from(["...", "", ".", ".."]),
)
PATTERNS = st.lists(PARTS, max_size=5).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("/", "/"),
        ("/...", "/..."),
        ("/a/b", "/a/b"),
        ("/a/", "/a/"),
        ("/files/...", "/files/..."),
        ("/käse", "/k%C3%A4se"),
        ("/k%c3%a4se", "/k%C3%A4se"),
        ("/%41%7e%2D", "/A~-"),
        ("/100%25", "/100%25"),
        ("/a:b;v=1,2", "/a:b;v=1,2"),
        ("/%3Aid", "/%3Aid"),
    ],
)
def test_a_route_has_one_spelling(text: str, canonical: str) -> None:
    assert parse_route(text).text == canonical


def test_parameters_are_named_in_order() -> None:
    assert parse_route("/users/:id/posts/:post-id/...").parameters == ("id", "post-id")


def test_routes_that_differ_in_names_of_parameters_only_have_the_same_shape() -> None:
    assert parse_route("/users/:id/...").shape == parse_route("/users/:name/...").shape
    assert parse_route("/users/:id").shape != parse_route("/users/%3Aid").shape
    assert parse_route("/users/:id").shape != parse_route("/users/:id/").shape
    assert parse_route("/users/:id").shape != parse_route("/users/...").shape


def test_a_route_of_absurd_length_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 1024 characters"):
        parse_route("/" + "a" * 2000)


@given(st.one_of(PATTERNS, st.text()))
def test_a_route_is_refused_or_canonical(text: str) -> None:
    try:
        route = parse_route(text)
    except ValueError:
        return

    assert parse_route(route.text) == route
    assert route.text.isascii()
    assert route.text.isprintable()
    assert not set(route.text) & set(' "<>\\^`{|}?#')
    parts = route.text[1:].split("/")
    assert "" not in parts[:-1]
    assert not {".", ".."} & set(parts)
    assert "..." not in parts[:-1]
    assert [part[1:] for part in parts if part.startswith(":")] == list(route.parameters)
