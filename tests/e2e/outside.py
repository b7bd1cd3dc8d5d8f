"""What is outside of a host: servers on loopback that say what reached them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.e2e.host import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEM = Path(__file__).parents[2] / "crates" / "host" / "tests" / "outbound_http" / "pem"
"""Roots, and certificates of theirs for a server and a client."""

METADATA = "http://169.254.169.254/latest/meta-data/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Website

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        match self.path.partition("?"):
            case ["/redirect", *_]:
                self._say(302, b"elsewhere", location=METADATA)
            case ["/large", _, size]:
                self._say(200, b"x" * int(size))
            case ["/slow", *_]:
                self.server.wait()
                self._say(200, b"late")
            case ["/host", *_]:
                self._say(200, self.headers["host"].encode())
            case _:
                self._say(200, b"hello from outside")

    def do_POST(self) -> None:
        self._say(200, self._body())

    def _body(self) -> bytes:
        """Read the request's body; a guest of 0.2 does not say how long it will be."""
        if (length := self.headers["content-length"]) is not None:
            return self.rfile.read(int(length))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Website(ThreadingHTTPServer):
    """A server of HTTP at any port of 127.0.0.1, for the time of a block."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = tls
        self.accepted = 0
        self.seen: list[str] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return self.server_port

    def wait(self) -> None:
        """Let a client wait until the end."""
        self._ending.wait(PATIENCE)

    def get_request(self) -> tuple[socket.socket, Any]:
        connected, address = super().get_request()
        self.accepted += 1
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            if self.tls:
                # On the thread of the connection, so that a client that gives up stops nobody.
                with self.tls.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)
            else:
                super().finish_request(request, client_address)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


def secure(*, clients: bool = False) -> ssl.SSLContext:
    """Return the certificate of a server at `localhost`, which may want one of its clients too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM / "server.pem", PEM / "server.key.pem")
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(PEM / "roots.pem")
    return context


@contextlib.contextmanager
def answering(kind: socket.SocketKind, serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give the port of a socket that is served until the block ends."""
    with socket.socket(socket.AF_INET, kind) as listening:
        listening.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            listening.listen()
        thread = threading.Thread(target=_until_closed, args=(listening, serve))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            # Wakes what waits in it; closing alone would not.
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            thread.join(PATIENCE)


def _until_closed(listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    listening.settimeout(0.05)
    while listening.fileno() >= 0:
        with contextlib.suppress(OSError):
            serve(listening)


def pong(listening: socket.socket) -> None:
    """Answer one connection."""
    connected, _ = listening.accept()
    with connected:
        connected.settimeout(PATIENCE)
        # One that only connects sends nothing.
        if connected.recv(64) == b"ping":
            connected.sendall(b"pong")


def pong_datagram(listening: socket.socket) -> None:
    """Answer one datagram."""
    content, sender = listening.recvfrom(64)
    assert content == b"ping"
    listening.sendto(b"pong", sender)
