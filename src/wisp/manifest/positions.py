"""Where in a TOML document each key and each value stands.

`tomllib` gives values without places. This scanner gives the places: it walks over a document that `tomllib` has
already accepted, so it need not judge anything, only find where each key begins, where its value begins, and where
that value ends. A path is a tuple as pydantic writes them: `("http", 0, "route")`.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root of the document to a value."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text, both numbers from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key and its value begin; for an element of an array both are the same."""

    key: Position
    value: Position


def positions(document: str) -> dict[Path, Place]:
    """Find every key and value of a document that `tomllib` accepts, with lines that end as Unix ends them."""
    return _Scanner(document).scan()


_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK: Final = re.compile(r"[ \t]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'  # several lines, with escapes; two more quotes may precede the last three
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


class _Scanner:
    def __init__(self, document: str) -> None:
        self._text = document
        self._at = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", document))]
        self._places: dict[Path, Place] = {}
        self._tables_in: dict[Path, int] = {}

    def scan(self) -> dict[Path, Place]:
        table: Path = ()
        self._skip(_SPACE)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._assignment(table)
            self._skip(_SPACE)
        return self._places

    def _header(self) -> Path:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        keys = self._keys()
        self._at += 2 if is_array else 1
        path: Path = ()
        for index, (key, offset) in enumerate(keys, start=1):
            path = (*path, key)
            self._note(path, offset, start)
            if is_array and index == len(keys):
                self._tables_in[path] = self._tables_in.get(path, 0) + 1
            if path in self._tables_in:
                path = (*path, self._tables_in[path] - 1)
                self._note(path, start, start)
        return path

    def _assignment(self, table: Path) -> None:
        path = table
        keys = self._keys()
        self._at += 1
        self._skip(_BLANK)
        for key, offset in keys:
            path = (*path, key)
            self._note(path, offset, self._at)
        self._value(path)

    def _keys(self) -> Sequence[tuple[str, int]]:
        """Read a dotted key, up to the `=` or `]` behind it."""
        keys = []
        while True:
            self._skip(_BLANK)
            start = self._at
            if self._text[start] in "\"'":
                token = self._skip(_STRING)
                # One reader of escapes is enough.
                key = str(tomllib.loads(f"key = {token}")["key"])
            else:
                key = self._skip(_BARE_KEY)
            keys.append((key, start))
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        elif first in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while not self._closes("]"):
            element = (*path, index)
            self._note(element, self._at, self._at)
            self._value(element)
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._closes("}"):
            self._assignment(path)

    def _closes(self, bracket: str) -> bool:
        """Step over what separates two elements; True when the bracket has been passed."""
        self._skip(_SPACE)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_SPACE)
        if not self._text.startswith(bracket, self._at):
            return False
        self._at += 1
        return True

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            message = f"not the TOML that was expected at offset {self._at}"
            raise ValueError(message)
        self._at = match.end()
        return match[0]

    def _note(self, path: Path, key: int, value: int) -> None:
        """Keep the place of the first mention; later ones only add to the same table."""
        if path not in self._places:
            self._places[path] = Place(self._position(key), self._position(value))

    def _position(self, offset: int) -> Position:
        line = bisect_right(self._line_starts, offset)
        return Position(line, offset - self._line_starts[line - 1] + 1)
