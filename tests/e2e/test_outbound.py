"""What a guest may send to the outside, and what it is told when it may not."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.host import Host, environment
from tests.e2e.neighbour import Neighbour
from tests.e2e.outside import METADATA, PEM, Website, secure
from tests.e2e.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Serve
    from tests.guests.build import Name

HTTP: tuple[Name, ...] = ("http2", "http3")


@pytest.fixture
def site() -> Iterator[Website]:
    with Website() as website:
        yield website


def send(host: Host, authority: str, path: str = "/", **asked: object) -> Any:
    """Let the guest send a request, and return what it got."""
    request = {"authority": authority, "path": path, **asked}
    answer = ask(host.address, "POST", "/send", body=json.dumps(request).encode())
    assert answer.status == 200, answer.text
    return answer.json


def network(site: Website) -> str:
    return f"http://127.0.0.1:{site.port}"


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_reaches_what_was_granted(serve: Serve, site: Website, guest: Name) -> None:
    host = serve(guest=guest, grants={"http": [network(site)]})

    answer = send(host, f"127.0.0.1:{site.port}", "/path?query=1")

    assert (answer["status"], answer["body"]) == (200, "hello from outside")
    assert site.seen == ["/path?query=1"]


def test_a_guest_sends_a_body(serve: Serve, site: Website) -> None:
    host = serve(grants={"http": [network(site)]})

    answer = send(
        host, f"127.0.0.1:{site.port}", method="POST", headers=[["content-length", "4"]], body="sent"
    )

    assert answer["body"] == "sent"


@pytest.mark.parametrize("guest", HTTP)
def test_what_was_not_granted_is_denied_and_the_log_says_what_to_add(
    serve: Serve, site: Website, guest: Name
) -> None:
    host = serve(guest=guest, grants={"http": ["https://api.example.com"]})

    answer = send(host, f"127.0.0.1:{site.port}", "/secret?token=1")

    line = host.line(level="warning", component=guest)
    assert answer == {"error": "ErrorCode::HttpRequestDenied"}
    assert line["import"] == "wasi:http/outgoing-handler"
    assert line["target"] == network(site)
    assert line["grant"] == f'http = ["{network(site)}"]'
    assert "secret" not in line["message"]
    assert site.accepted == 0


def test_requests_to_the_outside_are_counted(serve: Serve, site: Website) -> None:
    host = serve(grants={"http": [network(site)]})

    send(host, f"127.0.0.1:{site.port}")
    send(host, "other.example")

    metrics = host.admin("metrics")
    pool = next(pool for pool in metrics["pools"] if pool["component"] == "http2")
    assert (pool["outbound"]["requests"], pool["outbound"]["failures"]) == (2, 1)
    assert pool["denials"] == metrics["denials"] == 1


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_without_grants_reaches_nothing(serve: Serve, site: Website, guest: Name) -> None:
    host = serve(guest=guest)

    answer = send(host, f"127.0.0.1:{site.port}")

    assert answer == {"error": "ErrorCode::HttpRequestDenied"}
    assert site.accepted == 0


@pytest.mark.parametrize("guest", HTTP)
def test_a_redirect_is_not_followed_and_its_target_is_denied(
    serve: Serve, site: Website, guest: Name
) -> None:
    host = serve(guest=guest, grants={"http": [network(site), "http://*"]})

    first = send(host, f"127.0.0.1:{site.port}", "/redirect")
    second = send(host, "169.254.169.254", "/latest/meta-data/")

    assert first["status"] == 302
    assert ["location", METADATA] in first["headers"]
    assert second == {"error": "ErrorCode::HttpRequestDenied"}


@pytest.mark.parametrize("guest", HTTP)
def test_a_name_does_not_lead_to_this_machine_unless_it_is_trusted(
    serve: Serve, site: Website, guest: Name
) -> None:
    host = serve(guest=guest, grants={"http": ["http://localhost:*"]})

    answer = send(host, f"localhost:{site.port}")

    assert answer == {"error": "ErrorCode::DestinationIpProhibited"}
    line = host.line(level="warning", component=guest)
    assert f"http://127.0.0.1:{site.port}" in line["grant"]
    assert site.accepted == 0


def test_a_trusted_name_leads_to_this_machine(serve: Serve, site: Website) -> None:
    host = serve(grants={"http": [{"to": "http://localhost:*", "private": True}]})

    answer = send(host, f"LOCALHOST.:{site.port}", "/host")

    assert answer["body"] == f"localhost:{site.port}"


@pytest.mark.parametrize("guest", HTTP)
@pytest.mark.parametrize(
    "authority",
    [
        "granted.example@127.0.0.1:{port}",
        "user:password@127.0.0.1:{port}",
        "127.0.0.1:{port}@granted.example",
        "127.0.0.1:99999",
        "127.0.0.1:",
        "0177.0.0.1:{port}",
        "2130706433:{port}",
        "0x7f.1:{port}",
        "127.1:{port}",
        "127.0.0.1.:{port}",
        "[fe80::1%25eth0]:{port}",
        "[::1%lo]:{port}",
        "[::]:{port}",
        "[::1]:{port}",
        "bücher.example:{port}",
        "granted.example:80\r\nhost: evil.example",
        "granted.example/evil",
        "",
    ],
)
def test_an_authority_that_means_something_else_reaches_nothing(
    serve: Serve, site: Website, guest: Name, authority: str
) -> None:
    host = serve(guest=guest, grants={"http": ["http://*:*", f"http://127.0.0.2:{site.port}"]})

    answer = send(host, authority.format(port=site.port))

    assert answer.get("refused") == "authority" or answer.get("error") in {
        "ErrorCode::HttpRequestUriInvalid",
        "ErrorCode::HttpRequestDenied",
        'ErrorCode::InternalError(Some("invalid format"))',
    }
    assert site.accepted == 0


@pytest.mark.parametrize("guest", HTTP)
@pytest.mark.parametrize(
    "asked",
    [
        {"path": "/a\r\nx-evil: yes"},
        {"path": "/a HTTP/1.1\r\n\r\nGET /evil"},
        {"path": "http://evil.example/"},
        {"headers": [["x-a", "b\r\nx-evil: yes"]]},
        {"headers": [["x-a\r\nx-evil", "yes"]]},
        {"headers": [["host", "evil.example"]]},
        {"headers": [["connection", "upgrade"]]},
        {"headers": [["transfer-encoding", "chunked"]]},
        {"headers": [["proxy-authorization", "Basic eDp5"]]},
        {"method": "GET /evil HTTP/1.1\r\n\r\nGET"},
        {"scheme": "ftp"},
    ],
)
def test_what_would_change_the_request_on_the_wire_is_refused(
    serve: Serve, site: Website, guest: Name, asked: dict[str, Any]
) -> None:
    host = serve(guest=guest, grants={"http": [network(site)]})

    answer = send(host, f"127.0.0.1:{site.port}", **{"path": "/", **asked})

    assert answer.get("refused") == next(iter(asked)).removesuffix("s") or answer.get("error") in {
        "ErrorCode::HttpProtocolError",
        "ErrorCode::HttpRequestMethodInvalid",
    }
    assert site.seen == []


@pytest.mark.parametrize("guest", HTTP)
def test_a_response_that_is_too_large_breaks_off(serve: Serve, site: Website, guest: Name) -> None:
    grants, limits = {"http": [network(site)]}, {"download": "1KiB"}
    host = serve("--workers", "1", guest=guest, beside=True, grants=grants, limits=limits)

    with Neighbour(host):
        exact = send(host, f"127.0.0.1:{site.port}", "/large?1024")
        more = send(host, f"127.0.0.1:{site.port}", "/large?1025")

    assert exact["status"] == 200
    assert more == {"error": "ErrorCode::HttpResponseBodySize(Some(1024))"}


@pytest.mark.parametrize("guest", HTTP)
def test_a_guest_does_not_wait_for_longer_than_it_says(serve: Serve, site: Website, guest: Name) -> None:
    host = serve(guest=guest, grants={"http": [network(site)]})

    answer = send(host, f"127.0.0.1:{site.port}", "/slow", first_byte=50)

    assert answer == {"error": "ErrorCode::ConnectionReadTimeout"}


@pytest.mark.parametrize("guest", HTTP)
def test_fresh_instances_share_the_connections_of_their_worker(
    serve: Serve, site: Website, guest: Name
) -> None:
    host = serve("--workers", "1", guest=guest, grants={"http": [network(site)]})

    for _ in range(10):
        assert send(host, f"127.0.0.1:{site.port}")["status"] == 200

    assert len(site.seen) == 10
    assert site.accepted == 1


@pytest.mark.parametrize("guest", HTTP)
@pytest.mark.parametrize("reuse", [1, 100])
def test_one_request_begins_so_many_to_the_outside_and_no_more(
    serve: Serve, site: Website, guest: Name, reuse: int
) -> None:
    grants, limits = {"http": [network(site)]}, {"outbound": 2}
    settings: dict[str, Any] = {"grants": grants, "limits": limits, "instances": {"reuse": reuse}}
    host = serve("--workers", "1", guest=guest, beside=True, **settings)
    asked = [{"authority": f"127.0.0.1:{site.port}", "path": "/"}] * 3

    for _ in range(2):
        with Neighbour(host):
            answers = ask(host.address, "POST", "/sends", body=json.dumps(asked).encode()).json
        assert [answer.get("status") for answer in answers] == [200, 200, None]
        assert answers[2] == {"error": "ErrorCode::HttpRequestDenied"}

    assert "limits.outbound" in host.line(level="warning", component=guest)["message"]
    assert len(site.seen) == 4


@pytest.mark.parametrize("guest", HTTP)
def test_roots_and_a_certificate_are_those_of_the_grant(serve: Serve, tmp_path: Path, guest: Name) -> None:
    for name in ("roots.pem", "client.pem", "client.key.pem"):
        shutil.copyfile(PEM / name, tmp_path / name)
    with Website(secure(clients=True)) as site:
        grant = {
            "to": f"https://localhost:{site.port}",
            "private": True,
            "roots": "roots.pem",
            "certificate": "client.pem",
            "key": "client.key.pem",
        }
        host = serve(guest=guest, grants={"http": [grant]})

        answer = send(host, f"localhost:{site.port}", scheme="https")

    assert (answer["status"], answer["body"]) == (200, "hello from outside")


def test_a_server_of_unknown_roots_is_not_trusted(serve: Serve) -> None:
    with Website(secure()) as site:
        host = serve(grants={"http": [{"to": f"https://localhost:{site.port}", "private": True}]})

        answer = send(host, f"localhost:{site.port}", scheme="https")

    assert answer == {"error": "ErrorCode::TlsCertificateError"}
    assert site.seen == []


def test_a_broken_certificate_is_said_when_the_app_starts(tmp_path: Path, cache: Path, http2: Path) -> None:
    (tmp_path / "client.pem").write_text("nothing", encoding="utf-8")
    manifest = f"""
[app]
name = "app"
[[http]]
route = "/..."
component = "api"
[component.api]
source = "{http2}"
[component.api.grants]
http = [{{ to = "https://api.example.com", certificate = "client.pem", key = "client.pem" }}]
"""
    (tmp_path / "wisp.toml").write_text(manifest, encoding="utf-8")

    with Host(folder=tmp_path, variables=environment(cache)) as host:
        code = host.ended()

    assert code == 1
    assert "`api`" in host.stderr
    assert "the grant https://api.example.com: certificate" in host.stderr
