"""What a guest may not do, and what its client is told then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.wire import Answer, Connection, ask, get

if TYPE_CHECKING:
    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host, Line
    from tests.guests.build import Name

HTTP: tuple[Name, ...] = ("http2", "http3")
VERSIONS = ("two", "three")
IDENTITY = re.compile(r"[0-9a-f]{32}")


def require_problem(answer: Answer, host: Host, title: str, detail: str) -> Line:
    """Check that an answer is this problem and nothing else, and return its line in the log."""
    identity = answer.json["request_id"]
    assert IDENTITY.fullmatch(identity)
    assert answer.header("content-type") == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": title,
        "status": answer.status,
        "detail": detail,
        "request_id": identity,
    }
    line = host.line(kind="access", request_id=identity)
    assert line["status"] == answer.status
    return line


def read_chunks(connection: Connection, answer: Answer) -> None:
    while chunk := connection.chunk():
        answer.body += chunk


@pytest.mark.parametrize("version", VERSIONS)
def test_a_trap_is_a_bad_gateway_and_the_log_says_more(both: Host, version: str) -> None:
    answer = get(both.address, f"/{version}/trap")

    line = require_problem(answer, both, "Bad Gateway", "the component failed")
    failure = both.line(kind="worker", request_id=line["request_id"])
    assert answer.status == 502
    assert line["level"] == failure["level"] == "error"
    assert "wasm trap: wasm `unreachable` instruction executed" in failure["message"]


def test_a_guest_that_ends_without_an_answer_is_a_bad_gateway(both: Host) -> None:
    answer = get(both.address, "/two/silent")

    require_problem(answer, both, "Bad Gateway", "the component failed")
    assert answer.status == 502


def test_a_guest_that_answers_with_an_error_is_a_bad_gateway(both: Host) -> None:
    answer = get(both.address, "/three/refuse")

    require_problem(answer, both, "Bad Gateway", "the component failed")
    assert answer.status == 502


def test_a_guest_that_wants_more_memory_than_it_may_have_is_a_bad_gateway(serve: Serve) -> None:
    host = serve(limits={"memory": "32MiB"})

    less, more = (get(host.address, f"/memory?mib={size}") for size in (16, 64))

    assert less.status == 200
    assert more.status == 502
    require_problem(more, host, "Bad Gateway", "the component failed")


@pytest.mark.parametrize("behaviour", ["spin", "slow?ms=20000"])
@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_that_takes_too_long_is_a_gateway_timeout(serve: Serve, guest: Name, behaviour: str) -> None:
    host = serve(guest=guest, limits={"timeout": "200ms"})

    with Connection(host.address) as connection:
        answer = connection.ask("GET", f"/{behaviour}")
        after = connection.ask("GET", "/hello")

    require_problem(answer, host, "Gateway Timeout", "the component did not respond in time")
    assert (answer.status, after.status) == (504, 200)


@pytest.mark.parametrize("guest", HTTP)
def test_an_answer_that_takes_too_long_breaks_off(serve: Serve, guest: Name) -> None:
    host = serve(guest=guest, limits={"timeout": "300ms"})

    with Connection(host.address) as connection:
        connection.begin("GET", "/sse?events=1000000&pause=1")
        answer = connection.head()
        with pytest.raises((EOFError, ConnectionResetError)):
            read_chunks(connection, answer)

    line = host.line(kind="access", path="/sse")
    assert answer.body.startswith(b"id: 0\n")
    assert line["aborted"]
    assert line["level"] == "error"


def test_an_answer_whose_guest_traps_breaks_off(both: Host) -> None:
    with Connection(both.address) as connection:
        connection.begin("GET", "/three/break")
        answer = connection.head()
        with pytest.raises((EOFError, ConnectionResetError)):
            read_chunks(connection, answer)

    assert answer.body == b"the first half"


@pytest.mark.parametrize("guest", HTTP)
def test_a_body_is_refused_that_says_it_is_too_long(serve: Serve, guest: Name) -> None:
    host = serve(guest=guest, limits={"body": "1KiB"})

    exact = ask(host.address, "POST", "/echo", body=b"x" * 1024)
    answer = ask(host.address, "POST", "/echo", body=b"x" * 1025)

    require_problem(answer, host, "Payload Too Large", "the request body is longer than the component allows")
    assert (exact.status, len(exact.body)) == (200, 1024)
    assert answer.status == 413


def test_a_body_is_refused_that_turns_out_to_be_too_long(serve: Serve) -> None:
    host = serve(limits={"body": "1KiB"})

    with Connection(host.address) as connection:
        # This behaviour reads all of the body before it answers.
        connection.begin("POST", "/trailers", "transfer-encoding: chunked")
        connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n")
        answer = connection.answer()
    after = get(host.address, "/hello")

    require_problem(answer, host, "Payload Too Large", "the request body is longer than the component allows")
    assert (answer.status, after.status) == (413, 200)


@pytest.mark.parametrize("guest", HTTP)
def test_requests_beyond_concurrency_wait_and_those_beyond_the_queue_are_turned_away(
    serve: Serve, guest: Name
) -> None:
    host = serve("--workers", "1", guest=guest, limits={"concurrency": 1, "queue": 1})

    with Connection(host.address) as first, Connection(host.address) as second:
        first.begin("GET", "/sse?events=2&pause=500")
        first.head()
        second.begin("GET", "/hello")
        # The queue is filled by whichever comes second and third; that one waits, and all others do not.
        third = [get(host.address, "/hello") for _ in range(3)]
        first_line = host.line(kind="access", path="/sse")
        waited = second.answer()

    refused = [answer for answer in third if answer.status == 503]
    assert first_line["status"] == 200
    assert [waited.status, *(answer.status for answer in third)].count(200) >= 1
    assert len(refused) >= 2
    assert refused[0].header("retry-after") == "1"
    require_problem(refused[0], host, "Service Unavailable", "too many requests are in progress")


@pytest.mark.parametrize("guest", HTTP)
def test_a_request_that_waits_too_long_for_its_turn_is_turned_away(serve: Serve, guest: Name) -> None:
    host = serve("--workers", "1", guest=guest, limits={"concurrency": 1, "queue_timeout": "100ms"})

    with Connection(host.address) as first:
        first.begin("GET", "/sse?events=2&pause=25000")
        first.head()
        answer = get(host.address, "/hello")

    assert (answer.status, answer.header("retry-after")) == (503, "1")
    require_problem(answer, host, "Service Unavailable", "too many requests are in progress")


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_that_computes_without_end_does_not_hold_up_the_others(serve: Serve, guest: Name) -> None:
    host = serve("--workers", "1", guest=guest)

    with Connection(host.address) as busy:
        busy.begin("GET", "/spin")
        host.until_active(1)
        with Connection(host.address) as connection:
            answers = [connection.ask("GET", "/hello").status for _ in range(10)]
            slept = connection.ask("GET", "/slow?ms=20").text
        host.until_active(1)

    assert answers == [200] * 10
    assert slept == "slept"


@pytest.mark.parametrize(
    "behaviour", ["spin", "slow?ms=25000", "sse?events=2&pause=25000", "huge?bytes=1000000000"]
)
@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_is_dropped_when_its_client_goes_away(serve: Serve, guest: Name, behaviour: str) -> None:
    host = serve("--workers", "1", guest=guest, limits={"concurrency": 1})

    with Connection(host.address) as connection:
        connection.begin("GET", f"/{behaviour}")
        host.until_active(1)
    after = get(host.address, "/hello")  # it has to wait for the only permit
    line = host.line(kind="access", path=f"/{behaviour.partition('?')[0]}")
    host.until_active(0)

    assert after.status == 200
    assert line["status"] == 499


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_is_dropped_when_its_client_goes_away_while_it_sends(serve: Serve, guest: Name) -> None:
    host = serve("--workers", "1", guest=guest, limits={"concurrency": 1})

    with Connection(host.address) as connection:
        connection.begin("POST", "/trailers", "content-length: 1000")
        connection.send(b"the first half")
        host.until_active(1)
    after = get(host.address, "/hello")
    host.line(kind="access", path="/trailers")
    host.until_active(0)

    assert after.status == 200


def test_a_path_without_a_route_is_not_found(both: Host) -> None:
    answer = get(both.address, "/nowhere")

    line = require_problem(answer, both, "Not Found", "no route leads here")
    assert answer.status == 404
    assert "component" not in line


def test_a_method_without_a_route_is_told_which_there_are(both: Host) -> None:
    answer = ask(both.address, "DELETE", "/users/1/posts/2")

    require_problem(answer, both, "Method Not Allowed", "no route here takes this method")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")


def test_a_problem_has_no_body_for_head(both: Host) -> None:
    with Connection(both.address) as connection:
        answer = connection.ask("HEAD", "/nowhere")
        after = connection.ask("GET", "/two/hello")

    assert (answer.status, after.status) == (404, 200)
