"""Names with one or more values each, in the order in which they came: header fields and query parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

Pairs: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""What a multimap is made of: `{"name": "value"}`, or pairs where a name may come twice."""


class Parameters:
    """Query or route parameters: `parameters["page"]` is the first value, `get_all("tag")` all of them."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Pairs = ()) -> None:
        self._pairs: list[tuple[str, str]] = []
        if pairs:
            given = pairs.items() if isinstance(pairs, Mapping) else pairs
            self._pairs = [(self._key(name), value) for name, value in given]

    @staticmethod
    def _key(name: str) -> str:
        return name

    def __getitem__(self, name: str) -> str:
        key = self._key(name)
        for known, value in self._pairs:
            if known == key:
                return value
        raise KeyError(name)

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of a name, or the default."""
        key = self._key(name)
        return next((value for known, value in self._pairs if known == key), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of a name, in order; none when the name is absent."""
        key = self._key(name)
        return [value for known, value in self._pairs if known == key]

    def items(self) -> list[tuple[str, str]]:
        """Return all pairs in order; a name with two values comes twice."""
        return list(self._pairs)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(known == self._key(name) for known, _ in self._pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other) and self._pairs == other._pairs
            if isinstance(other, Parameters)
            else False
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"


class Headers(Parameters):
    """Header fields: like parameters, but the case of a name does not matter; names are kept in lower case."""

    __slots__ = ()

    @staticmethod
    def _key(name: str) -> str:
        return name.lower()

    def set(self, name: str, value: str) -> None:
        """Give a name this one value, in place of all that it had."""
        key = self._key(name)
        self._pairs = [pair for pair in self._pairs if pair[0] != key]
        self._pairs.append((key, value))

    def add(self, name: str, value: str) -> None:
        """Give a name one more value: two cookies, for example."""
        self._pairs.append((self._key(name), value))

    def remove(self, name: str) -> None:
        """Take all values of a name away; nothing happens when there is none."""
        key = self._key(name)
        self._pairs = [pair for pair in self._pairs if pair[0] != key]
