"""Virtual time: an event loop whose clock jumps to the next timer when nothing is left to do.

What runs in a thread runs at once, and takes as much virtual time as it really took: a planner that computes for a second is a second late.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Never waits: what it is asked to wait is what the clock jumps."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass."""
        if timeout is None:
            message = "everybody waits for somebody"
            raise RuntimeError(message)
        self.waited += max(0.0, timeout)
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop of virtual time."""

    def __init__(self) -> None:
        self._waiting = _Selector()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._waiting.waited

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Run it now; its result comes when it would have."""
        began = time.perf_counter()
        result = func(*args)
        future: asyncio.Future[T] = self.create_future()
        self.call_later(time.perf_counter() - began, _give, future, result)
        return future


def _give(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it in virtual time."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(work)
