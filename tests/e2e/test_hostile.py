"""Guests that take what they can: each runs into its limit, while a neighbour in the same worker is served."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import neighbour
from tests.e2e.conftest import inline
from tests.e2e.host import Host, environment
from tests.e2e.neighbour import Neighbour
from tests.e2e.test_limits import read_chunks
from tests.e2e.wire import Answer, Connection, ask, get
from tests.guests.build import Name, component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HTTP: tuple[Name, ...] = ("http2", "http3")


class Hostile:
    """A host with a hostile guest below `/hostile`, and a neighbour."""

    def __init__(self, folder: Path, cache: Path, guest: Name, limits: dict[str, Any]) -> None:
        manifest = f"""
            [app]
            name = "app"

            [[http]]
            route = "/hostile/..."
            component = "hostile"

            [component.hostile]
            source = "{component(guest)}"
            limits = {inline(limits)}
            {neighbour.tables()}
        """
        (folder / "wisp.toml").write_text(manifest, encoding="utf-8")
        self.host = Host("--workers", "1", folder=folder, variables=environment(cache))

    def attack(self, behaviour: str, method: str = "GET", *headers: str, body: bytes | None = None) -> Answer:
        """Let the guest do this while the neighbour is asked."""
        with Neighbour(self.host):
            return ask(self.host.address, method, f"/hostile/{behaviour}", *headers, body=body)

    def counted(self, name: str) -> int:
        """Return what was counted for the hostile guest, and check that its neighbour has nothing of it."""
        components = {each["component"]: each for each in self.host.admin("metrics")["components"]}
        assert components["neighbour"][name] == 0
        count: int = components["hostile"][name]
        return count

    def warned(self, key: str) -> None:
        """Wait for the line that names the limit."""
        self.host.until(
            lambda: any(
                line["kind"] == "worker"
                and line.get("component") == "hostile"
                and f"limits.{key}" in line["message"]
                for line in self.host.lines
            ),
            f"a line about {key}",
        )


@pytest.fixture
def hostile(tmp_path: Path, cache: Path) -> Iterator[Any]:
    """Give a function that serves a hostile guest with these limits."""
    with contextlib.ExitStack() as stack:

        def start(guest: Name = "http2", **limits: Any) -> Hostile:
            made = Hostile(tmp_path, cache, guest, limits)
            stack.enter_context(made.host)
            return made

        yield start


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_that_computes_too_much_is_a_gateway_timeout(hostile: Any, guest: Name) -> None:
    guests = hostile(guest, cpu="100ms")

    answer = guests.attack("spin")

    assert answer.status == 504
    assert answer.json["detail"] == "the component took more processor time than it may"
    assert guests.counted("cpu_exceeded") == 1
    guests.warned("cpu")


@pytest.mark.parametrize("guest", HTTP)
def test_an_answer_whose_guest_computes_too_much_breaks_off(hostile: Any, guest: Name) -> None:
    guests = hostile(guest, cpu="100ms")

    with Neighbour(guests.host), Connection(guests.host.address) as connection:
        connection.begin("GET", "/hostile/toil")
        answer = connection.head()
        with pytest.raises((EOFError, ConnectionResetError)):
            read_chunks(connection, answer)

    assert answer.body == b"the first half"
    assert guests.host.line(kind="access", path="/hostile/toil")["aborted"]
    assert guests.counted("cpu_exceeded") == 1
    guests.warned("cpu")


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_that_waits_takes_no_processor_time(hostile: Any, guest: Name) -> None:
    guests = hostile(guest, cpu="10ms")

    with Connection(guests.host.address) as busy:
        # Another guest computes all the time: the machine is busy, and that is not this one's fault.
        busy.begin("GET", "/neighbour/spin")
        answer = get(guests.host.address, "/hostile/sse?events=20&pause=20")

    assert answer.status == 200
    assert answer.body.count(b"event") == 20
    assert guests.counted("cpu_exceeded") == 0


def test_time_that_a_request_took_is_not_the_next_ones(hostile: Any, tmp_path: Path) -> None:
    guests = hostile("http2", cpu="5s")

    answers = [guests.attack("memory?mib=100").status for _ in range(3)]

    assert answers == [200] * 3
    assert guests.counted("cpu_exceeded") == 0


def test_a_guest_that_wants_too_much_memory_is_told_no(hostile: Any) -> None:
    guests = hostile(memory="32MiB")

    answer = guests.attack("memory?mib=64")

    assert answer.status == 502
    assert guests.counted("memory_exceeded") >= 1
    guests.warned("memory")


def test_a_guest_that_holds_too_many_resources_is_stopped(hostile: Any) -> None:
    guests = hostile(handles=500)

    few, many = guests.attack("handles?count=100"), guests.attack("handles?count=1000")

    assert (few.status, few.text, many.status) == (200, "100", 502)
    assert guests.counted("handles_exceeded") == 1
    guests.warned("handles")


@pytest.mark.parametrize("guest", HTTP)
def test_an_answer_that_turns_out_to_be_too_long_breaks_off(hostile: Any, guest: Name) -> None:
    guests = hostile(guest, response="1MB")

    exact = guests.attack("huge?bytes=1000000")
    with Neighbour(guests.host), Connection(guests.host.address) as connection:
        connection.begin("GET", "/hostile/huge?bytes=100000000")
        answer = connection.head()
        with pytest.raises((EOFError, ConnectionResetError)):
            read_chunks(connection, answer)
    guests.host.until_active(0)

    assert (exact.status, len(exact.body)) == (200, 1_000_000)
    # What was written last before an answer breaks off may not arrive.
    assert 0 < len(answer.body) <= 1_000_000
    assert guests.counted("response_exceeded") == 1
    guests.warned("response")


def test_an_answer_that_says_it_is_too_long_is_a_bad_gateway(hostile: Any) -> None:
    guests = hostile(response="999B")

    answer = guests.attack("promise?bytes=1000")
    head = guests.attack("promise?bytes=1000", "HEAD")

    assert answer.status == 502
    assert answer.json["detail"] == "the component's response is longer than it may be"
    assert head.status == 200
    assert guests.counted("response_exceeded") == 1
    guests.warned("response")


def test_a_head_that_is_longer_than_the_component_allows_is_refused(hostile: Any) -> None:
    guests = hostile(headers="1KB")

    few = guests.attack("hello", "GET", f"x-long: {'x' * 500}")
    many = guests.attack("hello", "GET", f"x-long: {'x' * 1000}")
    path = guests.attack(f"hello?{'x' * 1000}")
    other = get(guests.host.address, f"/neighbour/hello?{'x' * 1000}")

    assert [few.status, many.status, path.status, other.status] == [200, 431, 431, 200]
    assert many.json["detail"] == "the request's path and headers are longer than the component allows"
    assert guests.counted("headers_exceeded") == 2


@pytest.mark.parametrize("guest", HTTP)
def test_a_body_that_is_longer_than_the_component_allows_is_refused(hostile: Any, guest: Name) -> None:
    guests = hostile(guest, body="1KB")

    exact = guests.attack("echo", "POST", body=b"x" * 1000)
    said = guests.attack("echo", "POST", body=b"x" * 1001)

    assert (exact.status, len(exact.body), said.status) == (200, 1000, 413)
    assert guests.counted("body_exceeded") == 1


def test_a_client_that_never_stops_sending_is_cut_off(hostile: Any) -> None:
    guests = hostile(body="1MB")

    with Neighbour(guests.host), Connection(guests.host.address) as connection:
        # This behaviour reads all of the body before it answers.
        connection.begin("POST", "/hostile/trailers", "transfer-encoding: chunked")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while not guests.counted("body_exceeded"):
                connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    line = guests.host.line(kind="access", path="/hostile/trailers")
    assert line["status"] == 413
    assert guests.counted("body_exceeded") == 1


@pytest.mark.parametrize("behaviour", ["spin", "slow?ms=20000"])
@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_that_takes_too_long_is_stopped(hostile: Any, guest: Name, behaviour: str) -> None:
    guests = hostile(guest, timeout="200ms")

    assert guests.attack(behaviour).status == 504
    assert guests.counted("timeouts") == 1


@pytest.mark.parametrize("guest", HTTP)
def test_requests_that_come_all_at_once_wait_turn_away_and_take_no_place_of_the_neighbour(
    hostile: Any, guest: Name
) -> None:
    guests = hostile(guest, concurrency=1, queue=1, queue_timeout="200ms")

    with Neighbour(guests.host), contextlib.ExitStack() as stack:
        busy = stack.enter_context(Connection(guests.host.address))
        busy.begin("GET", "/hostile/sse?events=2&pause=25000")
        busy.head()
        many = [stack.enter_context(Connection(guests.host.address)) for _ in range(5)]
        for connection in many:
            connection.begin("GET", "/hostile/hello")
        statuses = [connection.answer().status for connection in many]

    # Four find the queue full, and one waits in it for too long.
    assert statuses == [503] * 5
    assert guests.counted("overloads") == 5


def test_a_guest_whose_tables_are_too_large_is_not_started(hostile: Any) -> None:
    guests = hostile(table=10)

    assert guests.attack("hello").status == 502
    assert guests.counted("table_exceeded") == 1
    guests.warned("table")


def test_a_guest_that_logs_too_much_is_cut_short_and_the_log_says_how_much(hostile: Any) -> None:
    guests = hostile(log="10KB")

    answer = guests.attack("flood?lines=1000&bytes=100")
    guests.warned("log")
    told = guests.host.until(lambda: _dropped(guests.host, of=1000), "how many lines were dropped")

    assert answer.status == 200
    assert guests.counted("log_dropped") == told >= 800


def _dropped(host: Host, *, of: int) -> int:
    """Return how many lines were dropped, once all are accounted for."""
    written = sum(line["kind"] == "guest" for line in host.lines)
    messages = [line.get("message", "") for line in host.lines]
    told = sum(int(message.split()[0]) for message in messages if "lines were dropped" in message)
    return told if written + told == of else 0
