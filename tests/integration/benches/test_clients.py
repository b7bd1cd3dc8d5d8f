"""The clients of the benchmark that are written in Python, against a real server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness.client import Connection, request
from harness.flood import CONNECTIONS, flooded
from harness.servers import MeasurementError

ENOUGH = 200
BODY = 1_000_000


class Handler(BaseHTTPRequestHandler):
    """Greets; refuses every second request to `/flood`; gives and takes large bodies."""

    protocol_version = "HTTP/1.1"
    asked = 0
    enough = threading.Event()

    def do_GET(self) -> None:
        status, body = 200, b"Hello, world!"
        if self.path == "/large":
            body = bytes(BODY)
        if self.path == "/flood":
            Handler.asked += 1
            status = 503 if Handler.asked % 2 else 200
            if Handler.asked == ENOUGH:
                Handler.enough.set()
        self._answer(status, body)

    def do_POST(self) -> None:
        self._answer(200, str(len(self.rfile.read(int(self.headers["content-length"])))).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Lets all connections of a flood wait at once."""

    request_queue_size = 2 * CONNECTIONS


@pytest.fixture
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


def test_one_connection_asks_again_and_again_and_refuses_another_answer(port: int) -> None:
    with Connection(port, source="127.0.0.2") as connection:
        assert all(connection.ask("/", b"Hello, world!") > 0 for _ in range(3))
        with pytest.raises(MeasurementError, match="instead of"):
            connection.ask("/", b"Hello, you!")


def test_large_bodies_are_counted_both_ways(port: int) -> None:
    with Connection(port) as connection:
        connection.send(request("/large"))
        assert connection.swallow() == BODY
        connection.send(request("/up", body=BODY))
        connection.send(bytes(BODY))
        assert connection.answer() == str(BODY).encode()


def test_an_answer_that_is_not_200_is_an_error(port: int) -> None:
    with Connection(port) as connection:
        connection.send(b"PUT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
        with pytest.raises(MeasurementError, match="the answer was"):
            connection.answer()


def test_a_flood_goes_on_whatever_is_answered_and_counts_what_was(port: int) -> None:
    with flooded(port, "/flood", 500) as answers:
        assert Handler.enough.wait(20)

    assert set(answers) == {200, 503}
    # A connection is used again only when its answer was counted.
    assert sum(answers.values()) >= ENOUGH - CONNECTIONS
