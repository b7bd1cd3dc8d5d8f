"""Ending tasks that do not take a cancellation at the first time."""

from __future__ import annotations

import asyncio

import pytest

from wisp.lattice.nats.tasks import ended, first


async def deaf(times: int) -> str:
    """Take so many cancellations for something else."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()
    return "never"


async def test_a_task_that_forgets_a_cancellation_is_asked_again() -> None:
    tasks = [asyncio.create_task(deaf(count)) for count in (0, 1, 3)]
    await asyncio.sleep(0)  # they begin

    await ended(tasks)

    assert all(task.cancelled() for task in tasks)


async def test_what_the_first_task_raises_is_raised_when_the_others_have_ended() -> None:
    async def fail() -> None:
        raise ValueError("the first")

    other = asyncio.create_task(deaf(1))

    with pytest.raises(ValueError, match="the first"):
        await first(other, asyncio.create_task(fail()))
    assert other.done()
