"""An asyncio event loop on `wasi:io/poll`; works only inside a component.

`asyncio.BaseEventLoop` does everything except waiting: it asks a selector to wait until something is ready or the next
timer is due. Ours waits in the host, for the pollables that tasks wait for. There is no thread and no signal, hence no
pipe to wake the loop up by.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from wit_world.imports.wasi_clocks_monotonic_clock import subscribe_duration
from wit_world.imports.wasi_io_poll import Pollable, poll

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

NANOSECONDS = 1_000_000_000


class _Waiting:
    """The selector: pollables, and the futures of those who wait for them."""

    def __init__(self, stuck: Callable[[], None]) -> None:
        self.stuck = stuck
        self.waiters: list[tuple[Pollable, asyncio.Future[None]]] = []

    def select(self, timeout: float | None) -> list[asyncio.Future[None]]:
        """Wait until a pollable is ready, at most so many seconds."""
        pollables = [pollable for pollable, _ in self.waiters]
        timer = None if timeout is None else subscribe_duration(max(int(timeout * NANOSECONDS), 0))
        if timer is not None:
            pollables.append(timer)
        if not pollables:
            self.stuck()
            return []
        ready = set(poll(pollables))
        if timer is not None:
            timer.__exit__(None, None, None)
        futures = [future for index, (_, future) in enumerate(self.waiters) if index in ready]
        self.waiters = [waiter for index, waiter in enumerate(self.waiters) if index not in ready]
        return futures


class Loop(asyncio.BaseEventLoop):
    """The event loop of one instance; it lives as long as the instance."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Waiting(self._stuck)
        self._main: asyncio.Task[None] | None = None

    async def ready(self, pollable: Pollable) -> None:
        """Wait for a pollable, and give it back."""
        future = self.create_future()
        waiter = (pollable, future)
        self._selector.waiters.append(waiter)
        try:
            await future
        finally:
            if waiter in self._selector.waiters:
                self._selector.waiters.remove(waiter)
            pollable.__exit__(None, None, None)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a request's coroutine to its end, and cancel the tasks that it leaves behind."""
        asyncio.events.set_event_loop(self)
        self._main = self.create_task(coroutine)
        self.run_until_complete(self._main)
        while left := asyncio.all_tasks(self):
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    def _stuck(self) -> None:
        """Every task waits for another, and nothing can ever happen: end the request instead of the instance."""
        message = "every task waits for another: nothing can ever happen"
        if self._main is None or self._main.done() or self._main.cancelling():
            raise RuntimeError(message)
        self._main.cancel(message)

    def _process_events(self, event_list: list[asyncio.Future[None]]) -> None:
        for future in event_list:
            if not future.done():
                future.set_result(None)

    def _write_to_self(self) -> None:
        """Nothing to do: nobody outside this thread can wake the loop."""


def running() -> Loop | None:
    """Return the loop that is running, if one is."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop if isinstance(loop, Loop) else None
