"""The rows of the table of calls: who is asked what, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BATCHES = 15
"""Batches of a round; the least is kept."""

OURS = "wisp"
COLUMNS = ("bare Wasmtime", "Wasmtime's `Val`", "PyPI `wasmtime`")
"""What we are measured beside."""

_BARE, _VAL, _PACKAGE = COLUMNS


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to one subject."""

    subject: str
    name: str
    count: int
    """Calls of a batch, which takes about a millisecond."""

    less: str | None = None
    """The name of the loop that is taken off."""

    once: int | None = None
    """How many batches, where it is not as many as usual."""

    is_whole: bool = False
    """Whether the answer is the figure itself, and not that of `count` calls."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One kind of call."""

    title: str
    bar: float | None
    """Nanoseconds that the median may be at most."""

    ours: Ask
    peers: Mapping[str, Ask] = field(default_factory=dict)

    def columns(self) -> Iterator[tuple[str, Ask]]:
        """Return every question of this row, ours first."""
        yield OURS, self.ours
        yield from self.peers.items()


def _fused(title: str, name: str, count: int, bar: float | None) -> CallRow:
    ours = Ask("wisp", f"fused/{name}", count, "fused/nothing")
    peer = Ask("serve-fused", name, count, "nothing")
    return CallRow(f"Rust calls Rust, fused: {title}", bar, ours, {_BARE: peer})


def _bridged(title: str, name: str, measured: str) -> CallRow:
    ours = Ask("wisp", f"bridged/{name}", 500, "bridged/nothing")
    peers = {_BARE: Ask("bare", f"typed-{measured}", 2000), _VAL: Ask("bare", f"dynamic-{measured}", 1000)}
    return CallRow(f"Rust calls Rust, bridged: {title}", 3000, ours, peers)


def _from_python(title: str, name: str, bar: float | None) -> CallRow:
    ours = Ask("wisp", f"python/{name}", 300, "python/nothing")
    peer = Ask("serve-python", name, 300, "nothing")
    return CallRow(f"Python calls Rust, fused: {title}", bar, ours, {_BARE: peer})


def _from_program(title: str, name: str, bar: float | None) -> CallRow:
    peers = {
        _BARE: Ask("bare", f"typed-{name}", 2000),
        _VAL: Ask("bare", f"dynamic-{name}", 1000),
        _PACKAGE: Ask("package", name, 20),
    }
    return CallRow(f"a program calls Rust: {title}", bar, Ask("program", name, 300), peers)


def _mebibyte(title: str, name: str) -> CallRow:
    peers = {
        _BARE: Ask("bare", f"typed-{name}", 5),
        _VAL: Ask("bare", f"dynamic-{name}", 1, once=3),
        _PACKAGE: Ask("package", name, 1, once=1),
    }
    return CallRow(f"a program calls Rust: {title}", 1e6, Ask("program", name, 3), peers)


def _ticks(name: str) -> Ask:
    return Ask("program", name, 300, once=1, is_whole=True)


ROWS = (
    _fused("`u32`s in, one out", "add", 100_000, 10),
    _fused("a string of 16 bytes in", "length", 20_000, 50),
    _fused("a string of 16 bytes in and out", "text", 10_000, None),
    _fused("a small record in and out", "process", 5_000, None),
    _bridged("`u32`s in, one out", "add", "u32"),
    _bridged("a string of 16 bytes in and out", "text", "text"),
    _bridged("a small record in and out", "process", "record"),
    _from_python("`u32`s in, one out", "add", None),
    _from_python("a small record in and out", "process", 6000),
    _from_program("`u32`s in, one out", "u32", None),
    _from_program("a string of 16 bytes in and out", "text", None),
    _from_program("a small record in and out", "record", 2500),
    CallRow("the same, awaited", 12_000, Ask("program", "awaited", 200)),
    _mebibyte("1 MiB in", "take"),
    _mebibyte("1 MiB out", "give"),
    CallRow(
        "Rust calls a function of the program: `u32`s in, one out",
        10_000,
        Ask("program", "host", 300),
        {_PACKAGE: Ask("package", "host", 50)},
    ),
    CallRow("64 guests compute: 99 of 100 ticks of 1 ms are late by", 2e6, _ticks("ticks")),
    CallRow("the same: the latest of 300 ticks is late by", None, _ticks("latest")),
)
