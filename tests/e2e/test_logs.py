"""What a host says about its requests, and where guests' own lines go."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.host import PROGRAM
from tests.e2e.wire import Connection, ask, get

if TYPE_CHECKING:
    import pytest

    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_lines_of_a_guest_carry_the_request_and_the_stream(serve: Serve) -> None:
    host = serve()

    identity = dict(get(host.address, "/headers").json["headers"])["x-request-id"]
    get(host.address, "/print")
    printed = host.line(kind="access", path="/print")["request_id"]
    host.line(message="a last line without its end")

    lines = [line for line in host.lines if line["kind"] == "guest"]
    assert identity == host.line(kind="access", path="/headers")["request_id"] != printed
    assert {line["request_id"] for line in lines} == {printed}
    assert {(line["app"], line["component"], line["level"]) for line in lines} == {("app", "http2", "info")}
    assert sorted((line["stream"], line["message"]) for line in lines) == [
        ("stderr", "a line on standard error"),
        ("stdout", "a last line without its end"),
        ("stdout", "a line on standard output"),
    ]


def test_a_guest_never_sees_the_stack_of_the_host(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUST_BACKTRACE", "1")
    monkeypatch.setenv("RUST_LIB_BACKTRACE", "1")
    host = serve()

    def told() -> list[str]:
        return [line["message"] for line in host.lines if line["kind"] == "guest"]

    with Connection(host.address) as connection:
        connection.begin("POST", "/echo", "Transfer-Encoding: chunked")
        connection.send(b"3\r\n123\r\nno size\r\n")
        host.until(
            lambda: any("error reading a body" in message for message in told()), "what the guest says"
        )
    host.line(kind="access", path="/echo")

    assert not any("backtrace:" in message or "wasmtime" in message for message in told())


def test_a_request_leaves_one_line_with_all_there_is_to_say(serve: Serve) -> None:
    host = serve("--workers", "1")

    ask(host.address, "POST", "/any/echo?secret=1", body=b"12345")
    line = host.line(kind="access")

    assert TIME.fullmatch(line.pop("time"))
    assert re.fullmatch(r"[0-9a-f]{32}", line.pop("request_id"))
    assert line.pop("duration_us") > 0
    assert line == {
        "level": "info",
        "kind": "access",
        "app": "app",
        "component": "http2",
        "method": "POST",
        "path": "/any/echo",
        "route": "/...",
        "status": 200,
        "bytes_in": 5,
        "bytes_out": 5,
        "client": "127.0.0.1",
        "protocol": "HTTP/1.1",
        "worker": 0,
    }


def test_without_the_access_log_only_guests_and_faults_have_lines(serve: Serve) -> None:
    host = serve("--no-access-log")

    get(host.address, "/hello")
    get(host.address, "/print")
    get(host.address, "/trap")
    host.line(kind="worker", component="http2")
    host.line(kind="guest", message="a line on standard output")
    host.stop()

    assert {line["kind"] for line in host.lines} == {"guest", "worker", "supervisor"}


def test_a_host_says_when_it_begins_and_when_it_ends(serve: Serve) -> None:
    host = serve()

    url = host.url
    host.stop()

    events = [(line["event"], line["message"]) for line in host.lines]
    assert events == [
        ("listening", f"listening on {url}"),
        ("draining", "draining, for at most 10 s"),
        ("stopped", "stopped"),
    ]


def test_text_lines_are_for_people(serve: Serve) -> None:
    host = serve("--log-format", "text")

    host.until(lambda: "ready in" in host.stderr, "the first screen")
    found = re.search(r"http://127\.0\.0\.1:(\d+)  ready in", host.stderr)
    assert found
    get(("127.0.0.1", int(found[1])), "/print")
    host.until(lambda: len(host.text) == 4, "four lines")

    time, rest = r"\d\d:\d\d:\d\d\.\d{3}", r"\d+(\.\d+)?(µs|ms|s) 7B [0-9a-f]{32}"
    lines = sorted(host.text, key=lambda line: "|" in line)
    assert re.fullmatch(rf"{time} http2       GET /print 200 {rest}", lines[0])
    assert sorted(re.sub(time, "", line) for line in lines[1:]) == [
        " http2      | a last line without its end",
        " http2      | a line on standard error",
        " http2      | a line on standard output",
    ]


def test_the_first_screen_shows_what_is_served_and_how_long_it_took(serve: Serve) -> None:
    host = serve("--log-format", "text", "--workers", "2", route="/users/:id")

    host.until(lambda: "admin" in host.stderr, "the first screen")
    host.stop()

    screen = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", re.sub(r"\d+(\.\d+)? (ms|s)", "TIME", host.stderr))
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    lines = [line for line in screen.splitlines() if line and "compiling" not in line]
    assert lines[0].strip() == version.stdout.strip()
    assert re.fullmatch(r"  ANY  /users/:id  http2  \d+\.\d KiB", lines[1])
    assert lines[2:4] == [
        "  http://ADDRESS  ready in TIME, 2 workers",
        "  admin  http://ADDRESS/.well-known/wisp/health",
    ]


def test_requests_of_one_connection_have_identities_of_their_own(both: Host) -> None:
    with Connection(both.address) as connection:
        answers = [connection.ask("GET", "/two/headers").json["headers"] for _ in range(20)]

    assert len({dict(headers)["x-request-id"] for headers in answers}) == 20
