"""The form in which a store is written out: a JSON object on each line. `docs/guides/stores.md` describes it.

The first line says what it is, the last how many lines there are: a file that was cut short is noticed before anything is
changed by it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from wisp.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT: Final = 1
Line = dict[str, Any]
Value = None | int | float | str | bytes


class RawText(bytes):
    """A text of a database that is not UTF-8."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line says."""

    kind: str
    name: str
    application: int | None
    """What marks the file as one of its kind; None for blobs."""

    format: int | None
    """The format of the store; None for blobs."""


def write(header: Header, lines: Iterable[Line], stream: IO[bytes]) -> None:
    """Write a store out."""
    count = 2
    first = {"wisp-store": FORMAT, "kind": header.kind, "name": header.name}
    if header.format is not None:
        first |= {"application": header.application, "format": header.format}
    stream.write(_encode(first))
    for line in lines:
        stream.write(_encode(line))
        count += 1
    stream.write(_encode({"end": count}))


def read(stream: IO[bytes]) -> tuple[Header, Iterator[Line]]:
    """Return what a written store begins with, and the lines between the first and the last.

    Raises:
        StoreError: at once, or while the lines are read: it is not one, or not all of one.

    """
    first = _decode(stream.readline(), 1)
    if "wisp-store" not in first:
        raise StoreError("this is not a store that was written by `wisp store export`")
    if first["wisp-store"] != FORMAT:
        message = f"the store was written in form {first['wisp-store']}, and this wisp knows {FORMAT}"
        raise StoreError(message, hint="use a newer wisp")
    kind, name = first.get("kind"), first.get("name")
    numbers = (first.get("application"), first.get("format"))
    known = all(number is None or _is_integer(number) for number in numbers)
    if not (isinstance(kind, str) and isinstance(name, str) and known):
        raise broken(1, "it does not say which store it is")
    return Header(kind, name, *numbers), _between(stream)


def _between(stream: IO[bytes]) -> Iterator[Line]:
    number = 1
    for text in stream:
        number += 1
        line = _decode(text, number)
        if "end" not in line:
            yield line
            continue
        if line["end"] != number or stream.read(1):
            raise broken(number, "it is not the last line, or lines are missing")
        return
    raise broken(number, "the file was cut short: its last line is missing")


def broken(number: int, what: str) -> StoreError:
    """Say what is wrong with a line."""
    return StoreError(f"line {number}: {what}")


def encode_value(value: Value) -> object:
    """Return what stands for a value of a database in a line."""
    match value:
        case RawText():
            return {"text": _base64(value)}
        case bytes():
            return {"bytes": _base64(value)}
        case float() if not math.isfinite(value):
            return {"real": str(value)}
        case _:
            return value


def decode_value(value: object) -> Value:
    """Return the value that something in a line stands for. Raises StoreError."""
    match value:
        case {"text": str(text)}:
            return RawText(decode_bytes(text))
        case {"bytes": str(text)}:
            return decode_bytes(text)
        case {"real": "inf" | "-inf" as text}:
            return float(text)
        case None | str() | float():
            return value
        case int() if _is_integer(value) and -(2**63) <= value < 2**63:
            return value
        case _:
            message = f"{json.dumps(value)[:100]} is not a value"
            raise StoreError(message)


def encode_bytes(content: bytes) -> str:
    """Return bytes as base64."""
    return _base64(content)


def decode_bytes(text: str) -> bytes:
    """Read base64. Raises StoreError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        message = f"`{text[:40]}` is not base64"
        raise StoreError(message) from None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _encode(line: Line) -> bytes:
    return (json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _decode(text: bytes, number: int) -> Line:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        raise broken(number, "it is not JSON") from None
    if not isinstance(line, dict):
        raise broken(number, "it is not a JSON object")
    return line
