"""A whole host in the test's own process: the real supervisor, the real workers, real connections.

The app has no routes, so that no component needs to be built: every request is answered with 404, by a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wisp.errors import WispError
from wisp.host.address import Address
from wisp.host.log import Log
from wisp.host.service import Listening, Service, Surroundings
from wisp.host.settings import HostSettings, LogSettings, Start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wisp.host.cron import Clock
    from wisp.host.settings import JsonObject

LOOPBACK = Address("127.0.0.1", 0)
DIGEST = "sha256:" + "0" * 64
PATIENCE = 20.0


def app(version: str) -> JsonObject:
    """An app as workers are told of it."""
    return {
        "schema": 1,
        "name": "empty",
        "version": version,
        "http": [],
        "cron": [],
        "state": "/nonexistent",
        "components": {},
    }


def limits(**changes: int) -> JsonObject:
    """The limits of a component that needs little."""
    return {
        "memory": 1 << 20,
        "timeout_ms": 1000,
        "concurrency": 1,
        "queue": 1,
        "queue_timeout_ms": 1,
        "body": 1,
        "headers": 1 << 16,
        "response": 1 << 20,
        "cpu_ms": 1000,
        "table": 10_000,
        "handles": 100,
        "outbound": 1,
        "connections": 1,
        "download": 1 << 20,
        "log": 1 << 20,
        "store": 1 << 20,
        "file": 1 << 20,
        "files": 1,
        **changes,
    }


def no_grants() -> JsonObject:
    """The grants of a component that may use nothing."""
    lists = ("http", "sockets", "files", "keyvalue", "blobstore", "sqlite", "messaging")
    return {**{kind: [] for kind in lists}, "config": {}}


@dataclass
class Running:
    """A host that runs in this process, and what it said."""

    settings: HostSettings
    watch: bool = False
    admin: Address | None = LOOPBACK
    clock: Clock | None = None
    prepared: list[Start | WispError] = field(default_factory=lambda: [Start((app("1"),), {})])
    recovered: list[str] = field(default_factory=list)
    failures: list[WispError] = field(default_factory=list)
    listening: asyncio.Future[Listening] = field(default_factory=asyncio.Future)
    events: asyncio.Queue[dict[str, object]] = field(default_factory=asyncio.Queue)

    async def prepare(self) -> Start:
        """Give the next of what is prepared; the last one again and again."""
        outcome = self.prepared.pop(0) if len(self.prepared) > 1 else self.prepared[0]
        if isinstance(outcome, WispError):
            raise outcome
        return outcome

    async def recover(self, digest: str) -> JsonObject:
        self.recovered.append(digest)
        return {"path": "/no/such.cwasm", "size": 2, "profile": "sync", "resources": {}}

    async def event(self, name: str) -> dict[str, object]:
        """Wait for an event of the supervisor's log, and skip those before it."""
        async with asyncio.timeout(PATIENCE):
            while (event := await self.events.get())["event"] != name:
                pass
        return event

    async def url(self) -> Listening:
        return await asyncio.wait_for(asyncio.shield(self.listening), PATIENCE)

    async def address(self) -> tuple[str, int]:
        host, _, port = (await self.url()).url.rpartition("/")[2].rpartition(":")
        return host, int(port)

    async def admin_page(self, name: str, method: str = "GET") -> tuple[int, dict[str, object]]:
        listening = await self.url()
        assert listening.admin is not None
        host, _, port = listening.admin.rpartition("/")[2].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"{method} /.well-known/wisp/{name} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body or b"{}")

    async def pids(self) -> list[int]:
        _, health = await self.admin_page("health")
        workers = health["workers"]
        assert isinstance(workers, list)
        return [worker["pid"] for worker in workers]


@contextlib.asynccontextmanager
async def running(host: Running) -> AsyncIterator[asyncio.Task[int]]:
    """Run a host until the block ends; it gets SIGTERM then, if it still runs."""
    reading, writing = os.pipe()
    log = Log(LogSettings(format="json"), writing)
    around = Surroundings(host.prepare, host.recover, host.listening.set_result, host.failures.append, log)
    collecting = asyncio.create_task(collect(reading, host.events))
    service = Service(host.settings, around, admin=host.admin, watch=host.watch, clock=host.clock)
    task = asyncio.create_task(service.run())
    try:
        yield task
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
            assert await asyncio.wait_for(task, PATIENCE) == 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.close(writing)
        await collecting


async def collect(descriptor: int, events: asyncio.Queue[dict[str, object]]) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(descriptor)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    async for line in reader:
        events.put_nowait(json.loads(line))
    transport.close()


def settings(**changes: object) -> HostSettings:
    values: dict[str, object] = {
        "address": LOOPBACK,
        "workers": 2,
        "log": LogSettings(format="json", access=False),
        "drain_timeout": 5.0,
    }
    return HostSettings(**{**values, **changes})  # type: ignore[arg-type]


async def get(address: tuple[str, int]) -> int:
    """Make one request on a connection of its own, and return the status."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /nothing HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


@dataclass
class Load:
    """Clients that ask all the time, each on a connection that it keeps while the server does."""

    address: tuple[str, int]
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def more(self, count: int) -> None:
        """Wait until so many more requests have been answered."""
        goal = self.answered + count
        async with asyncio.timeout(PATIENCE), self.progress:
            await self.progress.wait_for(lambda: self.answered >= goal)

    async def client(self) -> None:
        while True:
            reader, writer = await asyncio.open_connection(*self.address)
            try:
                while await self._ask(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failed.append(repr(error))
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"GET /nothing HTTP/1.1\r\nhost: test\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split()[0])
        await reader.readexactly(length)
        async with self.progress:
            self.answered += 1
            self.progress.notify_all()
        return b"connection: close" not in head


@contextlib.asynccontextmanager
async def loaded(address: tuple[str, int], clients: int = 8) -> AsyncIterator[Load]:
    load = Load(address)
    tasks = [asyncio.create_task(load.client()) for _ in range(clients)]
    yield load
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
