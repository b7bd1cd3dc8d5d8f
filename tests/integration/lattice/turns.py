"""Taking turns: tasks that talk to NATS go on one request at a time, in an order that a test chooses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

from wisp.lattice.nats.connection import connect
from wisp.lattice.nats.tasks import ended
from wisp.lattice.state import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


class Turns:
    """Several tasks, each with a connection of its own that waits for its turn before each request."""

    def __init__(self, url: str, lattice: str) -> None:
        self._url = url
        self._lattice = lattice
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[Any]] = []
        self._waiting: dict[int, asyncio.Event] = {}
        self._moved = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await ended(self._tasks)
        await self._stack.aclose()

    async def begin(self, work: Callable[[State], Awaitable[Any]]) -> None:
        """Add a task, which does nothing before its first turn."""
        connection = await self._stack.enter_async_context(connect(self._url, name="a turn"))
        state = await State.open(connection, self._lattice)
        number = len(self._tasks)
        request = connection.client.request

        async def in_turn(*words: Any, **more: Any) -> Any:
            turn = self._waiting[number] = asyncio.Event()
            self._moved.set()
            await turn.wait()
            return await request(*words, **more)

        connection.client.request = in_turn  # type: ignore[method-assign]

        async def task() -> None:
            await work(state)

        self._tasks.append(asyncio.create_task(task()))
        self._tasks[-1].add_done_callback(lambda _: self._moved.set())

    async def run(self, turns: Sequence[int]) -> None:
        """Let them go on in this order, and then one after the other until all have ended. Raises what one raises."""
        order = iter(turns)
        while not all(task.done() for task in self._tasks):
            while not self._settled():
                await self._moved.wait()
                self._moved.clear()
            if not self._waiting:
                continue
            wanted = next(order, min(self._waiting))
            if wanted in self._waiting:
                self._waiting.pop(wanted).set()
        for task in self._tasks:
            task.result()

    def _settled(self) -> bool:
        """Whether each task waits for its turn, or has ended."""
        return all(task.done() or number in self._waiting for number, task in enumerate(self._tasks))
