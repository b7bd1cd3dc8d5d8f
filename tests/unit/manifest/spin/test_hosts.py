"""The grammar of `allowed_outbound_hosts`: the cases that Spin's own tests have, and what they say in our grants."""

from __future__ import annotations

import pytest

from wisp.manifest.grants import Grants
from wisp.manifest.spin.hosts import AllowedHost, grant, parse

ANY_PORT = (1, 65_535)


@pytest.mark.parametrize(
    ("text", "scheme", "kind", "host", "ports"),
    [
        ("http://spin.fermyon.dev", "http", "name", "spin.fermyon.dev", (80, 80)),
        ("http://spin.fermyon.dev/", "http", "name", "spin.fermyon.dev", (80, 80)),
        ("https://spin.fermyon.dev", "https", "name", "spin.fermyon.dev", (443, 443)),
        ("http://spin.fermyon.dev:4444", "http", "name", "spin.fermyon.dev", (4444, 4444)),
        ("http://spin.fermyon.dev:4444/", "http", "name", "spin.fermyon.dev", (4444, 4444)),
        ("http://spin.fermyon.dev:4444..5555", "http", "name", "spin.fermyon.dev", (4444, 5554)),
        ("*://spin.fermyon.dev:7777", "*", "name", "spin.fermyon.dev", (7777, 7777)),
        ("http://self", "http", "self", "self", (80, 80)),
        ("https://self.alt", "https", "self", "self", (443, 443)),
        ("http://localhost", "http", "name", "localhost", (80, 80)),
        ("http://localhost:3001", "http", "name", "localhost", (3001, 3001)),
        ("http://*.example.com", "http", "suffix", "example.com", (80, 80)),
        ("http://*.Example.COM", "http", "suffix", "example.com", (80, 80)),
        ("http://192.168.1.1", "http", "network", "192.168.1.1", (80, 80)),
        ("http://192.168.1.1:3002", "http", "network", "192.168.1.1", (3002, 3002)),
        ("http://[::1]", "http", "network", "::1", (80, 80)),
        ("https://[::1]", "https", "network", "::1", (443, 443)),
        ("http://[2001:db8::1]:443", "http", "network", "2001:db8::1", (443, 443)),
        ("http://[::1]:*", "http", "network", "::1", ANY_PORT),
        ("http://[::1]:8000..9000", "http", "network", "::1", (8000, 8999)),
        ("*://[::1]:80", "*", "network", "::1", (80, 80)),
        ("http://[::1]:8080/", "http", "network", "::1", (8080, 8080)),
        ("*://127.0.0.0/24:80", "*", "network", "127.0.0.0/24", (80, 80)),
        ("*://127.0.0.1/24:63551", "*", "network", "127.0.0.0/24", (63551, 63551)),
        ("*://ff00::/8:80", "*", "network", "ff00::/8", (80, 80)),
        ("http://ff00::/8", "http", "network", "ff00::/8", (80, 80)),
        ("https://2001:db8::/32", "https", "network", "2001:db8::/32", (443, 443)),
        ("http://::1/128", "http", "network", "::1/128", (80, 80)),
        ("http://10.0.0.0/8", "http", "network", "10.0.0.0/8", (80, 80)),
        ("http://2001:db8::/32:443", "http", "network", "2001:db8::/32", (443, 443)),
        ("*://*:*", "*", "any", "*", ANY_PORT),
        ("mysql://xyz.com", "mysql", "name", "xyz.com", (3306, 3306)),
        ("postgres://localhost", "postgres", "name", "localhost", (5432, 5432)),
        ("redis://localhost", "redis", "name", "localhost", (6379, 6379)),
        ("mqtt://localhost", "mqtt", "name", "localhost", (1883, 1883)),
        ("pg://localhost:5656", "pg", "name", "localhost", (5656, 5656)),
        (" https://padded.example.com ", "https", "name", "padded.example.com", (443, 443)),
        ("https://käse.example", "https", "name", "xn--kse-qla.example", (443, 443)),
    ],
)
def test_an_entry_is_read_as_spin_reads_it(
    text: str, scheme: str, kind: str, host: str, ports: tuple[int, int]
) -> None:
    assert parse(text) == AllowedHost(scheme, kind, host, ports)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "spin.fermyon.dev",
        "spin.fermyon.dev:80",
        "example.com",
        "localhost",
        "localhost:3001",
        "*",
        ":",
        "",
        "?",
        "zootle! wurdl!",
        "}{ !!**",
        "http://zoinks, Scooby!",
        "*://127.0.0.0/24",
        "ftp://example.com",
        "http://spin.fermyon.dev/a",
        "http://spin.fermyon.dev:6666/a/b",
        "http://*.fermyon.dev/a",
        "insecure:allow-all",
        "{http,https}://example.com",
        "h2://example.com:80",
        "http://{a,b}.com",
        "http://example.com:{80,443}",
        "http://[::1]/foo",
        "http://ff00::/8/extra",
        "http://[::1",
        "http://[::1]junk",
        "http://[::1]::80",
        "http://[v1.]",
        "[::1]",
        "[::1]:8080",
        "http://example.com:notaport",
        "http://example.com:8080..70000",
        "http://self:notaport",
        "http://self.alt:notaport",
        "http://*:notaport",
        "http://127.0.0.1:notaport",
        "http://[::1]:notaport",
        "http://*.example.com:notaport",
        "http://*.example.com:8080..",
        "http://*.example.com:8O8O",
        "http://example.com:8080/p",
        "http://*.example.com:8080/p",
        "http://*.example.com/p",
        "http://127.0.0.0/24/p",
        "http://[::1junk",
        "http://*.",
        "http://*.:8080",
        "http://*.*.example.com",
        "http://a.*.example.com",
        "http://*.127.0.0.1",
        "http://example%.com",
        "http://example%2.com",
        "http://example%GG.com",
        "http://exa[mple.com",
        r"http://exa\mple.com",
        "http://example.com:80:90",
        "http://[vG.example]",
        "http://example.com:99999",
        "http://[::1]:99999",
        "http://ff00::/8:99999",
        "http://*.example.com:99999",
        "http://example.com//",
        "http://*.example.com//",
        "http://self//",
        "http://[::1]//",
    ],
)
def test_what_spin_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("insecure:allow-all", r'write "\*://\*:\*"'),
        ("example.com", "has no scheme; the form is"),
        ("ftp://example.com", '"ftp" has no port of its own'),
        ("http://example.com:8080..", "leaves out its end"),
        ("http://example.com/x", "has a path"),
    ],
)
def test_it_is_said_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


@pytest.mark.parametrize(
    ("text", "http", "sockets"),
    [
        ("https://example.com", [{"to": "https://example.com", "private": True}], []),
        ("http://example.com:1..3", [{"to": "http://example.com:1-2", "private": True}], []),
        ("http://example.com:1..2", [{"to": "http://example.com:1", "private": True}], []),
        ("http://10.0.0.0/8:*", ["http://10.0.0.0/8:*"], []),
        ("http://[::1]", ["http://[::1]"], []),
        ("tcp://10.0.0.1:5432", [], ["tcp://10.0.0.1:5432"]),
        (
            "*://10.0.0.1:5432",
            ["http://10.0.0.1:5432", "https://10.0.0.1:5432"],
            ["tcp://10.0.0.1:5432", "udp://10.0.0.1:5432"],
        ),
        ("http://none.example.com:5..5", [], []),
        ("redis://example.com", [], []),
        ("http://orders.spin.internal", [], []),
        ("http://self", [], []),
    ],
)
def test_entries_become_grants(text: str, http: list[object], sockets: list[str]) -> None:
    granted = grant([parse(text)])

    assert (granted.http, granted.sockets) == (http, sockets)
    Grants.model_validate({"http": http, "sockets": sockets})


def test_where_private_networks_are_blocked_names_do_not_lead_there() -> None:
    assert grant([parse("https://example.com")], private=False).http == ["https://example.com"]


@pytest.mark.parametrize(
    ("text", "chained", "routes"),
    [
        ("http://orders.spin.internal", ["orders"], False),
        ("https://orders.spin.internal", ["orders"], False),
        ("http://*.spin.internal", ["*"], False),
        ("http://*", ["*"], True),
        ("http://*:8080", [], True),
        ("*://*:*", ["*"], True),
        ("http://self", [], True),
        ("http://spin.internal", [], False),
        ("tcp://orders.spin.internal:80", [], False),
    ],
)
def test_requests_inside_of_the_app_are_granted_as_in_spin(
    text: str, chained: list[str], *, routes: bool
) -> None:
    granted = grant([parse(text)])

    assert (granted.chained, granted.routes) == (chained, routes)
