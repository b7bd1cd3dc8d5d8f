"""Sizes and durations as people write them: `"64MiB"`, `"5s"`.

A size is bytes, a duration is seconds, when it is written as an integer. A string must carry its unit, and units
are taken literally: `"64mb"` is refused, and told to be `"64MB"`, because a reader cannot know which of four
spellings was meant.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

SIZE_PATTERN: Final = r"^[0-9]+ ?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
"""What a size looks like as a string, for the JSON Schema."""

DURATION_PATTERN: Final = r"^[0-9]+ ?(ms|s|m|h)$"
"""What a duration looks like as a string, for the JSON Schema."""

_SIZES: Final = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DURATIONS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_QUANTITY: Final = re.compile(r"([0-9]+) ?([A-Za-z]*)", re.ASCII)
_MOST_DIGITS: Final = 18
_SIZE_FORM: Final = 'a size such as "64MiB", or an integer of bytes'
_DURATION_FORM: Final = 'a duration such as "30s" or "250ms", or an integer of seconds'


def parse_size(value: object) -> int:
    """Turn `"64MiB"` or an integer into bytes; anything else is a `ValueError` that says what was expected."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _not_negative(value, _SIZE_FORM)
    return _parse(value, _SIZES, _SIZE_FORM)


def parse_duration(value: object) -> timedelta:
    """Turn `"5s"` or an integer of seconds into a duration; anything else is a `ValueError`."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        milliseconds = 1_000 * _not_negative(value, _DURATION_FORM)
    else:
        milliseconds = _parse(value, _DURATIONS, _DURATION_FORM)
    try:
        return timedelta(milliseconds=milliseconds)
    except OverflowError:
        message = f"expected {_DURATION_FORM}, but this is longer than can be counted"
        raise ValueError(message) from None


def format_size(size: int) -> str:
    """Write bytes with the largest unit that leaves a whole number: `64MiB`."""
    units = ("TiB", "GiB", "MiB", "KiB")
    unit = next((unit for unit in units if size and size % _SIZES[unit] == 0), "B")
    return f"{size // _SIZES[unit]}{unit}"


def format_duration(duration: timedelta) -> str:
    """Write a duration with the largest unit that leaves a whole number: `90s`."""
    milliseconds = to_milliseconds(duration)
    units = ("h", "m", "s")
    unit = next((unit for unit in units if milliseconds and milliseconds % _DURATIONS[unit] == 0), "ms")
    return f"{milliseconds // _DURATIONS[unit]}{unit}"


def to_milliseconds(duration: timedelta) -> int:
    """Count the whole milliseconds of a duration."""
    return duration // timedelta(milliseconds=1)


def _parse(value: object, units: dict[str, int], form: str) -> int:
    if not isinstance(value, str):
        message = f"expected {form}"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueError only
    match = _QUANTITY.fullmatch(value)
    if match is None or len(match[1]) > _MOST_DIGITS:
        message = f'expected {form}, found "{value}"'
        raise ValueError(message)
    number, unit = match.groups()
    if unit in units:
        return int(number) * units[unit]
    message = f'expected {form}, found "{value}"; {_advice(number, unit, units)}'
    raise ValueError(message)


def _advice(number: str, unit: str, units: dict[str, int]) -> str:
    same = [known for known in units if known.lower() == unit.lower()]
    if same:
        return f'write "{number}{same[0]}"'
    return f"the units are {', '.join(units)}"


def _not_negative(value: int, form: str) -> int:
    if value < 0:
        message = f"expected {form}, found {value}"
        raise ValueError(message)
    return value
