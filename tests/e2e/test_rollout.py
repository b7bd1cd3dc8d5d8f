"""Changing an app from one version to the next, on real hosts and under load."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e.authority import Authority
from tests.e2e.host import PATIENCE
from tests.e2e.lattice import Clients, Lattice, get
from tests.e2e.test_lattice import app, version
from wisp.lattice.commands.standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wisp.lattice.commands.control import View

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


def load(stack: ExitStack, lattice: Lattice, *hosts: str, path: str = "/hello") -> list[Clients]:
    """Ask each of these hosts without pause."""
    urls = [f"{lattice.hosts[host].url}{path}" for host in hosts]
    return [stack.enter_context(Clients(lambda url=url: get(url))) for url in urls]  # type: ignore[misc]


def with_health(folder: Path, path: str) -> Path:
    """Say which path tells whether an app is well."""
    manifest = folder / "wisp.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("[app]\n", f'[app]\nhealth = "{path}"\n'), encoding="utf-8")
    return folder


def in_two_versions(view: View) -> bool:
    return len(view.versions("shop")) > 1


def test_another_planner_ends_a_rollout_whose_planner_was_killed_and_no_request_fails(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("planner")
    for name in ("a", "b", "c"):
        lattice.start(name, "--label", "zone=eu")
    lattice.wisp("deploy", app(tmp_path), "--replicas", "3", "--require", "zone=eu", "--observe", "2s")

    with ExitStack() as stack:
        clients = load(stack, lattice, "a", "b", "c")
        lattice.wisp("deploy", app(tmp_path, version="2"), "--no-wait")
        lattice.until(lambda view: in_two_versions(view) and view.planner == "planner")
        lattice.kill("planner")
        view = lattice.until(lambda view: standing(view, "shop", 2).complete and not in_two_versions(view))

    assert view.planner in {"a", "b", "c"}
    assert [version(lattice, name) for name in "abc"] == ["2", "2", "2"]
    assert [one.failures for one in clients] == [[], [], []]
    assert all(one.count > 0 for one in clients)


def test_a_new_version_starts_on_a_free_host_which_is_free_again_afterwards(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--observe", "1s")
    [first] = lattice.until_complete("shop", 1)
    [spare] = {"a", "b"} - {first}

    deploying = lattice.begin("deploy", app(tmp_path, version="2"))
    with ExitStack() as stack:
        [clients] = load(stack, lattice, first)
        lattice.until(
            lambda view: any(one.share == 50 and one.extra == (spare,) for one in view.versions("shop"))
        )
        deploying.communicate(timeout=60)

    assert (deploying.returncode, clients.failures) == (0, [])
    assert lattice.until_complete("shop", 1) == [first]
    assert version(lattice, first) == "2"
    lattice.until(lambda view: view.said("shop", spare) is None)
    assert lattice.get(spare)[0] == 404


def test_a_version_that_does_not_answer_its_probe_goes_nowhere_and_the_old_one_answers(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    lattice.wisp("deploy", with_health(app(tmp_path), "/hello"), "--replicas", "2")

    with ExitStack() as stack:
        clients = load(stack, lattice, "a", "b")
        failed = lattice.wisp("deploy", with_health(app(tmp_path, version="2"), "/status?code=503"), code=1)

    assert "GET /status?code=503 was answered with 503" in failed.stderr
    assert [one.failures for one in clients] == [[], []]
    assert [version(lattice, name) for name in "ab"] == ["1", "1"]
    [found] = lattice.json("apps")
    assert sorted(one["state"] for one in found["hosts"]) == ["failed", "running"]
    assert [one["share"] for one in found["versions"]] == [0, 100]

    lattice.wisp("rollback", "shop")
    assert lattice.json("app", "shop")["versions"] == []


def test_an_app_whose_first_version_does_not_answer_its_probe_does_not_run(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")

    failed = lattice.wisp("deploy", with_health(app(tmp_path), "/trap"), code=1)

    assert "GET /trap was answered with 502" in failed.stderr
    assert lattice.get("a")[0] == 404


def test_a_canary_gets_its_share_until_it_is_promoted(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    lonely = lattice.wisp("deploy", app(tmp_path), "--canary", "10%", code=1)
    assert "no earlier version of shop" in lonely.stderr
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2")

    said = lattice.wisp("deploy", app(tmp_path, version="2"), "--canary", "10%").stderr
    shown = lattice.json("app", "shop")

    assert "gets 10 % of the requests" in said
    assert "`wisp promote shop`" in said
    assert [(one["share"], len(one["hosts"])) for one in shown["versions"]] == [(10, 1), (90, 1)]
    assert sorted(version(lattice, name) for name in "ab") == ["1", "2"]
    lattice.wisp("promote", "shop")
    assert [version(lattice, name) for name in "ab"] == ["2", "2"]
    assert "shop has no canary" in lattice.wisp("promote", "shop", code=1).stderr

    lattice.wisp("deploy", app(tmp_path, version="3"), "--canary", "10")
    lattice.wisp("rollback", "shop")
    assert [version(lattice, name) for name in "ab"] == ["2", "2"]


def test_a_canary_gets_its_share_of_the_requests_that_arrive_at_any_host(tmp_path: Path, cache: Path) -> None:
    with Lattice(tmp_path, cache, authority=Authority(tmp_path / "authority")) as lattice:
        lattice.start("neither")
        for name in ("a", "b"):
            lattice.start(name, "--label", "zone=eu")
        lattice.wisp("deploy", app(tmp_path), "--replicas", "2", "--require", "zone=eu")
        lattice.wisp("deploy", app(tmp_path, version="2"), "--canary", "10%")
        [[new], [old]] = [one["hosts"] for one in lattice.json("app", "shop")["versions"]]
        for name in ("neither", old, new):
            both_versions(lattice, name)

        answers = {
            name: Counter(version(lattice, name) for _ in range(200)) for name in ("neither", old, new)
        }

    for name, found in answers.items():
        # Each worker keeps to the share exactly, but begins to count anew when it is told something new.
        assert 10 <= found["2"] <= 30, (name, found)
        assert found["1"] + found["2"] == 200, (name, found)


def both_versions(lattice: Lattice, name: str) -> None:
    """Wait until a host knows of both versions, which it is told a moment after the assignment was written."""
    seen: set[str] = set()
    end = time.monotonic() + PATIENCE
    while seen != {"1", "2"}:
        assert time.monotonic() < end, (name, seen)
        if lattice.get(name, "/environment")[0] == 200:
            seen.add(version(lattice, name))


def test_a_canary_needs_a_second_host_and_says_so(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))

    failed = lattice.wisp("deploy", app(tmp_path, version="2"), "--canary", "10%", code=1)

    assert "a canary needs a second host" in failed.stderr
    assert version(lattice, "a") == "1"


def test_a_version_that_fails_more_often_is_taken_back_by_itself(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    options = ("--observe", "60s", "--min-requests", "20")
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2", *options)

    with ExitStack() as stack:
        load(stack, lattice, "a", "b", path="/slow?ms=60")
        taken = lattice.wisp("deploy", app(tmp_path, version="2", limits={"timeout": "30ms"}), code=1)

    assert re.search(
        r"it was taken back: 100\.0 % of \d+ requests failed, of the version before 0\.0 %", taken.stderr
    )
    assert [version(lattice, name) for name in "ab"] == ["1", "1"]
    assert "requests failed" in lattice.wisp("app", "shop").stdout
    history = lattice.json("app", "shop")["history"]
    assert [(one["revision"], one["withdrawn"]) for one in history] == [(1, False), (2, True), (3, False)]
    assert history[2]["figures"]["new"]["failing"] == 100
    assert history[2]["figures"]["old"]["requests"] >= 20
    assert "taken back" in lattice.wisp("app", "shop", "--history").stdout


def test_a_version_that_is_much_slower_is_taken_back_by_itself(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    options = ("--observe", "60s", "--min-requests", "20", "--max-latency", "2")
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2", *options)

    with ExitStack() as stack:
        # Eight at once on each host; the new version lets one after the other.
        clients = load(stack, lattice, *"aaaaaaaabbbbbbbb", path="/slow?ms=50")
        taken = lattice.wisp("deploy", app(tmp_path, version="2", limits={"concurrency": 1}), code=1)

    said = re.search(
        r"it was taken back: [\d,]+ requests took ([\d.]+) ms on average, [\d,]+ of the version before ([\d.]+) ms",
        taken.stderr,
    )
    assert said is not None, taken.stderr
    assert float(said[1]) > 2 * float(said[2])
    assert [version(lattice, name) for name in "ab"] == ["1", "1"]
    history = lattice.json("app", "shop")["history"]
    assert [(one["revision"], one["withdrawn"]) for one in history] == [(1, False), (2, True), (3, False)]
    assert history[2]["figures"]["new"]["failing"] == 0
    assert [failure for one in clients for failure in one.failures] == []


def test_a_deployment_that_is_interrupted_goes_on_and_says_so(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2", "--observe", "2s")

    deploying = lattice.begin("deploy", app(tmp_path, version="2"))
    assert deploying.stdout is not None
    assert any("waiting for shop, revision 2" in line for line in deploying.stdout)
    deploying.send_signal(signal.SIGINT)
    said, _ = deploying.communicate(timeout=30)

    assert deploying.returncode == 130
    assert "shop, revision 2, goes on without this command" in said
    lattice.until(lambda view: standing(view, "shop", 2).complete)
    assert [version(lattice, name) for name in "ab"] == ["2", "2"]


def test_versions_beyond_those_that_are_to_be_kept_are_forgotten(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    for number in ("1", "2", "3"):
        deployed = lattice.wisp("deploy", app(tmp_path, version=number), "--history", "2", "--json")
        assert json.loads(deployed.stdout)["complete"]

    assert [one["revision"] for one in lattice.json("app", "shop")["history"]] == [2, 3]
    assert "remembers no revision 1" in lattice.wisp("rollback", "shop", "--to", "1", code=1).stderr
