"""One connection that is kept, with as little of Python between the clock and the server as can be.

Only what the measured services send is understood: HTTP/1.1 with `content-length`.
"""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING, Final, Self

from harness.servers import START_LIMIT, MeasurementError

if TYPE_CHECKING:
    from types import TracebackType

PIECE: Final = 256 * 1024
"""Bytes that are received at once."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


class Connection:
    """A connection to a server on this machine. A context manager."""

    def __init__(self, port: int, source: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), START_LIMIT, (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def ask(self, path: str, expected: bytes) -> float:
        """Make one request, and return the milliseconds until its answer, which must be the expected one."""
        began = time.perf_counter()
        self.send(request(path))
        body = self.answer()
        took = time.perf_counter() - began
        if body != expected:
            message = f"{path} answered {body[:200]!r} instead of {expected!r}"
            raise MeasurementError(message)
        return took * 1000

    def send(self, content: bytes | memoryview) -> None:
        """Send bytes as they are."""
        self._socket.sendall(content)

    def answer(self) -> bytes:
        """Return the body of the next answer, which must be 200."""
        head, rest = self._head()
        pieces = [rest]
        left = length(head) - len(rest)
        while left > 0:
            pieces.append(self._receive())
            left -= len(pieces[-1])
        return b"".join(pieces)

    def swallow(self) -> int:
        """Read the next answer, which must be 200, and return how long its body was; nothing of it is kept."""
        head, rest = self._head()
        whole = length(head)
        left, buffer = whole - len(rest), bytearray(PIECE)
        while left > 0:
            received = self._socket.recv_into(buffer)
            if received == 0:
                raise MeasurementError("the answer broke off")
            left -= received
        return whole

    def _head(self) -> tuple[bytes, bytes]:
        """Return the head of the next answer, and what came with it of the body."""
        received = b""
        while _END not in received:
            received += self._receive()
        head, _, rest = received.partition(_END)
        if not head.startswith(b"HTTP/1.1 200 "):
            message = f"the answer was {received[:300]!r}"
            raise MeasurementError(message)
        return head, rest

    def _receive(self) -> bytes:
        received = self._socket.recv(PIECE)
        if not received:
            raise MeasurementError("the connection was closed before the answer had ended")
        return received


def request(path: str, *, body: int | None = None) -> bytes:
    """Return a request; the head only of one with a body of so many bytes."""
    method = "GET" if body is None else "POST"
    lines = [f"{method} {path} HTTP/1.1", "host: localhost"]
    if body is not None:
        lines.append(f"content-length: {body}")
    return "\r\n".join([*lines, "", ""]).encode()


def length(head: bytes) -> int:
    """Return how long the body is that comes after a head."""
    found = _LENGTH.search(head + b"\r\n")
    if found is None:
        message = f"the answer does not say how long it is: {head[:300]!r}"
        raise MeasurementError(message)
    return int(found[1])
