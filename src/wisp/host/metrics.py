"""Adding up what workers count."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wisp.host.settings import JsonObject


def combined(workers: Iterable[JsonObject]) -> JsonObject:
    """Return the sums over all workers: numbers are added, objects are merged, of anything else the first is kept."""
    total: dict[str, object] = {}
    count = 0
    for values in workers:
        count += 1
        _add(total, values)
    return {"workers": count, **total}


def _add(total: dict[str, object], values: JsonObject) -> None:
    for key, value in values.items():
        present = total.get(key)
        if isinstance(value, dict):
            inner = present if isinstance(present, dict) else {}
            _add(inner, value)
            total[key] = inner
        elif _is_number(value) and _is_number(present):
            total[key] = present + value  # type: ignore[operator]
        else:
            total.setdefault(key, value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
