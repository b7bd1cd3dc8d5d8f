"""A worker that serves one app, started without a supervisor, and one client of it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import struct
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from wisp.cli.prepare import prepare
from wisp.cli.prepared import PrepareOptions
from wisp.host import control
from wisp.host.address import Address
from wisp.host.resolve import Place, resolve
from wisp.host.settings import HostSettings, LogSettings, Start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LENGTH = struct.Struct(">I")
READY_LIMIT = 60.0
"""Seconds in which the worker must be ready, on a very busy machine too."""

ENVIRONMENT = {"MIMALLOC_PURGE_DELAY": "-1", "RUST_BACKTRACE": "1"}
"""The allocator gives memory back when time has passed, which no two runs do alike; here it keeps it."""


class ServingError(Exception):
    """The worker does not serve what is counted."""


@dataclass(frozen=True, slots=True)
class Served:
    """A worker that is ready."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]


def first_frame(app: Path) -> bytes:
    """Return what the supervisor would say to the only worker of an app, which is built first where that is needed."""
    (prepared,) = asyncio.run(prepare([app], PrepareOptions(), lambda _: None))
    place = Place.of(prepared.name, prepared.folder, None)
    start = Start((resolve(prepared.locked, place, {}),), prepared.artifacts)
    settings = HostSettings(Address("127.0.0.1", 0), workers=1, log=LogSettings("json", access=False))
    return control.encode(start.message(0, settings))


@contextmanager
def serving(command: Sequence[str | Path], frame: bytes) -> Iterator[Served]:
    """Run a worker until the block ends. It answers questions on its standard input where it is one that does."""
    ours, theirs = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    with ours, theirs, listener:
        descriptors = (theirs.fileno(), listener.fileno())
        process = subprocess.Popen(
            [*command, "--control", str(descriptors[0]), "--listener", str(descriptors[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=descriptors,
            env={**ENVIRONMENT, "PATH": os.defpath},
        )
        try:
            ours.settimeout(READY_LIMIT)
            ours.sendall(frame)
            _await_ready(ours)
            yield Served(process, listener.getsockname())
        finally:
            process.kill()
            process.communicate()


def _await_ready(channel: socket.socket) -> None:
    (length,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    body = _exactly(channel, length)
    if not isinstance(control.decode(body), control.Ready):
        message = f"the worker said {json.loads(body)}"
        raise ServingError(message)


def _exactly(channel: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        more = channel.recv(length - len(received))
        if not more:
            message = "the worker ended before it was ready"
            raise ServingError(message)
        received += more
    return received


class Client:
    """One connection that is kept. It never waits: whether an answer has arrived is asked for."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, READY_LIMIT)
        self._socket.setblocking(False)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, request: bytes) -> None:
        """Send a request as a whole; the answer before it is forgotten."""
        self._received = b""
        self._socket.sendall(request)

    def answered(self) -> bool:
        """Whether the answer is there to its last byte."""
        with suppress(BlockingIOError):
            while more := self._socket.recv(1 << 20):
                self._received += more
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if b"content-length" in fields:
            return len(body) >= int(fields[b"content-length"])
        return body.endswith(b"0\r\n\r\n")

    def wait(self) -> None:
        """Wait for the answer, where nobody has to look after the worker meanwhile."""
        while not self.answered():
            select.select([self._socket], [], [], READY_LIMIT)

    def check(self, status: int, contains: bytes) -> None:
        """Raise ServingError unless the answer has this status, and this somewhere in its head or its body."""
        head, _, body = self._received.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head.lower():
            body = _joined(body)
        if not head.startswith(b"HTTP/1.1 %d " % status) or contains not in head + body:
            message = f"the answer was {self._received[:300]!r}"
            raise ServingError(message)


def _joined(chunked: bytes) -> bytes:
    """Return a body that came in chunks."""
    joined = b""
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        length = int(size, 16)
        joined, chunked = joined + rest[:length], rest[length + len(b"\r\n") :]
    return joined
