"""Components that are small to write and large to compile."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_COMPONENT: Final = b"\0asm\x0d\0\1\0"
_MODULE: Final = b"\0asm\1\0\0\0"


def number(value: int) -> bytes:
    """Write a number as WebAssembly does."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


def section(identity: int, content: bytes) -> bytes:
    return bytes([identity]) + number(len(content)) + content


def sized(content: bytes) -> bytes:
    return number(len(content)) + content


def vector(items: Iterable[bytes]) -> bytes:
    listed = list(items)
    return number(len(listed)) + b"".join(listed)


def module(bodies: Iterable[bytes], *, parameters: bytes = b"", types: int = 1) -> bytes:
    """Return a component of one module whose functions have these bodies, each with its locals."""
    kind = b"\x60" + sized(parameters) + b"\0"
    listed = list(bodies)
    core = (
        _MODULE
        + section(1, number(types) + kind * types)
        + section(3, number(len(listed)) + b"\0" * len(listed))
        + section(10, vector(map(sized, listed)))
    )
    return component(section(1, core))


def component(content: bytes) -> bytes:
    return _COMPONENT + content


def functions(count: int) -> bytes:
    """So many functions that do nothing."""
    return module(itertools.repeat(b"\0\x0b", count))


def blocks(depth: int) -> bytes:
    """Blocks inside of each other."""
    return module([b"\0" + b"\x02\x40" * depth + b"\x0b" * depth + b"\x0b"])


def branches(targets: int) -> bytes:
    """One branch table with so many targets, which go to different blocks."""
    depth = 1000
    table = b"".join(number(index % depth) for index in range(targets))
    jump = b"\x20\0" + b"\x0e" + number(targets) + table + b"\0"
    body = b"\0" + b"\x02\x40" * depth + jump + b"\x0b" * depth + b"\x0b"
    return module([body], parameters=b"\x7f")


def local_variables(count: int) -> bytes:
    """A function with so many locals."""
    return module([b"\1" + number(count) + b"\x7f\x0b"])


def types(count: int) -> bytes:
    """A module with so many types."""
    return module([b"\0\x0b"], types=count)


def nested(depth: int) -> bytes:
    """Components inside of each other."""
    result = component(b"")
    for _ in range(depth):
        result = component(section(4, result))
    return result


def slow(functions: int, statements: int) -> bytes:
    """Functions whose many values live all the time, which makes the compiler look for registers for long."""
    count = 2000
    reads = b"".join(b"\x20" + number(index % count) + b"\x6a" for index in range(statements))
    writes = b"".join(
        b"\x20"
        + number((index * 7) % count)
        + b"\x20"
        + number((index * 13) % count)
        + b"\x6c\x21"
        + number(index % count)
        for index in range(statements)
    )
    body = b"\1" + number(count) + b"\x7f" + b"\x03\x40" + writes + b"\x41\0" + reads + b"\x0d\0\x0b\x0b"
    return module([body] * functions)
