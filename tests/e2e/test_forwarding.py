"""Requests that reach a host that does not run their app: real hosts, which know each other by certificates."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.e2e.authority import Authority
from tests.e2e.conftest import manifest_of
from tests.e2e.host import PATIENCE
from tests.e2e.lattice import Clients, Lattice
from tests.e2e.wire import Connection
from tests.e2e.wire2 import Connection2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(240)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MEGABYTE = 1 << 20


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache, authority=Authority(tmp_path / "authority")) as made:
        yield made


def app(folder: Path, name: str = "shop", route: str = "/...") -> Path:
    path = folder / name / "wisp.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = manifest_of("http2", route, {}).replace('name = "app"', f'name = "{name}"')
    path.write_text(text, encoding="utf-8")
    return path.parent


def until(ask: Callable[[], object], good: object) -> None:
    """Ask until the answer is this one: what the planner writes reaches each host a moment later."""
    end = time.monotonic() + PATIENCE
    while (found := ask()) != good:
        assert time.monotonic() < end, f"{found}"


def deployed(lattice: Lattice, folder: Path, *hosts: str, on: str) -> list[str]:
    """Start hosts, of which those of the zone `on` run the app, and wait until all of them answer."""
    for name in hosts:
        lattice.start(name, "--label", f"zone={'there' if name in on else 'here'}")
    lattice.wisp("deploy", app(folder), "--replicas", str(len(on)), "--require", "zone=there")
    for name in hosts:
        until(lambda name=name: lattice.get(name, "/status")[0], 200)  # type: ignore[misc]
    return [name for name in hosts if name not in on]


def answered(lattice: Lattice, name: str) -> int:
    """Return how many requests the app has answered on a host."""
    found = lattice.hosts[name].admin("metrics")["components"]
    return sum(each["requests"] for each in found if each["component"] != "(elsewhere)")


def answered_here(lattice: Lattice, name: str, path: str) -> bool:
    """Ask a host, and return whether it has answered itself."""
    before = answered(lattice, name)
    assert lattice.get(name, path)[0] == 200
    return answered(lattice, name) > before


def test_every_host_answers_for_an_app_and_the_app_sees_its_client(lattice: Lattice, tmp_path: Path) -> None:
    [other] = deployed(lattice, tmp_path, "a", "b", on="b")
    headers = {"traceparent": TRACE, "wisp-client-address": "6.6.6.6", "wisp-app": "another"}
    request = urllib.request.Request(f"{lattice.hosts[other].url}/headers", headers=headers)  # noqa: S310 - ours

    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - it is ours
        seen, names = answer.read().decode(), [name.lower() for name in answer.headers]

    assert TRACE in seen
    assert re.search(r"wisp-client-address\W+127\.0\.0\.1", seen)
    assert "another" not in seen
    assert not [name for name in names if name.startswith("wisp-")]
    passed = lattice.hosts["a"].line(kind="access", path="/headers")
    answered = lattice.hosts["b"].line(kind="access", path="/headers")
    assert (passed["app"], passed["component"]) == ("shop", "(elsewhere)")
    assert (answered["request_id"], answered["client"]) == (passed["request_id"], "127.0.0.1")
    assert lattice.get("a", "/trap")[0] == 502


def test_bodies_stream_through_two_hosts_both_ways_with_trailers(lattice: Lattice, tmp_path: Path) -> None:
    deployed(lattice, tmp_path, "a", "b", on="b")
    content = os.urandom(4 * MEGABYTE)

    with Connection2(lattice.hosts["a"].address) as connection:
        stream = connection.begin("POST", "/echo", end=False)
        connection.send(stream, content[:MEGABYTE])
        first = connection.body(stream, MEGABYTE)
        connection.send(stream, content[MEGABYTE:], end=True)
        answer = connection.answer(stream)
        stream = connection.begin("POST", "/trailers", ("te", "trailers"), end=False)
        connection.send(stream, b"body")
        connection.send_trailers(stream, ("x-sum", "42"))
        trailing = connection.answer(stream)

    assert first == content[:MEGABYTE]
    assert answer.body == content
    assert sorted(trailing.trailers) == [("seen-x-sum", "42"), ("x-length", "4")]


def test_a_host_that_dies_under_load_is_missed_by_no_request(lattice: Lattice, tmp_path: Path) -> None:
    deployed(lattice, tmp_path, "a", "b", "c", on="bc")

    with Clients(lambda: lattice.get("a", "/status")) as clients:
        lattice.hosts["a"].until(lambda: clients.count > 50, "requests")
        lattice.kill("b")
        lattice.hosts["a"].line(kind="worker", level="warning")
        before = clients.count
        lattice.hosts["a"].until(lambda: clients.count > before + 50, "more requests")

    assert clients.failures == []


def test_a_host_is_asked_less_the_more_it_has_to_do(lattice: Lattice, tmp_path: Path) -> None:
    deployed(lattice, tmp_path, "a", "b", "c", on="bc")
    with Connection2(lattice.hosts["b"].address) as busy:
        # Ten requests that last, of which only host b knows until it says so.
        for _ in range(10):
            busy.begin("GET", "/slow?ms=20000")
        lattice.hosts["b"].until_active(10)
        before = {name: answered(lattice, name) for name in "bc"}

        for _ in range(60):
            assert lattice.get("a", "/status")[0] == 200

        asked = {name: answered(lattice, name) - before[name] for name in "bc"}
    assert asked["b"] + asked["c"] == 60
    assert asked["b"] < 15, asked


def test_a_request_that_came_before_the_app_did_is_passed_on_by_the_worker_that_has_it(
    lattice: Lattice, tmp_path: Path
) -> None:
    [other] = deployed(lattice, tmp_path, "a", "b", on="b")
    lattice.wisp("deploy", app(tmp_path, "more", "/more/..."), "--replicas", "1", "--require", "zone=there")
    until(lambda: lattice.get(other, "/more/status")[0], 200)

    with Connection(lattice.hosts[other].address) as connection:
        connection.send(b"GET /more/status HTTP/1.1\r\nHost: a\r\n")
        lattice.wisp("deploy", app(tmp_path, "more", "/more/..."), "--replicas", "per-host", "--require", "")
        until(lambda: answered_here(lattice, other, "/more/status"), True)
        connection.send(b"\r\n")
        answer = connection.answer()

    assert answer.status == 200


def test_without_nats_requests_go_where_they_went_also_after_a_restart(
    lattice: Lattice, tmp_path: Path
) -> None:
    deployed(lattice, tmp_path, "a", "b", on="b")

    lattice.nats.kill()
    lattice.hosts["a"].event("away")
    assert lattice.get("a", "/status")[0] == 200
    lattice.hosts["a"].stop()
    lattice.start("a", joined=False)
    assert lattice.get("a", "/status")[0] == 200
    lattice.hosts["b"].stop()
    assert lattice.get("a", "/status")[0] == 503
    lattice.start("b", joined=False)
    until(lambda: lattice.get("a", "/status")[0], 200)

    lattice.nats.start()


def test_a_new_certificate_is_used_without_a_restart(lattice: Lattice, tmp_path: Path) -> None:
    deployed(lattice, tmp_path, "a", "b", on="b")
    lattice.certify("a")
    lattice.certify("b")
    lattice.hosts["b"].stop()
    lattice.start("b", "--label", "zone=there")

    until(lambda: lattice.get("a", "/status")[0], 200)


def test_a_host_without_a_certificate_says_so_and_answers_for_its_own_apps(
    tmp_path: Path, cache: Path
) -> None:
    with Lattice(tmp_path, cache) as lattice:
        for name in "ab":
            lattice.start(name, "--label", f"zone={name}")
        lattice.wisp("deploy", app(tmp_path), "--require", "zone=b")

        assert (lattice.get("a", "/status")[0], lattice.get("b", "/status")[0]) == (404, 200)
        assert "no certificate" in lattice.hosts["a"].event("forwarding-off")["message"]
