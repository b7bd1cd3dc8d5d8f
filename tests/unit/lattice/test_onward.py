"""What workers are told about the apps of other hosts."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from wisp.errors import LatticeError
from wisp.host.address import Address
from wisp.host.log import Log
from wisp.host.settings import LogSettings
from wisp.lattice.membership import trust
from wisp.lattice.membership.authority import Authority
from wisp.lattice.membership.trust import Trust
from wisp.lattice.plan.peers import reachable
from wisp.lattice.records import Assignment, HostRecord, Peer, Placed
from wisp.lattice.running.onward import Onward, ShownIdentity, advertised, keep_port, usual
from wisp.manifest.locked import LockedApp

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def locked(name: str, *routes: str) -> LockedApp:
    response = {"status": 200, "headers": {}, "body": ""}
    rest = {"methods": ["GET"], "hosts": [], "component": None, "response": response, "convention": "wisp"}
    http = [{"route": route, **rest} for route in routes]
    document = {"schema": 1, "name": name, "version": "1", "http": http, "cron": []}
    return LockedApp.model_validate({**document, "secrets": {}, "components": {}})


def assignment(*placed: Placed, **peers: str) -> Assignment:
    found = {name: Peer(address=address, workers=2) for name, address in peers.items()}
    return Assignment(lattice="l", number=7, epoch=1, planner="a", apps=placed, peers=found)


def onward(folder: Path) -> Onward:
    return Onward(
        ShownIdentity(folder, "a", "l"),
        "a",
        Log(LogSettings(format="json"), os.open(folder / "log", os.O_WRONLY | os.O_CREAT)),
    )


def table(made: Onward, given: Assignment, *served: str) -> Any:
    return made.table(given, served)


def learnt(made: Onward, given: Assignment, **apps: LockedApp) -> list[str]:
    """Have it learn, and return what it asked for."""
    asked: list[str] = []

    async def give(placed: Placed) -> LockedApp:
        asked.append(placed.digest)
        found = {ONE: apps.get("one"), TWO: apps.get("two")}[placed.digest]
        if found is None:
            raise LatticeError("it is away")
        return found

    asyncio.run(made.learn(given, give))
    return asked


def test_the_table_says_who_runs_what_here_and_elsewhere(tmp_path: Path) -> None:
    given = assignment(
        Placed(app="blog", revision=1, digest=ONE, hosts=("a", "b")),
        Placed(app="shop", revision=1, digest=TWO, hosts=("b",), leaving=("c",), share=90),
        a="1:1",
        b="2:2",
        c="3:3",
    )
    made = onward(tmp_path)

    learnt(made, given, one=locked("blog", "/blog/..."), two=locked("shop", "/..."))
    found = table(made, given, "blog")

    assert [peer["host"] for peer in found["peers"]] == ["b", "c"]
    assert found["peers"][0] == {"host": "b", "address": "2:2", "workers": 2}
    blog, shop = found["apps"]
    assert (blog["here"], blog["hosts"], blog["share"]) == (True, ["b"], 100)
    assert (shop["here"], shop["hosts"], shop["share"]) == (False, ["b", "c"], 90)
    assert shop["routes"] == [
        {"route": "/...", "methods": ["GET"], "hosts": [], "convention": "wisp", "timeout_ms": 30_000}
    ]
    assert not table(made, given)["apps"][0]["here"]
    assert table(made, given)["number"] > found["number"]


def test_a_host_that_ran_an_app_is_in_the_table_where_the_assignment_says_that_nobody_else_does_yet(
    tmp_path: Path,
) -> None:
    placed = Placed(app="shop", revision=1, digest=TWO, hosts=("a",), away=("b",))
    given = assignment(placed, a="1:1", b="2:2")
    made = onward(tmp_path)

    learnt(made, given, two=locked("shop", "/..."))

    assert table(made, given)["apps"][0]["hosts"] == ["b"]
    assert reachable(given, {}).keys() == {"a", "b"}


def test_a_host_that_nobody_can_reach_is_in_no_table(tmp_path: Path) -> None:
    given = assignment(Placed(app="blog", revision=1, digest=ONE, hosts=("b",)))
    made = onward(tmp_path)

    learnt(made, given, one=locked("blog", "/"))

    assert table(made, given)["apps"][0]["hosts"] == []


def test_an_app_whose_routes_are_not_known_is_left_out_until_they_are(tmp_path: Path) -> None:
    given = assignment(
        Placed(app="blog", revision=1, digest=ONE, hosts=("b",)),
        Placed(app="shop", revision=1, digest=TWO, hosts=("b",)),
    )
    made = onward(tmp_path)

    assert learnt(made, given, one=locked("blog", "/")) == [ONE, TWO]
    assert made.incomplete
    assert [app["app"] for app in table(made, given)["apps"]] == ["blog"]

    assert learnt(made, given, two=locked("shop", "/shop")) == [TWO]
    assert not made.incomplete
    assert [app["app"] for app in table(made, given)["apps"]] == ["blog", "shop"]


def test_hosts_are_found_where_they_say_and_where_they_said_last() -> None:
    def record(name: str, peer: str | None) -> HostRecord:
        return HostRecord(name=name, token="", url="http://h", workers=3, version="0", peer=peer)

    placed = Placed(app="shop", revision=1, digest=ONE, hosts=("a", "b"), leaving=("c", "d"))
    given = assignment(placed, a="old:1", b="1.1.1.1:1", e="4:4")

    found = reachable(given, {"a": record("a", "new:2"), "c": record("c", "3:3"), "d": record("d", None)})

    assert {name: (peer.address, peer.workers) for name, peer in found.items()} == {
        "a": ("new:2", 3),
        "b": ("1.1.1.1:1", 2),
        "c": ("3:3", 3),
    }


@pytest.mark.parametrize(
    ("listening", "url", "expected"),
    [
        (Address("10.0.0.1", 7), "http://10.0.0.1:3000", "10.0.0.1:7"),
        (Address.parse(":7"), "https://berlin.example:3000", "berlin.example:7"),
        (Address.parse(":7"), "http://127.0.0.1:3000", "127.0.0.1:7"),
        (Address("::", 7), "http://[2001:db8::1]:3000/", "[2001:db8::1]:7"),
        (Address("::", 7), "http://berlin.example", "berlin.example:7"),
    ],
)
def test_a_listener_on_every_interface_is_reached_where_its_host_is(
    listening: Address, url: str, expected: str
) -> None:
    assert advertised(listening, url) == expected


def test_an_identity_is_there_when_all_of_it_is(tmp_path: Path) -> None:
    identity = ShownIdentity(tmp_path, "a", "l")
    for name in ("ca.pem", "host.pem"):
        (tmp_path / name).write_text("")
    assert not identity.exists

    (tmp_path / "host.key").write_text("")

    assert identity.exists
    before: Any = identity.document()
    assert (before["host"], before["key"]) == ("a", str(tmp_path / "host.key"))
    os.utime(tmp_path / "host.pem", ns=(0, before["generation"] + 1))
    assert identity.document()["generation"] != before["generation"]


def test_an_identity_says_whom_the_authority_has_revoked(tmp_path: Path) -> None:
    identity = ShownIdentity(tmp_path, "a", "l")
    for name in ("ca.pem", "host.pem", "host.key"):
        (tmp_path / name).write_text("")
    identity.refresh()
    assert identity.document()["revoked"] == []

    authority = Authority.make("l")
    claims = authority.account_claims({}, ("c", "b"))
    trust.keep(tmp_path, Trust.of(authority).model_copy(update={"account": claims}))
    identity.refresh()

    assert identity.document()["revoked"] == ["b", "c"]


def test_any_free_port_is_the_one_of_the_last_run_unless_somebody_has_it(tmp_path: Path) -> None:
    anywhere = Address("127.0.0.1", 0)
    assert usual(anywhere, tmp_path) == anywhere
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        last = Address("127.0.0.1", probe.getsockname()[1])
        keep_port(last, tmp_path)
        assert usual(anywhere, tmp_path) == anywhere

    assert usual(anywhere, tmp_path) == last
    assert usual(Address("127.0.0.1", 7), tmp_path).port == 7
