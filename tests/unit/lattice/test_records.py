"""Records: what is read is right, or is refused with a reason."""

from __future__ import annotations

import pytest

from wisp.errors import LatticeError
from wisp.lattice.commands.control import View
from wisp.lattice.commands.standing import standing
from wisp.lattice.plan.placement import parse_replicas
from wisp.lattice.records import (
    App,
    Assignment,
    HostRecord,
    Missing,
    Observed,
    ObservedApp,
    Placed,
    Wishes,
)

DIGEST = f"sha256:{'1' * 64}"


def test_a_record_survives_being_written() -> None:
    app = App(name="shop", revision=1, digest=DIGEST, version="1", wishes=Wishes(spread="zone"), since=5)

    assert App.read(app.to_bytes()) == app


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"{}", b'{"name": "../etc", "token": "t", "url": "u", "workers": 1, "version": "1"}'],
)
def test_what_is_no_host_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(LatticeError, match="a record that is no HostRecord: "):
        HostRecord.read(content)


def test_keys_of_a_newer_wisp_are_left_out() -> None:
    assert Wishes.read(b'{"replicas": 2, "colour": "blue"}') == Wishes(replicas=2)


@pytest.mark.parametrize(("text", "meant"), [("0", 0), ("12", 12), ("per-host", "per-host")])
def test_replicas_are_a_number_or_for_each_host(text: str, meant: int | str) -> None:
    assert parse_replicas(text) == meant


@pytest.mark.parametrize("text", ["", "-1", "two", "1.5", "per host"])
def test_other_words_are_no_replicas(text: str) -> None:
    with pytest.raises(ValueError, match='expected a number or "per-host"'):
        parse_replicas(text)


def view(
    placed: Placed, observed: dict[str, ObservedApp], *hosts: str, missing: tuple[Missing, ...] = ()
) -> View:
    records = {
        name: HostRecord(name=name, token=name, url=f"http://{name}", workers=1, version="1")
        for name in hosts
    }
    said = {name: Observed(host=name, assignment=1, apps=(one,)) for name, one in observed.items()}
    assignment = Assignment(lattice="l", number=1, epoch=1, planner="a", apps=(placed,), missing=missing)
    return View({}, records, frozenset(), said, assignment, None)


RUNS = ObservedApp(app="shop", revision=2, state="running", running=DIGEST)
BROKEN = ObservedApp(app="shop", revision=2, state="failed", error="there is no secret")


def test_an_app_is_complete_when_all_its_hosts_run_it() -> None:
    placed = Placed(app="shop", revision=2, digest=DIGEST, hosts=("a", "b"))

    found = standing(view(placed, {"a": RUNS, "b": RUNS}, "a", "b"), "shop", 2)

    assert (found.complete, found.problems()) == (True, [])


def test_what_stands_in_the_way_of_an_app_is_said() -> None:
    placed = Placed(app="shop", revision=2, digest=DIGEST, hosts=("a", "b", "c", "d"), leaving=("e",))
    short = Missing(app="shop", count=1, reason="no room")
    old = RUNS.model_copy(update={"revision": 1})

    found = standing(
        view(placed, {"a": RUNS, "b": BROKEN, "c": old}, "a", "b", "c", "e", missing=(short,)), "shop", 2
    )

    assert [one.state for one in found.hosts] == ["running", "failed", "preparing", "gone", "leaving"]
    assert found.problems() == [
        "1 missing: no room",
        "host b: there is no secret",
        "host c is fetching and compiling it",
        "host d does not answer, and will be replaced",
    ]
    assert not found.decided


def test_an_older_assignment_says_nothing_of_a_newer_revision() -> None:
    placed = Placed(app="shop", revision=2, digest=DIGEST, hosts=("a",))

    found = standing(view(placed, {"a": RUNS}, "a"), "shop", 3)

    assert (found.assigned, found.decided) == (False, False)
    assert "no host has planned it yet" in found.problems()[0]
