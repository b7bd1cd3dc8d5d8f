"""Calls a component through `wisp` in this process: one measurement for each line on standard input (see `programs.answers`)."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wisp
import wisp.sync
from programs.answers import MEBIBYTE, TEXT, Numbers, answer, timed

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = "bench:calls/numbers"
AT_ONCE = 64
"""Guests that compute while a loop ticks."""

TICK = 0.001
ROUNDS = 3_000_000
"""Rounds that each of them computes: about ten milliseconds."""


class Embedded:
    """Components that are called, and those that call us."""

    def __init__(self, processor: bytes, relay: bytes, stack: ExitStack) -> None:
        self.processor = processor
        host = stack.enter_context(wisp.sync.Host())
        loaded = host.load(processor)
        self.numbers = stack.enter_context(loaded.instantiate())[NUMBERS]
        relaying = host.load(relay, imports={f"{NUMBERS}@0.1.0": Numbers()})
        self.loops = stack.enter_context(relaying.instantiate())["bench:calls/loops"]

    def measures(self) -> dict[str, Callable[[int], float]]:
        """Return all measurements by name; each takes a number of calls and returns seconds."""
        numbers = self.numbers
        packet = numbers.Packet("a1", "payload", 7)
        return {
            "u32": lambda count: timed(numbers.add, count, 1, 2),
            "text": lambda count: timed(numbers.text, count, TEXT),
            "record": lambda count: timed(numbers.process, count, packet),
            "take": lambda count: timed(numbers.take, count, MEBIBYTE),
            "give": lambda count: timed(numbers.give, count, len(MEBIBYTE)),
            "host": lambda count: self.loops.run("add", count) / 1e9,
            "awaited": lambda count: asyncio.run(self.awaited(count)),
            "ticks": lambda count: nearly_all(asyncio.run(self.ticks(count))),
            "latest": lambda count: max(asyncio.run(self.ticks(count))),
        }

    async def awaited(self, count: int) -> float:
        """Call with a record, and await each call."""
        async with wisp.Host() as host:
            loaded = await host.load(self.processor)
            async with loaded.instantiate() as instance:
                process, packet = instance[NUMBERS].process, instance[NUMBERS].Packet("a1", "payload", 7)
                began = time.perf_counter()
                for _ in range(count):
                    await process(packet)
                return time.perf_counter() - began

    async def ticks(self, count: int) -> list[float]:
        """Compute in many guests at once, and return by how many seconds each of so many ticks was late."""
        async with wisp.Host() as host:
            loaded = await host.load(self.processor)
            instances = [loaded.instantiate() for _ in range(AT_ONCE)]
            called = [(await instance.__aenter__())[NUMBERS] for instance in instances]
            computing = [asyncio.create_task(keep_computing(numbers)) for numbers in called]
            late = []
            for _ in range(count):
                began = time.perf_counter()
                await asyncio.sleep(TICK)
                late.append(time.perf_counter() - began - TICK)
            for task in computing:
                task.cancel()
            await asyncio.gather(*computing, return_exceptions=True)
            return late


def nearly_all(late: list[float]) -> float:
    """Return what 99 of 100 ticks were late by at most."""
    return sorted(late)[len(late) * 99 // 100 - 1]


async def keep_computing(numbers: Any) -> None:  # noqa: ANN401 - what an interface has, the component decides
    """Call until cancelled."""
    while True:
        await numbers.compute(ROUNDS)


def main() -> None:
    """Answer until the input ends."""
    processor, relay = (Path(path).read_bytes() for path in sys.argv[1:3])
    with ExitStack() as stack:
        answer(Embedded(processor, relay, stack).measures())


if __name__ == "__main__":
    main()
