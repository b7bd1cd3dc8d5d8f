"""The signals that a supervisor obeys.

The first SIGTERM or Ctrl-C asks for a drain, the second for an end at once; SIGHUP asks for a reload.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Self

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Turns signals into events of the running loop, for as long as it is entered."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.exit_code = 0
        """What a shell is told when a signal came before anything was served: 130 for Ctrl-C."""
        self.at_once = asyncio.Event()
        self.reload = asyncio.Event()
        """Something may have changed; watching sources sets it too."""
        self.hangup = False
        """SIGHUP has asked: reload even what has not changed."""

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (*STOPPING, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def _stop(self, number: int) -> None:
        if self.stop.is_set():
            self.at_once.set()
        else:
            self.exit_code = 128 + number
        self.stop.set()

    def _hang_up(self) -> None:
        self.hangup = True
        self.reload.set()

    async def reload_wanted(self) -> bool:
        """Wait for a reason to reload, and take it; True when it was SIGHUP."""
        await self.reload.wait()
        self.reload.clear()
        forced, self.hangup = self.hangup, False
        return forced
