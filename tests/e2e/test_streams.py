"""Two Rust components of WASI 0.3 in one app: a gateway whose bodies go through the streams of a library, bridged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.host import Host, environment
from tests.e2e.wire import Connection, ask
from tests.guests.build import component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = """
[app]
name = "streams"

[[http]]
route = "/..."
component = "gateway"

[component.gateway]
source = "{gateway}"
limits = {{ body = "16MiB" }}

[component.gateway.link]
"test:filter/filter" = {{ component = "filter", mode = "bridged" }}

[component.filter]
source = "{filter}"
"""
CHUNK = 100_000


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("streams")
    manifest = MANIFEST.format(gateway=component("gateway3"), filter=component("filter3"))
    (folder / "wisp.toml").write_text(manifest, encoding="utf-8")
    with Host(folder=folder, variables=environment(cache)) as host:
        yield host


def test_a_body_comes_back_through_a_bridged_stream_while_it_is_sent(app: Host) -> None:
    with Connection(app.address) as connection:
        connection.begin("POST", "/upper", "transfer-encoding: chunked")
        connection.send(b"5\r\nfirst\r\n")
        head = connection.head()
        first = connection.chunk()
        connection.send(b"6\r\nsecond\r\n0\r\n\r\n")
        rest, _ = connection.rest_of_chunks()

    assert (head.status, first, rest) == (200, b"FIRST", b"SECOND")


def test_ten_megabytes_go_through_a_bridged_stream_and_back(app: Host) -> None:
    back = bytearray()
    with Connection(app.address) as connection:
        connection.begin("POST", "/upper", f"content-length: {100 * CHUNK}")
        for number in range(100):
            connection.send(bytes([ord("a") + number % 26]) * CHUNK)
            if number == 0:
                connection.head()
            while len(back) < (number + 1) * CHUNK:
                back += connection.chunk()
        rest, _ = connection.rest_of_chunks()

    assert rest == b""
    assert back == b"".join(bytes([ord("A") + number % 26]) * CHUNK for number in range(100))


def test_a_future_comes_when_the_stream_has_ended(app: Host) -> None:
    answer = ask(app.address, "POST", "/measure", body=b"x" * 300_000)

    assert (answer.status, answer.text) == (200, "300000 bytes")


def get_whole(connection: Connection, path: str) -> None:
    connection.begin("GET", path)
    # Where the library traps before the head was sent, there is none.
    assert connection.head().status == 200
    connection.rest_of_chunks()


def test_a_library_that_traps_breaks_the_body_off_and_nothing_else(app: Host) -> None:
    with Connection(app.address) as connection, pytest.raises((EOFError, ConnectionResetError)):
        get_whole(connection, "/fail")
    answer = ask(app.address, "POST", "/upper", body=b"still here")

    assert answer.text == "STILL HERE"
    assert app.line(stream="stderr", component="filter", message="trapped in the middle of a stream")
