"""A value of every WIT type comes back as it was, whichever way it goes: see `ways.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import wisp
from tests.integration.round_trip import notation, ways
from tests.integration.round_trip.strategies import EXAMPLES, Values
from wisp.host.embed.names import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.round_trip.ways import Way

# The first run of all builds and compiles the guests.
pytestmark = pytest.mark.timeout(900)

WAYS = [
    f"{way} {language}"
    for way in ("direct", "answered", "awaited", "fused", "bridged", "remote", "apart")
    for language in ways.OTHER
]
ECHO = Path("tests/guests/types/wit/types.wit").read_text(encoding="utf-8").partition("interface echo")[2]
FUNCTIONS = re.findall(r"^  ([a-z0-9-]+): func\(", ECHO.partition("interface")[0], re.MULTILINE)


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    name, language = request.param.split()
    folder = [tmp_path_factory.mktemp("app")] if name in ("bridged", "remote", "apart") else []
    with getattr(ways, name)(language, *folder) as way:
        yield way


@pytest.fixture(scope="module")
def values(way: Way) -> Values:
    return Values(way.binding)


@pytest.mark.parametrize("function", FUNCTIONS)
@settings(max_examples=EXAMPLES)
@given(data=some.data())
def test_a_value_comes_back_as_it_was(way: Way, values: Values, function: str, data: some.DataObject) -> None:
    called = values.function(ways.ECHO, function)
    arguments = data.draw(values.arguments(called))

    back = way.call(attribute(function), arguments)

    assert back == notation.text(expected(arguments, raises=values.is_result(called.result)))


def expected(arguments: tuple[Any, ...], *, raises: bool) -> Any:
    """Return what a function gives for these arguments."""
    if len(arguments) != 1:
        return arguments or None
    [value] = arguments
    return value.value if raises and isinstance(value, wisp.Ok) else value
