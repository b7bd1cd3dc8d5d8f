"""One slot: the place of one worker, which outlives the workers that take it.

A slot has a listening socket and, most of the time, a worker. When the worker dies, the slot mends itself: it starts
another, at once the first time and with growing pauses after that. The socket stays open meanwhile, so that new
connections wait in it instead of being refused; but not for longer than a second, then it is closed, so that the kernel
gives new connections to the other slots. It is opened again just before the next attempt.

A worker that says why it cannot start is believed: the reason is logged once, and the slot stays empty until a reload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.errors import HostError
from wisp.host.backoff import Backoff
from wisp.host.control import Failed
from wisp.host.worker import DIED, Worker

if TYPE_CHECKING:
    from wisp.host.doors import Doors
    from wisp.host.log import Level, Log

SOCKET_PATIENCE = 1.0
"""Seconds for which new connections wait in the socket of a slot that has lost its worker."""

Launch = Callable[["Slot"], Awaitable["Worker | Failed"]]
"""Starts a worker for a slot, on the apps of this moment."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the slots of one supervisor share."""

    doors: Doors
    launch: Launch
    log: Log
    gave_up: Callable[[str], None]
    """Told the reason when a slot stays empty."""

    ended: Callable[[Worker], None]
    """Told each worker that has died."""


class Slot:
    """The place of one worker."""

    def __init__(self, number: int, shared: Shared) -> None:
        self.number = number
        self.worker: Worker | None = None
        self.restarts = 0
        self._shared = shared
        self._backoff = Backoff()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def abandoned(self) -> bool:
        """Whether the slot has no worker and does not try to get one."""
        return self.worker is None and self._keeping is None

    def adopt(self, worker: Worker) -> Worker | None:
        """Make a ready worker the slot's own. Returns the one before it, which is no longer looked after."""
        before = self.release()
        self.worker = worker
        self._keeping = asyncio.create_task(self._keep(worker))
        return before

    def release(self) -> Worker | None:
        """Stop looking after the worker, and return it. Mending ends too."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        worker, self.worker = self.worker, None
        return worker

    async def _keep(self, worker: Worker) -> None:
        """Replace the worker whenever it dies, until it cannot be replaced."""
        loop = asyncio.get_running_loop()
        replacement: Worker | None = worker
        while replacement is not None:
            since = loop.time()
            how = await replacement.ended()
            self.worker = None
            self._shared.ended(replacement)
            self._log("worker-died", how, level="error", pid=replacement.pid)
            replacement = await self._mend(loop.time() - since)

    async def _mend(self, lived: float) -> Worker | None:
        loop = asyncio.get_running_loop()
        lost = loop.time()
        said = False
        while True:
            await self._pause(self._backoff.after(lived), lost)
            began, lived = loop.time(), 0.0
            outcome = await self._attempt()
            if isinstance(outcome, Worker):
                self._restarted(outcome, loop.time() - lost)
                return outcome
            if outcome.kind != DIED:
                self._give_up(outcome)
                return None
            if not said:
                said = True
                self._complain(outcome, loop.time() - began)

    async def _attempt(self) -> Worker | Failed:
        try:
            return await self._shared.launch(self)
        except HostError as error:
            return Failed(DIED, error.message)

    async def _pause(self, delay: float, lost: float) -> None:
        """Wait, and close the socket when the slot has been without a worker for too long."""
        loop = asyncio.get_running_loop()
        patience = lost + SOCKET_PATIENCE - loop.time()
        if delay >= patience:
            await asyncio.sleep(max(0.0, patience))
            delay -= max(0.0, patience)
            self._shut()
        await asyncio.sleep(delay)

    def _shut(self) -> None:
        if self._shared.doors.shut(self.number):
            self._log("slot-closed", "is away: its socket is closed, new connections go to the others")

    def _restarted(self, worker: Worker, seconds: float) -> None:
        self.worker = worker
        self.restarts += 1
        how = f"is back after {seconds * 1000:.0f} ms"
        self._log("worker-restarted", how, pid=worker.pid, restarts=self.restarts)

    def _give_up(self, failed: Failed) -> None:
        self._keeping = None
        why = f"cannot start: {failed.message}"
        details = {"reason": failed.kind, "component": failed.component}
        self._log("worker-failed", f"{why}; it is not tried again before a reload", level="error", **details)
        self._shut()
        self._shared.gave_up(f"worker {self.number} {why}")

    def _complain(self, failed: Failed, seconds: float) -> None:
        how = f"did not start ({seconds:.1f} s): {failed.message}; trying again"
        self._log("worker-failed", how, level="error", reason=failed.kind)

    def _log(self, event: str, how: str, *, level: Level = "warn", **details: object) -> None:
        """Log what became of the worker."""
        message = f"worker {self.number} {how}"
        self._shared.log.event(event, message, level=level, worker=self.number, **details)
