"""What both programs have in common: the line that asks, the line that answers, and what is passed.

A line is the name of a measurement and a number of calls: `record 100`. The answer is the nanoseconds that they took.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEXT = "sixteen bytes ok"
MEBIBYTE = bytes(range(256)) * 4096


class Numbers:
    """Answers a guest that imports `numbers`."""

    def add(self, left: int, right: int) -> int:
        """Add as the guest's own `u32` would."""
        return (left + right) & 0xFFFFFFFF

    def length(self, text: str) -> int:
        """Say how many bytes a text has."""
        return len(text.encode())

    def text(self, text: str) -> str:
        """Give a text back."""
        return text

    def process(self, packet: Any) -> Any:  # noqa: ANN401 - its class is the component's
        """Give a packet back."""
        return packet


def timed(call: Callable[..., object], count: int, *given: object) -> float:
    """Return the seconds that so many calls take."""
    began = time.perf_counter()
    for _ in range(count):
        call(*given)
    return time.perf_counter() - began


def answer(measures: Mapping[str, Callable[[int], float]]) -> None:
    """Answer each line until the input ends."""
    for line in sys.stdin:
        name, _, count = line.partition(" ")
        print(round(measures[name](int(count)) * 1e9), flush=True)
