"""Raw sockets and lookups: what a guest may do with them, and what it is told when it may not."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.neighbour import Neighbour
from tests.e2e.outside import answering, pong, pong_datagram
from tests.e2e.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host
    from tests.guests.build import Name

HTTP: tuple[Name, ...] = ("http2", "http3")
DENIED = {"http2": "access-denied", "http3": "ErrorCode::AccessDenied"}


@pytest.fixture
def tcp() -> Iterator[int]:
    with answering(socket.SOCK_STREAM, pong) as port:
        yield port


@pytest.fixture
def udp() -> Iterator[int]:
    with answering(socket.SOCK_DGRAM, pong_datagram) as port:
        yield port


def use(host: Host, what: str, at: str) -> Any:
    """Let the guest use a socket, and return what came of it."""
    answer = ask(host.address, "POST", "/socket", body=json.dumps({"do": what, "at": at}).encode())
    assert answer.status == 200, answer.text
    return answer.json


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_connects_to_what_was_granted_and_nothing_else(serve: Serve, tcp: int, guest: Name) -> None:
    host = serve(guest=guest, grants={"sockets": [f"tcp://127.0.0.1:{tcp}"]})

    granted = use(host, "connect", f"127.0.0.1:{tcp}")
    port = use(host, "connect", f"127.0.0.1:{tcp - 1}")
    metadata = use(host, "connect", "169.254.169.254:80")
    public = use(host, "connect", "192.0.9.1:80")

    assert granted == {"answer": "pong"}
    assert port == metadata == public == {"error": DENIED[guest]}
    line = host.line(level="warning", target="tcp://169.254.169.254:80")
    assert line["import"] == "wasi:sockets/tcp"
    assert line["grant"] == 'sockets = ["tcp://169.254.169.254:80"]'


@pytest.mark.parametrize("guest", HTTP)
def test_datagrams_go_to_what_was_granted_and_nothing_else(serve: Serve, udp: int, guest: Name) -> None:
    host = serve(guest=guest, grants={"sockets": [f"udp://127.0.0.0/8:{udp}"]})

    granted = use(host, "datagram", f"127.0.0.1:{udp}")
    other = use(host, "datagram", f"127.0.0.1:{udp - 1}")
    stream = use(host, "connect", f"127.0.0.1:{udp}")

    assert granted == {"answer": "pong"}
    assert other == stream == {"error": DENIED[guest]}


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_without_grants_has_no_sockets_and_looks_nothing_up(serve: Serve, guest: Name) -> None:
    host = serve(guest=guest)

    answers = [use(host, what, "127.0.0.1:80") for what in ("connect", "datagram", "listen", "bind")]
    lookup = use(host, "lookup", "localhost")

    assert answers == [{"error": DENIED[guest]}] * 4
    assert "error" in lookup
    line = host.line(level="warning", target="localhost")
    assert line["import"] == "wasi:sockets/ip-name-lookup"
    assert line["grant"] == 'sockets = ["tcp://localhost:*"]'
    for scheme in ("tcp", "udp"):
        fields: dict[str, Any] = {"target": "a socket", "import": f"wasi:sockets/{scheme}"}
        line = host.line(**fields)
        assert line["grant"] == f'sockets = ["{scheme}://...:..."]'


@pytest.mark.parametrize("guest", HTTP)
def test_a_name_is_looked_up_when_it_is_granted_with_where_it_leads(
    serve: Serve, tcp: int, guest: Name
) -> None:
    grants = ["tcp://localhost:1-65535", "tcp://127.0.0.0/8:1-65535", "tcp://[::1]:1-65535"]
    host = serve(guest=guest, grants={"sockets": grants})

    found = use(host, "lookup", "LocalHost")
    other = use(host, "lookup", "other.example")

    assert "127.0.0.1" in found["answer"].split(" ")
    assert "error" in other
    assert host.line(level="warning", target="other.example")
    assert use(host, "connect", f"127.0.0.1:{tcp}") == {"answer": "pong"}


@pytest.mark.parametrize("guest", HTTP)
def test_a_name_that_leads_to_this_machine_is_not_told(serve: Serve, tcp: int, guest: Name) -> None:
    host = serve(guest=guest, grants={"sockets": ["tcp://localhost:*"]})

    found = use(host, "lookup", "localhost")
    connected = use(host, "connect", f"127.0.0.1:{tcp}")

    assert "error" in found
    assert connected == {"error": DENIED[guest]}


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_never_listens(serve: Serve, guest: Name) -> None:
    host = serve(guest=guest, grants={"sockets": ["tcp://*:*", "tcp://0.0.0.0/0:*", "udp://0.0.0.0/0:*"]})

    answers = [use(host, "listen", at) for at in ("0.0.0.0:0", "127.0.0.1:0", "0.0.0.0:8080")]
    bound = [use(host, "bind", at) for at in ("127.0.0.1:0", "0.0.0.0:8080")]

    assert answers == [{"error": DENIED[guest]}] * 3
    assert bound == [{"error": DENIED[guest]}] * 2
    assert use(host, "bind", "0.0.0.0:0") == {"answer": "bound"}


def test_sockets_are_bounded_with_the_connections(serve: Serve) -> None:
    held = []

    def hold(listening: socket.socket) -> None:
        connected, _ = listening.accept()
        held.append(connected)

    with answering(socket.SOCK_STREAM, hold) as port:
        grants, limits = {"sockets": [f"tcp://127.0.0.1:{port}"]}, {"connections": 3}
        host = serve("--workers", "1", beside=True, grants=grants, limits=limits)
        asked = json.dumps({"at": f"127.0.0.1:{port}", "count": 5}).encode()
        # The second instance finds the places that the first left.
        for _ in range(2):
            with Neighbour(host):
                answer = ask(host.address, "POST", "/sockets", body=asked).json
            assert answer["held"] == 3
    for connected in held:
        connected.close()

    assert "limits.connections" in host.line(level="warning", component="http2")["message"]


def test_sockets_count_as_what_one_request_begins(serve: Serve, tcp: int) -> None:
    host = serve(grants={"sockets": [f"tcp://127.0.0.1:{tcp}"]}, limits={"outbound": 2})
    asked = json.dumps({"at": f"127.0.0.1:{tcp}", "count": 5}).encode()

    answer = ask(host.address, "POST", "/sockets", body=asked).json

    assert answer["held"] == 2
    assert "limits.outbound" in host.line(level="warning", component="http2")["message"]
