"""Values of every type go to a guest and come back as they were; what does not fit is refused with its place."""

from __future__ import annotations

import dataclasses
import enum
import math
from array import array
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import wisp
from tests.integration.embed.guest import ECHO

TEXT = some.text(some.characters(codec="utf-8"), max_size=50)
INTEGERS = {f"{sign}{bits}": bits for sign in ("unsigned", "signed") for bits in (8, 16, 32, 64)}
IN_RANGE = {
    name: some.integers(0, 2**bits - 1)
    if name.startswith("un")
    else some.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for name, bits in INTEGERS.items()
}
STRATEGIES: dict[str, Any] = {
    "boolean": some.booleans(),
    **IN_RANGE,
    "float32": some.floats(width=32, allow_nan=False),
    "float64": some.floats(allow_nan=False),
    "character": some.characters(codec="utf-8"),
    "text": TEXT,
    "bytes": some.binary(max_size=2000),
    "numbers": some.lists(some.integers(-(2**31), 2**31 - 1)),
    "texts": some.lists(TEXT, max_size=10),
    "pair": some.tuples(some.integers(0, 2**32 - 1), TEXT),
    "maybe": some.none() | TEXT,
    "nested": some.none() | some.builds(wisp.Some, some.none() | some.integers(0, 2**32 - 1)),
    "outcomes": some.lists(
        some.builds(wisp.Ok, some.integers(0, 2**32 - 1)) | some.builds(wisp.Err, TEXT), max_size=10
    ),
}
FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.mark.parametrize("function", STRATEGIES)
@FIXTURES
@given(data=some.data())
def test_a_value_comes_back_as_it_was(blocking: Any, function: str, data: some.DataObject) -> None:
    value = data.draw(STRATEGIES[function])

    back = getattr(blocking[ECHO], function)(value)

    assert back == value
    assert type(back) is type(value)


@FIXTURES
@given(fields=some.lists(some.tuples(TEXT, TEXT, IN_RANGE["unsigned32"]), max_size=5))
def test_records_are_frozen_dataclasses(blocking: Any, fields: list[tuple[str, str, int]]) -> None:
    echo = blocking[ECHO]
    packets = [echo.Packet(*each) for each in fields]

    back = echo.packets(packets)

    assert back == packets
    assert all(type(each) is echo.Packet for each in back)


def test_a_record_cannot_be_changed_and_says_what_it_is(blocking: Any) -> None:
    packet = blocking[ECHO].Packet(id="a1", payload="x", encryption_level=7)

    with pytest.raises(dataclasses.FrozenInstanceError):
        packet.id = "a2"
    assert repr(packet) == "Packet(id='a1', payload='x', encryption_level=7)"


def test_the_cases_of_a_variant_are_told_apart_by_match(blocking: Any) -> None:
    echo = blocking[ECHO]
    seen = []

    for shape in (echo.Shape_Circle(1.5), echo.Shape_Rectangle((2.0, 3.0)), echo.Shape_Dot()):
        back = echo.a_shape(shape)
        assert back == shape
        assert isinstance(back, echo.Shape)
        match back:
            case echo.Shape_Circle(radius):
                seen.append(radius)
            case echo.Shape_Rectangle((width, height)):
                seen.append(width * height)
            case echo.Shape_Dot():
                seen.append(0)

    assert seen == [1.5, 6.0, 0]


def test_an_enum_is_an_enumeration(blocking: Any) -> None:
    echo = blocking[ECHO]

    assert issubclass(echo.Colour, enum.Enum)
    assert [member.name for member in echo.Colour] == ["RED", "GREEN", "DARK_BLUE"]
    assert all(echo.a_colour(member) is member for member in echo.Colour)


def test_flags_are_combined(blocking: Any) -> None:
    echo = blocking[ECHO]
    rights = echo.Rights.READ | echo.Rights.RUN_IT

    assert echo.some_rights(rights) == rights
    assert echo.some_rights(echo.Rights(0)) == echo.Rights(0)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: array("B", data)])
def test_any_buffer_is_a_list_of_u8(blocking: Any, make: Any) -> None:
    assert blocking[ECHO].bytes(make(b"abc")) == b"abc"


def test_many_megabytes_cross(blocking: Any) -> None:
    data = bytes(range(256)) * 4096 * 16

    assert blocking[ECHO].bytes(data) == data


def test_not_a_number_stays_none(blocking: Any) -> None:
    assert math.isnan(blocking[ECHO].float64(math.nan))


def test_a_function_without_result_gives_none(blocking: Any) -> None:
    assert blocking[ECHO].nothing() is None


def test_arguments_may_be_named(blocking: Any) -> None:
    assert blocking[ECHO].text(value="by name") == "by name"


@pytest.mark.parametrize("function", INTEGERS)
def test_an_integer_out_of_range_is_refused_with_its_wit_type(blocking: Any, function: str) -> None:
    bits = INTEGERS[function]
    wit = f"{function[0]}{bits}"
    least, most = (0, 2**bits - 1) if wit[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    for wrong in (least - 1, most + 1):
        with pytest.raises(wisp.TypeMismatch) as caught:
            getattr(blocking[ECHO], function)(wrong)

        assert (
            str(caught.value) == f"{function}: value: {wrong} does not fit {wit}, which is {least} to {most}"
        )


@pytest.mark.parametrize(
    ("function", "wrong", "message"),
    [
        ("boolean", 1, "boolean: value: expected bool, found int"),
        ("unsigned32", True, "unsigned32: value: expected u32, found bool"),
        ("unsigned32", "1", "unsigned32: value: expected u32, found str"),
        ("float64", "1", "float64: value: expected f64, found str"),
        ("character", "ab", "character: value: expected char, one character, found 2 of them"),
        ("text", b"x", "text: value: expected string, found bytes"),
        (
            "text",
            "\ud800",
            "text: value: expected string, found a lone surrogate, which Unicode text has not",
        ),
        ("bytes", "x", "bytes: value: expected list<u8>: bytes, or another buffer of bytes, found str"),
        (
            "numbers",
            [1, 2**31],
            "numbers: value[1]: 2147483648 does not fit s32, which is -2147483648 to 2147483647",
        ),
        ("texts", "ab", "texts: value: expected list, found str"),
        ("pair", (1,), "pair: value: expected tuple of 2, found one of 1"),
        ("pair", (1, 2), "pair: value.1: expected string, found int"),
        ("a_colour", "red", "a-colour: value: expected enum colour, found str"),
        ("some_rights", 1, "some-rights: value: expected flags rights, found int"),
        ("a_shape", 1, "a-shape: value: expected variant shape, one of circle, rectangle, dot, found int"),
        (
            "nested",
            1,
            "nested: value: expected wisp.Some or None, because it is an option of an option, found int",
        ),
        ("process", {}, "process: input: expected record packet, found dict"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    blocking: Any, function: str, wrong: object, message: str
) -> None:
    with pytest.raises(wisp.TypeMismatch) as caught:
        getattr(blocking[ECHO], function)(wrong)

    assert str(caught.value) == message
    assert isinstance(caught.value, TypeError)
    assert blocking[ECHO].unsigned32(1) == 1


def test_a_field_that_does_not_fit_is_named(blocking: Any) -> None:
    echo = blocking[ECHO]

    with pytest.raises(
        wisp.TypeMismatch, match=r"packets: value\[0\]\.encryption-level: -1 does not fit u32"
    ):
        echo.packets([echo.Packet("a", "b", -1)])


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((), {}, "text: the argument `value` is missing"),
        (("a", "b"), {}, "text: 2 arguments were given, it takes 1"),
        (("a",), {"other": 1}, "an argument is given twice, or is not one of its parameters: given other"),
    ],
)
def test_wrong_arguments_are_refused(
    blocking: Any, given: tuple[str, ...], named: dict[str, object], message: str
) -> None:
    with pytest.raises(wisp.TypeMismatch, match=message):
        blocking[ECHO].text(*given, **named)
