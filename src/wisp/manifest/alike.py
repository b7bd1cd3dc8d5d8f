"""Keeping one of values that are alike: thousands of components of an app mostly say the same about their limits and grants."""

from __future__ import annotations

from typing import Any


class Alike:
    """Gives for a JSON object the one before it with the same keys, if that is equal.

    Only the last one of each kind is compared, which costs little and finds almost all, for whoever writes thousands of components
    writes them alike. Objects are of models: where two have the same keys, their values have the same types. What it gives may be part of several objects, so nobody may change it.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], dict[str, Any]] = {}

    def one(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return an object that is equal to this one: an earlier one, or itself."""
        kind = tuple(value)
        last = self._last.get(kind)
        if last == value:
            return last
        self._last[kind] = value
        return value
