"""HTTP/1 as clients see it on the wire, for guests of both versions of `wasi:http`."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.e2e.wire import Connection, ask, get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host

TEN_MEGABYTES = 10_000_000
VERSIONS = ("two", "three")


@contextlib.contextmanager
def sending(connection: Connection, content: bytes) -> Iterator[None]:
    """Send in the background, while the block reads."""
    thread = threading.Thread(target=connection.send, args=(content,))
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_connection_serves_many_requests(both: Host, version: str) -> None:
    with Connection(both.address) as connection:
        answers = [connection.ask("GET", f"/{version}/hello") for _ in range(50)]

    assert {(answer.status, answer.text) for answer in answers} == {(200, "Hello, world!")}


def test_requests_that_do_not_wait_for_answers_are_answered_in_their_order(both: Host) -> None:
    targets = ["slow?ms=50", "hello", "slow?ms=1", "status?code=204", "hello"]
    requests = [f"GET /two/{target} HTTP/1.1\r\nhost: test\r\n\r\n" for target in targets]

    with Connection(both.address) as connection:
        connection.send("".join(requests).encode())
        answers = [connection.answer() for _ in targets]

    assert [answer.text for answer in answers] == ["slept", "Hello, world!", "slept", "", "Hello, world!"]


def test_a_connection_is_closed_when_the_client_asks_for_it(both: Host) -> None:
    with Connection(both.address) as connection:
        answer = connection.ask("GET", "/two/hello", "connection: close")

        assert connection.rest() == b""
    assert answer.text == "Hello, world!"


def test_a_client_of_http_1_0_is_answered_without_chunks(both: Host) -> None:
    with Connection(both.address) as connection:
        connection.send(b"GET /two/huge?bytes=200000 HTTP/1.0\r\n\r\n")
        answer = connection.answer()

    assert answer.status == 200
    assert answer.header("transfer-encoding") is None
    assert len(answer.body) == 200_000


@pytest.mark.parametrize("version", VERSIONS)
def test_head_is_answered_like_get_but_without_a_body(both: Host, version: str) -> None:
    with Connection(both.address) as connection:
        head = connection.ask("HEAD", f"/{version}/hello")
        after = connection.ask("GET", f"/{version}/hello")

    assert (head.status, head.header("content-length"), head.body) == (200, "13", b"")
    assert after.text == "Hello, world!"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_waits_is_told_to_go_on_before_its_body_is_read(both: Host, version: str) -> None:
    with Connection(both.address) as connection:
        connection.begin("POST", f"/{version}/trailers", "expect: 100-continue", "content-length: 5")
        told = connection.exactly(len(b"HTTP/1.1 100 Continue\r\n\r\n"))
        connection.send(b"hello")
        answer = connection.answer()

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.text == "hello"


def test_a_client_that_waits_is_not_told_to_go_on_when_nobody_reads_its_body(both: Host) -> None:
    with Connection(both.address) as connection:
        connection.begin("POST", "/nowhere", "expect: 100-continue", "content-length: 5")
        answer = connection.answer()

    assert (answer.status, answer.interim) == (404, [])


@pytest.mark.parametrize("version", VERSIONS)
def test_ten_megabytes_come_back_while_they_are_sent(both: Host, version: str) -> None:
    content = os.urandom(TEN_MEGABYTES)
    half = TEN_MEGABYTES // 2

    with Connection(both.address) as connection:
        connection.begin("POST", f"/{version}/echo", f"content-length: {TEN_MEGABYTES}")
        with sending(connection, content[:half]):
            connection.head()
            first = bytearray()
            while len(first) < half:
                first += connection.chunk()
        with sending(connection, content[half:]):
            second, _ = connection.rest_of_chunks()
        after = connection.ask("GET", f"/{version}/hello")

    assert first == content[:half]
    assert second == content[half:]
    assert after.status == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_a_chunked_body_comes_back(both: Host, version: str) -> None:
    with Connection(both.address) as connection:
        connection.begin("POST", f"/{version}/echo", "transfer-encoding: chunked")
        connection.send(b"5\r\nhello\r\n8\r\n, chunks\r\n0\r\n\r\n")
        answer = connection.answer()

    assert answer.text == "hello, chunks"


@pytest.mark.parametrize("version", VERSIONS)
def test_trailers_that_were_announced_follow_the_body(both: Host, version: str) -> None:
    with Connection(both.address) as connection:
        connection.begin(
            "POST", f"/{version}/trailers", "te: trailers", "trailer: x-sum", "transfer-encoding: chunked"
        )
        connection.send(b"4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n")
        answer = connection.answer()

    assert answer.text == "body"
    assert answer.trailers == [("x-length", "4")]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_event_is_delivered_while_the_guest_sleeps_before_the_next(both: Host, version: str) -> None:
    with Connection(both.address) as connection:
        connection.begin("GET", f"/{version}/sse?events=2&pause=25000")
        answer = connection.head()
        while not answer.body.endswith(b"\n\n"):
            answer.body += connection.chunk()

    assert answer.header("content-type") == "text/event-stream"
    assert answer.body == b"id: 0\ndata: event 0\n\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_that_nobody_reads_yet_waits_and_others_are_answered(both: Host, version: str) -> None:
    size = 40_000_000

    with Connection(both.address) as slow:
        slow.begin("GET", f"/{version}/huge?bytes={size}")
        answer = slow.head()
        others = [get(both.address, f"/{version}/hello").status for _ in range(20)]
        count = 0
        while chunk := slow.chunk():
            count += len(chunk)

    assert answer.status == 200
    assert others == [200] * 20
    assert count == size


@pytest.mark.parametrize("version", VERSIONS)
def test_a_body_that_arrives_byte_by_byte_is_read(both: Host, version: str) -> None:
    text = b"one byte at a time"

    with Connection(both.address) as connection:
        connection.begin("POST", f"/{version}/echo", f"content-length: {len(text)}")
        answer = connection.head() if version == "two" else None
        for byte in text:
            connection.send(bytes([byte]))
        answer = answer or connection.head()
        body, _ = connection.rest_of_chunks()

    assert answer.status == 200
    assert body == text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [5, 100_000, 5_000_000])
def test_an_answer_that_comes_before_the_body_was_read_is_not_lost(
    both: Host, version: str, size: int
) -> None:
    answer = ask(both.address, "POST", f"/{version}/unread", body=b"x" * size)

    assert (answer.status, answer.text) == (200, "unread")


def test_a_head_that_is_too_large_is_refused(both: Host) -> None:
    answer = get(both.address, "/two/hello", f"x-large: {'x' * 200_000}")

    assert answer.status == 431


def test_a_head_that_does_not_arrive_in_time_is_refused(serve: Serve) -> None:
    host = serve("--header-timeout", "200ms")

    with Connection(host.address) as connection:
        connection.send(b"GET / HTTP/1.1\r\nhost: te")
        answer = connection.answer()
        rest = connection.rest()

    assert answer.status == 408
    assert answer.json["detail"] == "the head of the request took too long to arrive"
    assert rest == b""


def test_an_idle_connection_is_closed_in_time(serve: Serve) -> None:
    host = serve("--keep-alive", "200ms")

    with Connection(host.address) as connection:
        answer = connection.ask("GET", "/hello")
        rest = connection.rest()

    assert (answer.status, rest) == (200, b"")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /two/hello HTTP/1.1\r\n\r\n",
        b"GET /two/hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /two/echo HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /two/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ],
    ids=["no HTTP", "no host", "two hosts", "negative length", "two lengths"],
)
def test_what_is_not_valid_is_refused(both: Host, request_bytes: bytes) -> None:
    with Connection(both.address) as connection:
        connection.send(request_bytes)

        assert connection.answer().status == 400
