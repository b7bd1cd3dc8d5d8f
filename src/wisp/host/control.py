"""The control channel between the supervisor and a worker: frames over a socket pair.

A frame is a length, four bytes big-endian, then that many bytes of JSON. What arrives is turned into a `Reply` here, so
that the rest of the supervisor never sees a message that has the wrong shape.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wisp.errors import HostError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

LARGEST_FRAME = 64 * 1024 * 1024
LENGTH = struct.Struct(">I")
PIECE = 64 * 1024
"""Bytes of a frame that are written at once."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker serves."""

    pid: int
    startup_us: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker cannot do what it was told, and ends."""

    kind: str
    message: str
    component: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """The worker's counters at this moment."""

    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draining:
    """The worker takes no new connection any more."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The worker has answered everything that it had accepted, and ends."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of a job has ended."""

    id: str
    microseconds: int
    failure: str | None
    """Why it failed; None when it did not."""


Reply = Ready | Failed | Metrics | Ran | Draining | Drained


def encode(message: Mapping[str, object]) -> bytes:
    """Return the frame of a message."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > LARGEST_FRAME:
        error = f"a control message of {len(body)} bytes is too large, the limit is {LARGEST_FRAME}"
        raise HostError(error, kind="protocol")
    return LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader) -> Reply | None:
    """Return the next reply, None when the other side has closed. Raises HostError when it is not one."""
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if length > LARGEST_FRAME:
            message = f"the worker announced a message of {length} bytes, the limit is {LARGEST_FRAME}"
            raise HostError(message, kind="protocol")
        return decode(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None  # a frame cut short is a worker that died


def decode(body: bytes) -> Reply:
    """Parse the JSON of one reply. Raises HostError."""
    try:
        message = json.loads(body)
        kind = message["type"]
        if kind == "ready":
            return Ready(int(message["pid"]), int(message["startup_us"]))
        if kind == "failed":
            component, digest = message.get("component"), message.get("digest")
            return Failed(str(message["kind"]), str(message["message"]), component, digest)
        if kind == "metrics":
            return Metrics({key: value for key, value in message.items() if key != "type"})
        if kind == "ran":
            failure = message["failure"]
            return Ran(
                str(message["id"]),
                int(message["microseconds"]),
                None if failure is None else str(failure),
            )
        if kind == "draining":
            return Draining()
        if kind == "drained":
            return Drained()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the worker sent something that is not a control message: {body[:200]!r}"
        raise HostError(message, kind="protocol") from error
    message = f"the worker sent a control message of the unknown type {kind!r}"
    raise HostError(message, kind="protocol")


class Channel:
    """Our end of the channel to one worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sending = asyncio.Lock()

    async def send(self, message: Mapping[str, object]) -> None:
        """Send a message. A worker that is gone does not hear it: its end is noticed elsewhere."""
        frame = encode(message)
        if len(frame) <= PIECE and not self._sending.locked():
            await self._write(frame)
        else:
            # Whoever waits may be cancelled; a frame is never cut short for that.
            await asyncio.shield(self._write_in_pieces(frame))

    async def _write_in_pieces(self, frame: bytes) -> None:
        """Write what may be megabytes of orders when it is its turn: asyncio copies what the system does not take at once."""
        async with self._sending:
            for begin in range(0, len(frame), PIECE):
                await self._write(frame[begin : begin + PIECE])

    async def _write(self, piece: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(piece)
            await self._writer.drain()

    async def read(self) -> Reply | None:
        """Return the next reply, None when the worker has closed its end."""
        return await read(self._reader)

    def close(self) -> None:
        """Close our end; a worker that still runs takes it as the supervisor's death, and drains."""
        self._writer.close()


async def connect(ours: socket.socket) -> Channel:
    """Return the channel over our end of a socket pair."""
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return Channel(reader, writer)
