"""What a guest sees of a request, and what a client cannot make it believe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.wire import Address, get

if TYPE_CHECKING:
    from tests.e2e.conftest import Serve
    from tests.e2e.host import Host

FORGED = (
    "forwarded: for=6.6.6.6;proto=https;host=evil",
    "x-forwarded-for: 6.6.6.6",
    "x-forwarded-proto: https",
    "x-forwarded-host: evil",
    "wisp-client-address: 6.6.6.6",
    "wisp-param-user: admin",
    "wisp-anything: 1",
    "x-request-id: 00000000000000000000000000000bad",
)


def seen(address: Address, target: str, *headers: str) -> tuple[dict[str, str], str]:
    """Return the headers that the guest saw, and the scheme."""
    answer = get(address, target, *headers).json
    pairs: dict[str, str] = dict(answer["headers"])
    assert len(pairs) == len(answer["headers"]), "a header came twice"
    return pairs, answer["scheme"]


def test_what_a_client_says_of_its_way_here_is_not_believed(both: Host) -> None:
    headers, scheme = seen(both.address, "/two/headers", *FORGED)

    assert headers.pop("x-request-id") != "00000000000000000000000000000bad"
    assert scheme == "http"
    assert headers == {
        "wisp-client-address": "127.0.0.1",
        "wisp-route": "/two/...",
        "wisp-path-info": "/headers",
    }


def test_a_proxy_that_is_trusted_is_believed_but_for_our_own_headers(serve: Serve) -> None:
    host = serve("--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "10.0.0.0/8")

    headers, scheme = seen(
        host.address,
        "/headers",
        "x-forwarded-for: 6.6.6.6, 203.0.113.7, 10.1.2.3",
        "x-forwarded-proto: https",
        "wisp-client-address: 6.6.6.6",
        "x-request-id: 0123456789abcdef0123456789abcdef",
    )
    line = host.line(kind="access")

    assert scheme == "https"
    assert headers["wisp-client-address"] == line["client"] == "203.0.113.7"
    assert headers["x-request-id"] == line["request_id"] == "0123456789abcdef0123456789abcdef"


def test_parameters_of_the_route_reach_the_guest(serve: Serve) -> None:
    host = serve(route="/users/:user/files/...")

    headers, _ = seen(host.address, "/users/anna%20b/files/a/headers", "wisp-param-user: admin")

    assert headers["wisp-param-user"] in {"anna b", "anna%20b"}
    assert headers["wisp-route"] == "/users/:user/files/..."
    assert headers["wisp-path-info"] == "/a/headers"


def test_connection_headers_stay_with_the_connection(both: Host) -> None:
    headers, _ = seen(
        both.address, "/two/headers", "connection: x-hop", "x-hop: 1", "keep-alive: 5", "x-stays: 1"
    )

    assert "x-stays" in headers
    assert not {"connection", "x-hop", "keep-alive"} & set(headers)


def test_a_guest_sees_the_environment_that_the_manifest_gives_it_and_no_other(serve: Serve) -> None:
    host = serve(environment={"GREETING": "hi", "EMPTY": ""})

    assert get(host.address, "/environment").json == {"GREETING": "hi", "EMPTY": ""}


def test_a_guest_sees_no_files(both: Host) -> None:
    answer = get(both.address, "/two/files")

    assert answer.text.startswith("refused: ")
