"""One worker: a process of `wisp-worker` and the control channel to it.

A worker is spawned before anybody knows what it shall serve, because starting a process and reading a manifest can go on
at the same time. It waits for `start`, answers `ready` or `failed`, and from then on only says something when asked.

Its end is noticed by the end of the process, not of the channel: only then are its connections gone. The process has its
own process group, so that Ctrl-C in the terminal reaches the supervisor alone, which lets the workers drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from typing import TYPE_CHECKING, Any

from wisp.errors import HostError
from wisp.host import binary as worker_binary
from wisp.host import control
from wisp.host.control import Drained, Draining, Failed, Metrics, Ran, Ready, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.host.doors import Opened

DIED = "died"
"""The kind of a failure that the worker itself could not tell us about."""

METRICS_TIMEOUT = 2.0
"""Seconds in which a worker must tell its counters; one that is busy for longer is left out."""

DRAIN_GRACE = 1.0
"""Seconds that a worker gets beyond its drain timeout before it is killed."""


class Worker:
    """A worker process, from its spawn to its end. Made by `spawn`."""

    def __init__(self, slot: int, process: asyncio.subprocess.Process, channel: control.Channel) -> None:
        self.slot = slot
        self.pid = process.pid
        self._process = process
        self._channel = channel
        self._started: asyncio.Future[Ready | Failed] = asyncio.get_running_loop().create_future()
        self._deaf = asyncio.Event()
        self._asked: asyncio.Future[Metrics | None] | None = None
        self._runs: dict[str, asyncio.Future[Ran]] = {}
        self._draining = False
        self.last_metrics = Metrics()
        """The newest that it has told; once it has drained, all that it ever counted."""

        self._last_words = ""
        self._reading = asyncio.create_task(self._read())
        self._ending = asyncio.create_task(self._end())

    @classmethod
    async def spawn(cls, binary: Path, slot: int, opened: Opened, output: int | None = None) -> Worker:
        """Start the process of a slot, with the slot's listening sockets and somewhere to write its log. Raises HostError."""
        ours, theirs = socket.socketpair()
        handed = {"--control": theirs.fileno(), "--listener": opened.clients.fileno()}
        if opened.hosts is not None:
            handed["--hosts"] = opened.hosts.fileno()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    binary,
                    *(word for option, number in handed.items() for word in (option, str(number))),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    pass_fds=tuple(handed.values()),
                    env=worker_binary.environment(),
                    process_group=0,
                )
            except OSError as error:
                ours.close()
                message = f"cannot run {binary}: {error.strerror}"
                raise HostError(message, kind="worker") from error
        return cls(slot, process, await control.connect(ours))

    async def start(self, message: Mapping[str, object], limit: float) -> Ready | Failed:
        """Tell the worker what to serve, and wait until it does, says why not, ends, or the limit is over."""
        await self._channel.send(message)
        try:
            async with asyncio.timeout(limit):
                return await asyncio.shield(self._started)
        except TimeoutError:
            return Failed(DIED, f"it was not ready within {limit:g} s")

    async def tell(self, order: Mapping[str, object]) -> None:
        """Give an order that is not answered. A worker that is gone does not hear it."""
        await self._channel.send(order)

    async def metrics(self) -> Metrics | None:
        """Ask for the counters; None when the worker does not answer in time."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().create_future()
            await self._channel.send({"metrics": {}})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(METRICS_TIMEOUT):
                return await asyncio.shield(self._asked)
        return None

    @property
    def running(self) -> int:
        """How many runs of jobs are in progress."""
        return len(self._runs)

    async def run(self, order: Mapping[str, object]) -> Ran:
        """Have the worker do one run of a job, and wait for its end. A worker that ends first has failed it."""
        loop = asyncio.get_running_loop()
        name, began = str(order["id"]), loop.time()
        ended: asyncio.Future[Ran] = loop.create_future()
        self._runs[name] = ended
        try:
            await self._channel.send({"run": order})
            both: set[asyncio.Future[Any]] = {ended, self._ending}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._runs[name]
        if ended.done():
            return ended.result()
        how = self._ending.result()
        why = "the time to drain was over" if self._draining else f"worker {self.slot} {how}"
        return Ran(name, round((loop.time() - began) * 1_000_000), f"it was cut off: {why}")

    async def drain(self, limit: float) -> None:
        """Let the worker answer what it has accepted, and wait for its end; past the limit it is killed."""
        self._draining = True
        # It tells its counters at its end, too, but may be killed before.
        await self._channel.send({"metrics": {}})
        await self._channel.send({"drain": {"timeout_ms": round(limit * 1000)}})
        await self.finish(limit + DRAIN_GRACE)

    async def deaf(self) -> None:
        """Wait until the worker takes no new connection: soon after `drain`, or because it has ended."""
        await self._deaf.wait()

    async def finish(self, limit: float) -> None:
        """Wait for the end of the process; kill it when the limit is over."""
        try:
            async with asyncio.timeout(limit):
                await self.ended()
        except TimeoutError:
            self.kill()
            await self.ended()

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> str:
        """Wait for the end of the process, and say how it ended."""
        return await asyncio.shield(self._ending)

    async def _end(self) -> str:
        code = await self._process.wait()
        await (
            self._reading
        )  # what it had written is still in the channel: a reason why it failed, for example
        self._channel.close()
        self._deaf.set()
        how = _how(code) + self._last_words
        if not self._started.done():
            self._started.set_result(Failed(DIED, f"it {how} before it was ready"))
        return how

    async def _read(self) -> None:
        try:
            while (reply := await self._channel.read()) is not None:
                self._take(reply)
        except HostError as error:
            if not self._started.done():
                self._started.set_result(Failed(error.kind or "protocol", error.message))
            # A worker that does not speak our protocol cannot be told to drain either.
            self.kill()
        self._answer(None)

    def _take(self, reply: Reply) -> None:
        match reply:
            case Ready() | Failed() if not self._started.done():
                self._started.set_result(reply)
            case Failed():
                self._last_words = f": {reply.message}"
            case Ready():
                pass  # said twice
            case Metrics():
                self.last_metrics = reply
                self._answer(reply)
            case Ran():
                self._ran(reply)
            case Draining():
                self._deaf.set()
            case Drained():
                pass  # its process ends now, which is what `drain` waits for

    def _ran(self, ran: Ran) -> None:
        ended = self._runs.get(ran.id)
        if ended is not None and not ended.done():
            ended.set_result(ran)

    def _answer(self, metrics: Metrics | None) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(metrics)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}"
