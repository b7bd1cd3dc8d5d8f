"""What a host tells those who look on: what it measures, and what it logs. Nothing travels while nobody looks."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wisp.host.metrics import combined
from wisp.lattice.commands import samples
from wisp.lattice.commands.listening import Speaking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wisp.host.relay import Relay
    from wisp.host.supervisor import Supervisor
    from wisp.lattice.state import State

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Onlookers:
    """Answers for one host, while NATS is there."""

    def __init__(self, host: str, supervisor: Supervisor, relay: Relay | None) -> None:
        self._host = host
        self._supervisor = supervisor
        self._speaking = Speaking(host, relay) if relay is not None else None

    async def run(self, lattice: State) -> None:
        """Answer until this is cancelled. Raises LatticeError."""
        answering = await samples.answering(lattice.requests, self._measure)
        try:
            await (self._speaking.run(lattice.requests) if self._speaking else asyncio.Event().wait())
        finally:
            await answering.stop()

    async def _measure(self) -> bytes:
        metrics = combined(await self._supervisor.metrics())
        workers = [worker.pid for worker in self._supervisor.status().workers if worker.pid is not None]
        return samples.sample(self._host, time.monotonic(), _memory([os.getpid(), *workers]), metrics)


def _memory(processes: Iterable[int]) -> int:
    """Return how much of some processes is in memory; what they share is counted once for each."""
    total = 0
    for process in processes:
        try:
            total += int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        except (OSError, ValueError, IndexError):
            continue  # it has ended, or the system has no such files
    return total
