"""Sizes and durations."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wisp.manifest import units


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("1KiB", 1024),
        ("1KB", 1000),
        ("64MiB", 2**26),
        ("64 MiB", 2**26),
        ("4GiB", 2**32),
        ("007B", 7),
    ],
)
def test_a_size_is_read_with_its_unit(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("250ms", 250), ("5s", 5_000), ("5 s", 5_000), ("2m", 120_000), ("1h", 3_600_000)],
)
def test_a_duration_is_read_with_its_unit(text: str, milliseconds: int) -> None:
    assert units.to_milliseconds(units.parse_duration(text)) == milliseconds


def test_an_integer_is_bytes_or_seconds() -> None:
    assert units.parse_size(64) == 64
    assert units.parse_duration(64) == timedelta(seconds=64)


@pytest.mark.parametrize(
    "value", ["", "5", "MiB", "-1MiB", "1.5MiB", "1e3B", "٣MiB", " 1B", "1B ", "1  B", "1mib"]
)
def test_what_is_no_size_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        units.parse_size(value)


@pytest.mark.parametrize("value", [True, False, 1.0, None, [], {}, -1])
def test_other_types_are_neither_sizes_nor_durations(value: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        units.parse_size(value)
    with pytest.raises(ValueError, match="expected a duration"):
        units.parse_duration(value)


def test_a_duration_stays_one() -> None:
    assert units.parse_duration(timedelta(minutes=1)) == timedelta(minutes=1)


def test_a_unit_in_the_wrong_case_is_corrected() -> None:
    with pytest.raises(ValueError, match='write "64MiB"'):
        units.parse_size("64mib")
    with pytest.raises(ValueError, match='write "250ms"'):
        units.parse_duration("250MS")


@given(st.integers(min_value=0, max_value=10**18 - 1))
def test_a_written_size_is_read_as_the_same(size: int) -> None:
    assert units.parse_size(units.format_size(size)) == size


@given(st.integers(min_value=0, max_value=10**14))
def test_a_written_duration_is_read_as_the_same(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    assert units.parse_duration(units.format_duration(duration)) == duration


@given(st.one_of(st.text(), st.from_regex(units.SIZE_PATTERN), st.from_regex(units.DURATION_PATTERN)))
def test_a_string_is_read_exactly_when_the_schema_allows_it(text: str) -> None:
    for parse, pattern in (
        (units.parse_size, units.SIZE_PATTERN),
        (units.parse_duration, units.DURATION_PATTERN),
    ):
        try:
            parse(text)
        except ValueError as error:
            too_large = "longer than can be counted" in str(error) or len(text) > 18
            assert too_large or re.fullmatch(pattern, text, re.ASCII) is None
        else:
            assert re.fullmatch(pattern, text, re.ASCII) is not None
