"""A clock that a test sets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime


def at(text: str) -> datetime:
    """Read `2026-03-01 12:00`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class SetClock:
    """The time of day, as the test says it is."""

    def __init__(self, text: str) -> None:
        self._now = at(text)
        self._waiting: list[tuple[datetime, asyncio.Future[None]]] = []
        self._asked: asyncio.Queue[datetime] = asyncio.Queue()

    def now(self) -> datetime:
        return self._now

    async def until(self, moment: datetime) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((moment, waiting))
        self._asked.put_nowait(moment)
        self._wake()
        await waiting

    async def asked(self) -> datetime:
        """Wait until somebody waits for a moment, and return that."""
        return await asyncio.wait_for(self._asked.get(), 20)

    def set(self, text: str) -> None:
        """Make it this late."""
        self._now = at(text)
        self._wake()

    def _wake(self) -> None:
        for moment, waiting in self._waiting:
            if moment <= self._now and not waiting.done():
                waiting.set_result(None)
