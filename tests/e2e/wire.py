"""A client of HTTP/1 that shows what stands on the wire, one step after another."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.e2e.host import PATIENCE

if TYPE_CHECKING:
    import ssl

Address = tuple[str, int]
Pairs = list[tuple[str, str]]


@dataclass
class Answer:
    """The head of a response, and what was read of the rest."""

    status: int
    headers: Pairs
    body: bytes = b""
    trailers: Pairs = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    """Statuses that came before: 100, for example."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection, which waits for what it reads, but not forever."""

    def __init__(self, address: Address, *, tls: ssl.SSLContext | None = None) -> None:
        connected = socket.create_connection(address, PATIENCE)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(connected, server_hostname="localhost") if tls else connected
        self._incoming = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._incoming.close()
        self.socket.close()

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def begin(self, method: str, target: str, *headers: str) -> None:
        """Send the head of a request."""
        host = () if any(line.lower().startswith("host:") for line in headers) else ("host: test",)
        self.send("\r\n".join([f"{method} {target} HTTP/1.1", *host, *headers, "", ""]).encode())

    def ask(self, method: str, target: str, *headers: str, body: bytes | None = None) -> Answer:
        """Send a whole request, and read the whole answer."""
        length = () if body is None else (f"content-length: {len(body)}",)
        self.begin(method, target, *headers, *length)
        self.send(body or b"")
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """Read a whole answer."""
        found = self.head()
        if method == "HEAD" or found.status in {204, 304}:
            return found
        if found.header("transfer-encoding") == "chunked":
            found.body, found.trailers = self.rest_of_chunks()
        elif (length := found.header("content-length")) is not None:
            found.body = self.exactly(int(length))
        else:
            found.body = self.rest()
        return found

    def head(self) -> Answer:
        """Read the head of an answer."""
        interim: list[int] = []
        while True:
            line = self._line()
            status = int(line.split(" ")[1])
            headers = self._fields()
            if status >= 200:
                return Answer(status, headers, interim=interim)
            interim.append(status)

    def chunk(self) -> bytes:
        """Read one chunk; the last one is empty, and trailers follow it."""
        size = int(self._line(), 16)
        if size == 0:
            return b""
        content = self.exactly(size + 2)
        assert content[-2:] == b"\r\n"
        return content[:-2]

    def rest_of_chunks(self) -> tuple[bytes, Pairs]:
        """Read what is left of a chunked body, and its trailers."""
        content = bytearray()
        while chunk := self.chunk():
            content += chunk
        return bytes(content), self._fields()

    def exactly(self, count: int) -> bytes:
        content = self._incoming.read(count)
        if len(content) < count:
            raise EOFError
        return content

    def rest(self) -> bytes:
        """Read until the other side closes."""
        return self._incoming.read()

    def _line(self) -> str:
        line = self._incoming.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        return line[:-2].decode("latin-1")

    def _fields(self) -> Pairs:
        pairs: Pairs = []
        while line := self._line():
            name, _, value = line.partition(":")
            pairs.append((name.lower(), value.strip()))
        return pairs


def ask(address: Address, method: str, target: str, *headers: str, body: bytes | None = None) -> Answer:
    """Make one request on a connection of its own."""
    with Connection(address) as connection:
        return connection.ask(method, target, *headers, body=body)


def get(address: Address, target: str, *headers: str) -> Answer:
    return ask(address, "GET", target, *headers)
