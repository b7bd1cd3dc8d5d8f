"""Values as text: WAVE, the component model's own notation, and JSON.

Both are read by one parser, because JSON is nearly a part of WAVE: names of fields may be quoted, and `null` is `none`. What was read
is a tree that knows no types; `value_of` makes Python's value of it for a type, and says where it does not fit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.errors import TypeMismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Case", "Character", "Flags", "Number", "Tree", "Tuple", "parse"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Character:
    """One character between single quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """A word, with what stands in parentheses after it: `circle(1.5)`, `none`, `true`, `inf`."""

    name: str
    payload: Tree | None


@dataclass(frozen=True, slots=True)
class Tuple:
    """Values in parentheses."""

    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Flags:
    """Words in braces."""

    names: tuple[str, ...]


Tree = Number | Character | Case | Tuple | Flags | str | list["Tree"] | dict[str, "Tree"]

_SPACE: Final = re.compile(r"(?:\s|//[^\n]*)*")
_NUMBER: Final = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|inf\b)")
_WORD: Final = re.compile(r"%?[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_CHARACTER: Final = re.compile(r"'(?:[^'\\]|\\u\{[0-9a-fA-F]+\}|\\.)'", re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|.)", re.DOTALL
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def parse(text: str) -> Tree:
    """Read one value.

    Raises:
        TypeMismatch: it is neither WAVE nor JSON; the message says where.

    """
    reader = _Reader(text)
    tree = reader.value()
    reader.end()
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def value(self) -> Tree:
        character = self._peek()
        if character in _OPENERS:
            return _OPENERS[character](self)
        if found := self._match(_NUMBER):
            return Number(found)
        if found := self._match(_WORD):
            return self._case(found.removeprefix("%"))
        raise self._wrong("a value")

    def end(self) -> None:
        if self._peek():
            raise self._wrong("nothing more")

    def _case(self, name: str) -> Case:
        if self._peek() != "(":
            return Case(name, None)
        items = self._items("(", ")")
        if len(items) != 1:
            raise self._wrong("one value in the parentheses")
        return Case(name, items[0])

    def string(self) -> str:
        if found := self._match(_STRING):
            return _unescaped(found[1:-1])
        raise self._wrong("a string that ends")

    def character(self) -> Character:
        if found := self._match(_CHARACTER):
            return Character(_unescaped(found[1:-1]))
        raise self._wrong("one character between quotes")

    def sequence(self) -> Tree:
        return self._items("[", "]")

    def parentheses(self) -> Tuple:
        return Tuple(tuple(self._items("(", ")")))

    def braces(self) -> Tree:
        """Read a record, or flags: the first name tells which."""
        self._take("{")
        fields: dict[str, Tree] = {}
        flags: list[str] = []
        while self._peek() != "}":
            name = self._name()
            if self._peek() == ":":
                self._take(":")
                fields[name] = self.value()
            else:
                flags.append(name)
            if self._peek() != "}":
                self._take(",")
        self._take("}")
        if fields and flags:
            raise self._wrong("fields or flags, not both")
        return fields or Flags(tuple(flags))

    def _name(self) -> str:
        if self._peek() == '"':
            return self.string()
        if found := self._match(_WORD):
            return found.removeprefix("%")
        raise self._wrong("a name")

    def _items(self, opener: str, closer: str) -> list[Tree]:
        self._take(opener)
        items = []
        while self._peek() != closer:
            items.append(self.value())
            if self._peek() != closer:
                self._take(",")
        self._take(closer)
        return items

    def _peek(self) -> str:
        if space := _SPACE.match(self._text, self._place):
            self._place = space.end()
        return self._text[self._place : self._place + 1]

    def _take(self, expected: str) -> None:
        if self._peek() != expected:
            raise self._wrong("`" + expected + "`")
        self._place += 1

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        if found := pattern.match(self._text, self._place):
            self._place = found.end()
            return found.group()
        return None

    def _wrong(self, expected: str) -> TypeMismatch:
        rest = self._text[self._place : self._place + 20] or "the end"
        message = (
            f"not a value in WAVE or JSON: expected {expected} at column {self._place + 1}, found {rest}"
        )
        return TypeMismatch(message, hint="strings need their quotes: wisp call ... '\"text\"'")


_OPENERS: Final[Mapping[str, Callable[[_Reader], Tree]]] = {
    '"': _Reader.string,
    "'": _Reader.character,
    "[": _Reader.sequence,
    "(": _Reader.parentheses,
    "{": _Reader.braces,
}


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        escape = found.group(1)
        if escape.startswith("u{"):
            return chr(int(escape[2:-1], 16))
        if escape.startswith("u") and len(escape) > 1:
            decoded: str = json.loads(f'"\\{escape}"')
            return decoded
        return _ESCAPES.get(escape, escape)

    return _ESCAPE.sub(one, text)
