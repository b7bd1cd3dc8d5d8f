"""The admin listener: health, readiness and counters, on an address of their own.

It is not the app's listener, so that no route of an app can hide it and nobody outside reaches it: it listens on the
loopback interface unless told otherwise. One request for each connection; h11 does the parsing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from wisp.errors import HostError
from wisp.host.address import Address
from wisp.host.metrics import combined
from wisp.host.settings import JsonObject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import h11

    from wisp.host.cron import Scheduler
    from wisp.host.supervisor import Supervisor

PREFIX = "/.well-known/wisp/"
REQUEST_TIMEOUT = 5.0
MOST_CONNECTIONS = 64
"""Probes are few; more connections than this are a mistake, and are closed."""

LARGEST_HEAD = 16 * 1024
Answer = tuple[int, JsonObject]


class Admin:
    """Answers about one supervisor, and the jobs that it runs. `open`, then `close`."""

    def __init__(self, supervisor: Supervisor, scheduler: Scheduler) -> None:
        self._supervisor = supervisor
        self._scheduler = scheduler
        self._server: asyncio.Server | None = None
        self._connections = 0
        self._pages: dict[str, Callable[[], Awaitable[Answer]]] = {
            "health": self._health,
            "ready": self._ready,
            "metrics": self._metrics,
        }

    async def open(self, address: Address) -> Address:
        """Listen, and return the address with its real port. Raises HostError."""
        family, where = address.resolve()
        try:
            self._server = await asyncio.start_server(self._serve, *where, family=family, limit=LARGEST_HEAD)
        except OSError as error:
            message = f"cannot listen on {address} for the admin listener: {error.strerror}"
            raise HostError(
                message, hint="choose another with --admin, or --no-admin", address=str(address)
            ) from error
        return Address(address.host, self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= MOST_CONNECTIONS:
                async with asyncio.timeout(REQUEST_TIMEOUT):
                    await self._exchange(reader, writer)
        except (TimeoutError, ConnectionError):
            pass  # a client that does not finish its request gets no answer
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import h11  # noqa: PLC0415 - not needed to start

        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        try:
            request = await _request(connection, reader)
        except h11.RemoteProtocolError as error:
            status, document = _problem(error.error_status_hint, "Bad Request", str(error))
            request = None
        else:
            if request is None:
                return
            status, document = await self._answer(request.method.decode(), request.target.decode())
        body = (json.dumps(document) + "\n").encode()
        writer.write(_head(connection, status, document, len(body)))
        if request is None or request.method != b"HEAD":
            writer.write(body)
        await writer.drain()

    async def _answer(self, method: str, target: str) -> Answer:
        path = target.partition("?")[0]
        page = self._pages.get(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None
        if page is None:
            return _problem(404, "Not Found", f"there are {', '.join(PREFIX + name for name in self._pages)}")
        if method not in {"GET", "HEAD"}:
            return _problem(405, "Method Not Allowed", "only GET and HEAD")
        return await page()

    async def _health(self) -> Answer:
        """Say that the supervisor lives, whatever its workers do."""
        return 200, {"status": "ok", **asdict(self._supervisor.status())}

    async def _ready(self) -> Answer:
        """Say whether requests will be answered."""
        status = self._supervisor.status()
        word = "ready" if status.ready else "draining" if status.draining else "starting"
        return 200 if status.ready else 503, {"status": word}

    async def _metrics(self) -> Answer:
        """Add up the counters of the workers, and tell those of the jobs."""
        return 200, {**combined(await self._supervisor.metrics()), "cron": self._scheduler.metrics()}


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """Read the head of one request; None when the client closed instead."""
    import h11  # noqa: PLC0415 - not needed to start

    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if isinstance(event, h11.ConnectionClosed):
            return None
        connection.receive_data(await reader.read(LARGEST_HEAD))


def _head(connection: h11.Connection, status: int, document: JsonObject, length: int) -> bytes:
    import h11  # noqa: PLC0415 - not needed to start

    kind = "application/problem+json" if "title" in document else "application/json"
    headers = [("content-type", kind), ("content-length", str(length)), ("cache-control", "no-store")]
    if status == 405:  # noqa: PLR2004 - Method Not Allowed
        headers.append(("allow", "GET, HEAD"))
    headers.append(("connection", "close"))
    return connection.send(h11.Response(status_code=status, headers=headers)) or b""


def _problem(status: int, title: str, detail: str) -> Answer:
    return status, {"type": "about:blank", "title": title, "status": status, "detail": detail}
