"""A rehearsal: apps are served by a worker of their own, which nobody else knows of, and asked one request.

So what is wrong with an app is known before anybody's request reaches it. The worker is ended afterwards, whatever came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wisp.errors import HostError
from wisp.host import binary as worker_binary
from wisp.host.control import Failed
from wisp.host.doors import Opened
from wisp.host.worker import Worker

if TYPE_CHECKING:
    import h11

    from wisp.host.settings import HostSettings, Start

PATIENCE: Final = 10.0
"""Seconds in which the request must be answered."""

ERRORS: Final = 400
FAILED: Final = frozenset({502, 503, 504})
"""What a host answers when a component traps, has no room, or takes too long."""

LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Probe:
    """A request, and which answers to it are good."""

    path: str
    host: str
    strict: bool
    """Whether only a status below 400 is good; else any is by which the host does not say that a component failed."""

    def likes(self, status: int) -> bool:
        """Whether this status is good."""
        return status < ERRORS if self.strict else status not in FAILED


async def rehearse(settings: HostSettings, start: Start, probe: Probe | None) -> None:
    """Start a worker with these apps, and ask it, unless there is nothing to ask. Raises HostError."""
    quiet = replace(settings, http=replace(settings.http, tls=None), log=replace(settings.log, access=False))
    with socket.create_server((LOOPBACK, 0), backlog=8) as listener:
        listener.setblocking(False)
        worker = await Worker.spawn(worker_binary.find(), 0, Opened(listener))
        try:
            reply = await worker.start(start.message(0, quiet), settings.ready_timeout)
            if isinstance(reply, Failed):
                subject = f"component {reply.component}: " if reply.component else "a worker cannot start: "
                raise HostError(subject + reply.message, kind=reply.kind)
            if probe is not None:
                await _ask(listener.getsockname()[1], probe)
        finally:
            worker.kill()
            await worker.ended()


async def _ask(port: int, probe: Probe) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            status = await _status(port, probe)
    except TimeoutError as error:
        message = f"GET {probe.path} was not answered within {PATIENCE:g} s"
        raise HostError(message, kind="probe") from error
    except OSError as error:
        message = f"GET {probe.path} was not answered: {error}"
        raise HostError(message, kind="probe") from error
    if not probe.likes(status):
        message = f"GET {probe.path} was answered with {status}"
        raise HostError(message, kind="probe")


async def _status(port: int, probe: Probe) -> int:
    """Send the request, and return the status of the answer; nobody reads its body."""
    import h11  # noqa: PLC0415 - not needed to start

    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        connection = h11.Connection(h11.CLIENT)
        headers = [("host", probe.host), ("user-agent", "wisp-probe"), ("connection", "close")]
        request = h11.Request(method="GET", target=probe.path, headers=headers)
        writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return await _head(connection, reader)
    except h11.ProtocolError as error:
        raise ConnectionError(str(error)) from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _head(connection: h11.Connection, reader: asyncio.StreamReader) -> int:
    import h11  # noqa: PLC0415 - it was loaded before

    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionError("the worker closed the connection")
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
