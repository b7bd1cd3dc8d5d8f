"""Adding up what workers count."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wisp.host.settings import JsonObject


def combined(workers: Iterable[JsonObject]) -> JsonObject:
    """Return the sums over all workers.

    Numbers are added, objects are merged, lists are put together by what their elements are about: a component, or what a
    component was denied. Of anything else the first is kept.
    """
    total: dict[str, object] = {}
    count = 0
    for values in workers:
        count += 1
        _add(total, values)
    return {"workers": count, **total}


def _add(total: dict[str, object], values: JsonObject) -> None:
    for key, value in values.items():
        total[key] = _sum(total[key], value) if key in total else _sum(_nothing_like(value), value)


def _sum(present: object, value: object) -> object:
    match present, value:
        case dict(), dict():
            _add(present, value)
        case list(), list():
            _extend(present, value)
        case bool(), _:
            pass
        case int() | float(), int() | float():
            return present + value
    return present


def _nothing_like(value: object) -> object:
    """Return what adding to gives the value itself, in a copy of our own where it can be changed."""
    match value:
        case dict():
            return {}
        case list():
            return []
        case bool():
            return value
        case int() | float():
            return 0
    return value


_ABOUT = ("app", "component", "import", "target", "grant", "group")
"""What tells two elements of a list apart, as far as they have it."""


def _extend(present: list[object], values: list[object]) -> None:
    known = {_subject(element): element for element in present}
    for value in values:
        element = known.get(_subject(value))
        if isinstance(element, dict) and isinstance(value, dict):
            _add(element, value)
        else:
            present.append(_sum(_nothing_like(value), value))


def _subject(element: object) -> tuple[object, ...] | None:
    return tuple(element.get(key) for key in _ABOUT) if isinstance(element, dict) else None
