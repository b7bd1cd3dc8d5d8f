"""The component `values` of the tests, and what answers its import."""

from __future__ import annotations

import functools
from typing import Any

from tests.guests.build import component

LOG = "test:values/log@0.1.0"
ECHO = "test:values/echo"
BEHAVE = "test:values/behave"
COUNTERS = "test:values/counters"
RELAY = "test:values/relay"


@functools.cache
def values() -> bytes:
    """Return the component."""
    return component("values").read_bytes()


class Log:
    """Answers the import with plain functions; keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int]] = []

    def write(self, line: str, level: int) -> int:
        self.lines.append((line, level))
        return level + 1

    def check(self, packet: Any) -> Any:
        return packet
