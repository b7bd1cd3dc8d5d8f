"""A call that ends early, and the coroutine that was answering its guest."""

from __future__ import annotations

import asyncio

import pytest

import wisp
from tests.integration.embed.guest import LOG, RELAY, Log, values


class Waiting(Log):
    """Answers when it is told to, which is never."""

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.answered = False

    async def write(self, line: str, level: int) -> int:  # type: ignore[override]
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.answered = True
        return level


async def test_a_cancelled_call_cancels_the_coroutine_that_answers() -> None:
    waiting = Waiting()
    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: waiting})
        async with loaded.instantiate(output=False) as instance:
            task = asyncio.create_task(instance[RELAY].write("line", 1))
            await waiting.started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            await waiting.cancelled.wait()
    assert not waiting.answered


async def test_a_call_that_takes_too_long_cancels_the_coroutine_that_answers() -> None:
    waiting = Waiting()
    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: waiting})
        async with loaded.instantiate(limits=wisp.Limits(timeout=0.05), output=False) as instance:
            with pytest.raises(wisp.Timeout):
                await instance[RELAY].write("line", 1)

            await waiting.cancelled.wait()


async def test_closing_an_instance_cancels_the_coroutine_that_answers() -> None:
    waiting = Waiting()
    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: waiting})
        async with loaded.instantiate(output=False) as instance:
            task = asyncio.create_task(instance[RELAY].write("line", 1))
            await waiting.started.wait()
            await instance.close()

            await waiting.cancelled.wait()
            with pytest.raises(wisp.InstanceClosed):
                await task


async def test_a_coroutine_that_has_answered_is_not_cancelled() -> None:
    tasks = []

    class Answering(Log):
        async def write(self, line: str, level: int) -> int:  # type: ignore[override]
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)
            return level

    async with wisp.Host() as host:
        loaded = await host.load(values(), imports={LOG: Answering()})
        async with loaded.instantiate(output=False) as instance:
            assert await instance[RELAY].write("line", 1) == 1

    assert [task.done() and not task.cancelled() for task in tasks if task] == [True]
