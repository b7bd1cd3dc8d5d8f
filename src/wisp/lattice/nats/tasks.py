"""Ending tasks that talk to NATS.

One cancellation is not enough: when an answer comes in the same moment, Python 3.11's `asyncio.wait_for`, which the client waits with, gives
the answer and forgets that it was cancelled. So they are asked until they have ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

Found = TypeVar("Found")

ASK_AGAIN: Final = 0.1
"""Seconds between two cancellations."""


async def first(*tasks: asyncio.Task[Any]) -> None:
    """Wait for the first task to end, and end the others. Raises what it raised."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await ended(tasks)


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End tasks, and wait until they have. What they raise is not raised here."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=ASK_AGAIN)
        for task in done:
            if not task.cancelled():
                task.exception()  # it has been looked at


async def gathered(work: Iterable[Coroutine[Any, Any, Found]]) -> list[Found]:
    """Do all of it at once, and return what came of it; the first to fail ends the others, and raises what it raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await ended(tasks)
