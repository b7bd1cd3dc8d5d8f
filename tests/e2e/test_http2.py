"""HTTP/2, with prior knowledge and by ALPN, and TLS."""

from __future__ import annotations

import os
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.wire import Connection
from tests.e2e.wire2 import Connection2

if TYPE_CHECKING:
    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host
    from tests.guests.build import Name

PEMS = Path(__file__).resolve().parents[2] / "crates" / "host" / "tests" / "http_support"
CERTIFICATE = PEMS / "localhost.pem"
TLS = ("--tls-certificate", str(CERTIFICATE), "--tls-key", str(PEMS / "localhost.key.pem"))
TEN_MEGABYTES = 10_000_000
VERSIONS = ("two", "three")
SLOW = 250


def trusting(*protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=CERTIFICATE)
    context.set_alpn_protocols(list(protocols))
    return context


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_with_prior_knowledge_is_answered(both: Host, version: str) -> None:
    with Connection2(both.address) as connection:
        answers = [connection.ask("GET", f"/{version}/hello") for _ in range(3)]

    assert [(answer.status, answer.text) for answer in answers] == [(200, "Hello, world!")] * 3


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_of_one_connection_run_side_by_side(both: Host, version: str) -> None:
    with Connection2(both.address) as connection:
        endless = connection.begin("GET", f"/{version}/sse?events=2&pause=25000")
        slow = [connection.begin("GET", f"/{version}/slow?ms={SLOW}") for _ in range(30)]
        first = connection.body(endless, len("id: 0\ndata: event 0\n\n"))
        answers = [connection.answer(stream).text for stream in slow]

    assert first == b"id: 0\ndata: event 0\n\n"
    assert answers == ["slept"] * 30


@pytest.mark.parametrize("version", VERSIONS)
def test_trailers_go_both_ways(both: Host, version: str) -> None:
    with Connection2(both.address) as connection:
        stream = connection.begin("POST", f"/{version}/trailers", ("te", "trailers"), end=False)
        connection.send(stream, b"body")
        connection.send_trailers(stream, ("x-sum", "42"))
        answer = connection.answer(stream)

    assert answer.text == "body"
    assert sorted(answer.trailers) == [("seen-x-sum", "42"), ("x-length", "4")]


@pytest.mark.parametrize("version", VERSIONS)
def test_ten_megabytes_come_back_while_they_are_sent(both: Host, version: str) -> None:
    content = os.urandom(TEN_MEGABYTES)
    half = TEN_MEGABYTES // 2

    with Connection2(both.address) as connection:
        stream = connection.begin("POST", f"/{version}/echo", end=False)
        connection.send(stream, content[:half])
        first = connection.body(stream, half)
        connection.send(stream, content[half:], end=True)
        answer = connection.answer(stream)

    assert first == content[:half]
    assert answer.body == content


def test_head_has_no_body(both: Host) -> None:
    with Connection2(both.address) as connection:
        answer = connection.ask("HEAD", "/two/hello")

    assert (answer.status, answer.header("content-length"), answer.body) == (200, "13", b"")


def test_a_request_that_the_client_gives_up_ends_and_the_others_go_on(serve: Serve) -> None:
    host = serve(limits={"concurrency": 1})

    with Connection2(host.address) as connection:
        given_up = connection.begin("GET", "/spin")
        connection.cancel(given_up)
        line = host.line(kind="access", path="/spin")
        answer = connection.ask("GET", "/hello")

    assert line["status"] == 499
    assert line["protocol"] == "HTTP/2"
    assert answer.status == 200


@pytest.mark.parametrize("guest", ["http2", "http3"])
def test_an_answer_that_breaks_off_resets_its_stream_and_no_other(serve: Serve, guest: Name) -> None:
    host = serve(guest=guest, limits={"timeout": "300ms"})

    with Connection2(host.address) as connection:
        broken = connection.begin("GET", "/sse?events=1000000&pause=1")
        reset = connection.reset(broken)
        after = connection.ask("GET", "/hello")

    assert reset != 0
    assert after.status == 200


def test_problems_are_the_same(both: Host) -> None:
    with Connection2(both.address) as connection:
        missing = connection.ask("GET", "/nowhere")
        method = connection.ask("POST", "/users/1/posts/2", body=b"x")
        large = connection.ask("GET", "/two/hello", ("x-large", "x" * 100_000))

    assert (missing.status, missing.json["status"]) == (404, 404)
    assert (method.status, method.header("allow")) == (405, "GET, HEAD")
    assert large.status == 431


def test_a_drain_finishes_what_was_asked_and_says_that_it_takes_no_more(serve: Serve) -> None:
    host = serve()

    with Connection2(host.address) as connection:
        connection.ask("GET", "/hello")
        stream = connection.begin("GET", f"/sse?events=2&pause={SLOW}")
        connection.body(stream, 1)
        host.signal(signal.SIGTERM)
        answer = connection.answer(stream)

    assert answer.text == "id: 0\ndata: event 0\n\nid: 1\ndata: event 1\n\n"
    assert connection.leaving
    assert host.ended() == 0


def test_alpn_chooses_the_version_and_guests_see_https(serve: Serve) -> None:
    host = serve(*TLS)

    with Connection2(host.address, tls=trusting("h2", "http/1.1")) as connection:
        assert isinstance(connection.socket, ssl.SSLSocket)
        chosen = connection.socket.selected_alpn_protocol()
        second = connection.ask("GET", "/headers").json
    with Connection(host.address, tls=trusting("http/1.1")) as older:
        first = older.ask("GET", "/headers").json

    assert host.url.startswith("https://")
    assert chosen == "h2"
    assert (second["scheme"], second["authority"]) == ("https", "test")
    assert first["scheme"] == "https"


def test_a_client_without_tls_gets_nothing_from_a_host_with_tls(serve: Serve) -> None:
    host = serve(*TLS)

    with Connection(host.address) as connection:
        connection.begin("GET", "/hello")
        answer = connection.rest()
    with Connection(host.address, tls=trusting("http/1.1")) as after:
        status = after.ask("GET", "/hello").status

    assert b"HTTP" not in answer
    assert status == 200
