"""The supervisor: owns the listening sockets and the workers that serve on them.

It never sees a request. It spawns one worker for each slot, tells them what to serve, replaces those that die, and
exchanges all of them for new ones when the apps change:

1. A *generation* is spawned on the sockets of the slots, beside the one that serves. Nothing changes for clients yet.
2. Its workers are told to start. If one of them cannot, the whole generation is ended and the old one goes on.
3. When all are ready, each slot adopts its new worker, and the old workers are told to drain: they take no new
   connection, answer what they have accepted, and end. A connection that waits in a socket is taken by the new worker,
   because both generations hold the same socket. The exchange is over when every old worker has said that it takes no
   new connection: from then on a new connection reaches the new apps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wisp.errors import HostError
from wisp.host import binary as worker_binary
from wisp.host.control import Failed, Ran, Ready
from wisp.host.denials import Denials
from wisp.host.doors import Doors
from wisp.host.settings import HostSettings, JsonObject, Start
from wisp.host.slot import Shared, Slot
from wisp.host.worker import Worker

if TYPE_CHECKING:
    from wisp.host.address import Address
    from wisp.host.doors import Opened
    from wisp.host.log import Log
    from wisp.host.sockets import Listeners

FAREWELL = 1.0
"""Seconds that a worker that has failed gets to end by itself, so that its last words are not cut."""

Recover = Callable[[str], Awaitable[JsonObject]]
"""Compiles the component with this digest anew, and returns its new artifact."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One slot, as the admin listener shows it."""

    worker: int
    pid: int | None
    restarts: int


@dataclass(frozen=True, slots=True)
class Status:
    """The supervisor at one moment."""

    ready: bool
    draining: bool
    generation: int
    workers: tuple[WorkerStatus, ...]


class Supervisor:
    """Owns sockets and workers. `open`, then `serve` (again for a reload), then `stop`."""

    def __init__(self, settings: HostSettings, log: Log, recover: Recover) -> None:
        """Claim the address. Raises HostError."""
        self._settings = settings
        self._log = log
        self._recover = recover
        self._binary = worker_binary.find()
        self._start = Start((), {})
        self._waiting: list[Worker] = []
        self._retiring: dict[Worker, asyncio.Task[None]] = {}
        self._changing = asyncio.Lock()
        self._draining = False
        self._generation = 0
        self._turn = 0
        self._exhausted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._doors = Doors(settings)
        self.denials = Denials()
        shared = Shared(self._doors, self._replace, log, self._gave_up, self._farewell)
        self._slots = [Slot(number, shared) for number in range(settings.workers)]

    @property
    def listeners(self) -> Listeners:
        """The sockets for clients."""
        return self._doors.clients

    @property
    def for_hosts(self) -> Address | None:
        """Where other hosts of the lattice connect."""
        return self._doors.hosts.address if self._doors.hosts else None

    async def open(self) -> None:
        """Spawn the first generation, which waits for `serve`. Raises HostError."""
        self._waiting = await self._spawn()
        await worker_binary.check(self._binary)

    async def serve(self, start: Start) -> None:
        """Serve these apps from now on, in place of what was served. Raises HostError, and then nothing has changed.

        When it returns, every new connection is answered by these apps.
        """
        async with self._changing:
            waiting, self._waiting = self._waiting, []
            start, workers = await self._generate(start, waiting or await self._spawn())
            self._start = start
            self._generation += 1
            pairs = zip(self._slots, workers, strict=True)
            before = [old for slot, worker in pairs if (old := slot.adopt(worker)) is not None]
            for old in before:
                self._retire(old)
            await asyncio.gather(*(old.deaf() for old in before))

    async def stop(self, at_once: asyncio.Event) -> None:
        """Drain every worker and wait for their ends; kill what is left when `at_once` is set."""
        self._draining = True
        for worker in [slot.release() for slot in self._slots]:
            self._retire(worker)
        waiting, self._waiting = self._waiting, []
        drains = asyncio.create_task(self._drained(waiting))
        impatience = asyncio.create_task(at_once.wait())
        await asyncio.sleep(0)  # the drain messages go out before the sockets close
        self._doors.close()
        await asyncio.wait({drains, impatience}, return_when=asyncio.FIRST_COMPLETED)
        impatience.cancel()
        for worker in self._retiring:
            worker.kill()
        await drains

    async def _drained(self, waiting: Sequence[Worker]) -> None:
        """Wait for the ends of those that drain, and end those that never were told to start."""
        await asyncio.gather(_ended(waiting), *self._retiring.values())

    async def exhaustion(self) -> str:
        """Wait until the last slot has given up, and return its reason."""
        return await asyncio.shield(self._exhausted)

    async def tell(self, order: JsonObject, lattice: JsonObject, *, draining: bool) -> None:
        """Give an order to every worker, to draining ones if that is said. Those to come are told `lattice` with their start."""
        self._start = replace(self._start, lattice=lattice)
        workers = [*(slot.worker for slot in self._slots), *(self._retiring if draining else ())]
        await asyncio.gather(*(worker.tell(order) for worker in workers if worker is not None))

    async def metrics(self) -> list[JsonObject]:
        """Return the counters of every worker that answers, draining ones too."""
        workers = [slot.worker for slot in self._slots] + list(self._retiring)
        answers = await asyncio.gather(*(worker.metrics() for worker in workers if worker is not None))
        return [answer.values for answer in answers if answer is not None]

    async def serving_metrics(self) -> dict[int, JsonObject]:
        """Return the counters of every worker that takes new connections and answers, by its process."""
        workers = [slot.worker for slot in self._slots if slot.worker is not None]
        answers = await asyncio.gather(*(worker.metrics() for worker in workers))
        told = zip(workers, answers, strict=True)
        return {worker.pid: answer.values for worker, answer in told if answer is not None}

    async def run(self, order: JsonObject) -> Ran:
        """Have one worker do one run of a job: the one with the fewest in progress, each in its turn."""
        self._turn += 1
        slots = self._slots[self._turn % len(self._slots) :] + self._slots[: self._turn % len(self._slots)]
        workers = [slot.worker for slot in slots if slot.worker is not None]
        if not workers:
            return Ran(str(order["id"]), 0, "there was no worker that could have done it")
        return await min(workers, key=lambda worker: worker.running).run(order)

    def status(self) -> Status:
        """Say how things are. One dead worker among live ones does not make the host unready."""
        workers = tuple(
            WorkerStatus(slot.number, slot.worker.pid if slot.worker else None, slot.restarts)
            for slot in self._slots
        )
        serving = any(worker.pid is not None for worker in workers)
        return Status(serving and not self._draining, self._draining, self._generation, workers)

    async def _spawn(self) -> list[Worker]:
        spawned: list[Worker] = []
        try:
            for slot in self._slots:
                worker = await self._worker(slot.number, self._doors.open(slot.number))
                spawned.append(worker)
        except BaseException:
            await _ended(spawned)
            raise
        return spawned

    async def _worker(self, slot: int, opened: Opened) -> Worker:
        return await Worker.spawn(self._binary, slot, opened, self._settings.output)

    async def _generate(self, start: Start, workers: list[Worker]) -> tuple[Start, list[Worker]]:
        """Start a generation: all of it, or none."""
        recovered: set[str] = set()
        while True:
            outcomes = await asyncio.gather(*(self._begin(worker, start) for worker in workers))
            failures = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
            if not failures:
                return start, workers
            await _ended(workers)
            again = await self._recovered(start, failures, recovered)
            if again is None:
                raise _host_error(failures[0])
            start, workers = again, await self._spawn()

    async def _recovered(self, start: Start, failures: Sequence[Failed], recovered: set[str]) -> Start | None:
        """Compile the artifacts that workers refused, each once. None when that does not help."""
        refused = {failed.digest for failed in failures if failed.kind == "artifact"}
        fresh = sorted(digest for digest in refused if digest is not None and digest not in recovered)
        for digest in fresh:
            self._log.event("artifact-refused", f"compiling {digest} anew", level="warn", digest=digest)
            start = start.with_artifact(digest, await self._recover(digest))
        recovered.update(fresh)
        return start if fresh else None

    async def _replace(self, slot: Slot) -> Worker | Failed:
        """Start one worker for a slot that has lost its own, on the apps that are served now."""
        recovered: set[str] = set()
        while True:
            worker = await self._worker(slot.number, self._doors.open(slot.number))
            failed = await self._begin(worker, self._start)
            if failed is None:
                return worker
            again = await self._recovered(self._start, [failed], recovered)
            if again is None:
                return failed
            self._start = again

    async def _begin(self, worker: Worker, start: Start) -> Failed | None:
        """Let connections into a worker's socket and start it. A worker that is not ready is ended."""
        try:
            self._doors.listen(worker.slot)
            reply = await worker.start(
                start.message(worker.slot, self._settings), self._settings.ready_timeout
            )
        except BaseException:
            await _ended([worker])
            raise
        if isinstance(reply, Ready):
            return None
        await worker.finish(FAREWELL)
        return reply

    def _retire(self, worker: Worker | None) -> None:
        if worker is None:
            return
        drain = asyncio.create_task(worker.drain(self._settings.drain_timeout))
        self._retiring[worker] = drain
        drain.add_done_callback(lambda _: self._retired(worker))

    def _retired(self, worker: Worker) -> None:
        self._retiring.pop(worker, None)
        self._farewell(worker)

    def _farewell(self, worker: Worker) -> None:
        """Keep what a worker that has ended knew and nobody else does."""
        self.denials.add(worker.last_metrics.values)

    def _gave_up(self, reason: str) -> None:
        if all(slot.abandoned for slot in self._slots) and not self._exhausted.done():
            self._exhausted.set_result(reason)


async def _ended(workers: Sequence[Worker]) -> None:
    """End these workers at once, and wait until they are gone."""
    for worker in workers:
        worker.kill()
    await asyncio.gather(*(worker.ended() for worker in workers))


def _host_error(failed: Failed) -> HostError:
    subject = f"component {failed.component}: " if failed.component else "a worker cannot start: "
    return HostError(subject + failed.message, kind=failed.kind)
