"""A lattice of real hosts on a real NATS: what people do with it, and what may go wrong."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import manifest_of
from tests.e2e.lattice import Clients, Lattice
from tests.guests.build import component
from wisp.lattice.commands import control
from wisp.lattice.commands.standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wisp.lattice.state import State

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def lattice(tmp_path: Path, cache: Path) -> Iterator[Lattice]:
    with Lattice(tmp_path, cache) as made:
        yield made


def app(folder: Path, name: str = "shop", version: str = "1", route: str = "/...", **tables: object) -> Path:
    """Write an app that tells its version at `/environment`."""
    text = manifest_of("http2", route, {"environment": {"VERSION": version}, **tables})
    path = folder / name / "wisp.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace('name = "app"', f'name = "{name}"'), encoding="utf-8")
    return path.parent


def version(lattice: Lattice, host: str, path: str = "/environment") -> str:
    status, body = lattice.get(host, path)
    assert status == 200
    found = re.search(rb"VERSION\W+(\w+)", body)
    assert found is not None
    return found[1].decode()


def test_an_app_is_deployed_answers_where_it_runs_and_can_be_deleted(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        lattice.start(name, "--label", f"zone={name}")

    deployed = json.loads(lattice.wisp("deploy", app(tmp_path), "--replicas", "2", "--json").stdout)

    hosts = [one["host"] for one in deployed["hosts"]]
    assert (deployed["complete"], len(hosts)) == (True, 2)
    assert {name: lattice.get(name)[0] for name in "abc"} == {
        name: 200 if name in hosts else 404 for name in "abc"
    }
    assert [(one["app"], one["complete"]) for one in lattice.json("apps")] == [("shop", True)]
    assert {one["host"]: [each["app"] for each in one["apps"]] for one in lattice.json("hosts")} == {
        name: ["shop"] if name in hosts else [] for name in "abc"
    }
    lattice.wisp("scale", "shop", "--replicas", "per-host", "--require", "zone=c")
    assert lattice.until_complete("shop", 1) == ["c"]
    assert "running" in lattice.wisp("app", "shop").stdout

    lattice.wisp("delete", "shop")

    assert [lattice.get(name)[0] for name in "abc"] == [404, 404, 404]
    assert lattice.json("apps") == []
    assert "has no app shop" in lattice.wisp("app", "shop", code=1).stderr


def test_deploying_again_serves_the_new_version_where_the_old_one_was_and_fails_no_request(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))

    with Clients(lambda: lattice.get("a")) as clients:
        lattice.wisp("deploy", app(tmp_path, version="2"))

    assert version(lattice, "a") == "2"
    assert clients.count > 0
    assert clients.failures == []


def test_a_component_that_only_runs_by_the_clock_runs_on_one_host_and_troubles_no_other(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    folder = app(tmp_path)
    with (folder / "wisp.toml").open("a", encoding="utf-8") as manifest:
        manifest.write(
            f'\n[[cron]]\nschedule = "* * * * *"\ncomponent = "job"\n[component.job]\nsource = "{component("job")}"\n'
        )

    lattice.wisp("deploy", folder, "--replicas", "per-host")

    jobs = {name: lattice.hosts[name].admin("metrics")["cron"] for name in ("a", "b")}
    assert sorted(len(found) for found in jobs.values()) == [0, 1]
    assert [lattice.get(name, "/environment")[0] for name in ("a", "b")] == [200, 200]


def test_an_app_goes_back_to_earlier_versions_and_keeps_its_replicas(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    for number in ("1", "2", "3"):
        lattice.wisp("deploy", app(tmp_path, version=number))
    lattice.wisp("scale", "shop", "--replicas", "per-host")

    lattice.wisp("rollback", "shop")
    before = version(lattice, "a")
    lattice.wisp("rollback", "shop", "--to", "1")

    assert (before, version(lattice, "a")) == ("2", "1")
    [found] = lattice.json("apps")
    assert (found["revision"], found["wishes"]["replicas"]) == (6, "per-host")
    assert "remembers no revision 9 of shop" in lattice.wisp("rollback", "shop", "--to", "9", code=1).stderr


def test_what_is_missing_is_said_and_comes_when_a_host_that_fits_does(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")

    failed = lattice.wisp("deploy", app(tmp_path), "--require", "gpu=yes", code=1)
    assert "1 missing: no host has gpu=yes" in failed.stderr
    lattice.start("b", "--label", "gpu=yes")

    assert lattice.until_complete("shop", 1) == ["b"]


def test_the_replicas_of_a_killed_host_are_back_on_others(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2")
    before = lattice.until_complete("shop", 2)
    lost, stays = before

    with Clients(lambda: lattice.get(stays)) as clients:
        lattice.kill(lost)
        began = time.monotonic()
        lattice.until(lambda view: lost not in view.hosts and standing(view, "shop", 1).complete)
        took = time.monotonic() - began
        after = lattice.until_complete("shop", 2)

    assert set(after) == {"a", "b", "c"} - {lost}
    assert [lattice.get(name)[0] for name in after] == [200, 200]
    assert clients.failures == []
    assert took < 15  # a lease is 3 s, and the machine may be busy


def test_the_planner_may_be_killed_too(lattice: Lattice, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2")
    planner = lattice.until(lambda view: view.planner).planner
    assert planner is not None

    lattice.kill(planner)

    lattice.until(lambda view: planner not in view.hosts and view.planner)
    assert planner not in lattice.until_complete("shop", 2)


def test_requests_go_on_while_nats_is_away_and_changes_come_when_it_is_back(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        lattice.start(name)
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2")
    before = lattice.until_complete("shop", 2)

    with Clients(lambda: lattice.get(before[0])) as one, Clients(lambda: lattice.get(before[1])) as other:
        lattice.nats.kill()
        for host in lattice.hosts.values():
            host.event("away")
        refused = lattice.wisp("deploy", app(tmp_path, version="2"), code=1)
        assert "no NATS server answers" in refused.stderr
        marks = {name: len(host.lines) for name, host in lattice.hosts.items()}
        lattice.nats.start()
        for name, host in lattice.hosts.items():
            host.event("joined", since=marks[name])
        lattice.wisp("deploy", app(tmp_path, version="3"))

    assert (one.failures, other.failures) == ([], [])
    assert lattice.until_complete("shop", 2) == before
    assert [version(lattice, name) for name in before] == ["3", "3"]


def test_a_host_starts_with_what_it_remembers_when_nats_is_away(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    lattice.kill("a")
    lattice.nats.kill()

    host = lattice.start("a", joined=False)

    assert lattice.get("a")[0] == 200
    lattice.nats.start()
    host.event("joined")
    assert lattice.until_complete("shop", 1) == ["a"]


def test_the_loss_of_the_data_of_nats_stops_nothing_and_is_said(lattice: Lattice, tmp_path: Path) -> None:
    host = lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))

    with Clients(lambda: lattice.get("a")) as clients:
        lattice.nats.kill()
        shutil.rmtree(lattice.nats.folder)
        lattice.nats.start()
        host.until(
            lambda: next(
                (line for line in host.lines if "has lost the data" in line.get("message", "")), None
            ),
            "the loss to be noticed",
        )
        refused = lattice.wisp("deploy", app(tmp_path, version="2"), code=1)

    assert "has lost the data" in refused.stderr
    assert clients.failures == []
    assert version(lattice, "a") == "1"


def test_what_nats_has_lost_is_written_back_from_hosts(lattice: Lattice, tmp_path: Path) -> None:
    a, b = lattice.start("a"), lattice.start("b", "--label", "zone=b")
    lattice.wisp("deploy", app(tmp_path), "--replicas", "2")
    lattice.wisp("deploy", app(tmp_path, "blog", route="/blog/..."), "--require", "zone=b")

    with Clients(lambda: lattice.get("a")) as clients:
        lattice.nats.kill()
        shutil.rmtree(lattice.nats.folder)
        marks = {host: len(host.lines) for host in (a, b)}
        lattice.nats.start()
        first = lattice.wisp("lattice", "restore", "--name", "a")
        lattice.wisp("lattice", "restore", "--name", "b")
        for host, mark in marks.items():
            host.event("joined", since=mark)
        lattice.wisp("deploy", app(tmp_path, version="2"))

    assert "written back: blog, shop" in first.stderr
    assert "not all components of blog" in first.stderr
    assert clients.failures == []
    assert lattice.until_complete("shop", 2) == ["a", "b"]
    assert lattice.until_complete("blog", 1) == ["b"]
    assert version(lattice, "a") == "2"
    c = lattice.start("c", "--label", "zone=b")
    c.event("joined")
    lattice.wisp("scale", "blog", "--replicas", "2")  # the objects are back, too
    assert "no app was missing" in lattice.wisp("lattice", "restore", "--name", "a").stderr


def test_of_two_deploys_at_once_both_are_written_down_and_one_is_in_force(
    lattice: Lattice, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lattice.start(name)
    first, second = app(tmp_path / "one"), app(tmp_path / "two", version="2")

    both = [lattice.begin("deploy", folder, "--replicas", "2") for folder in (first, second)]
    said = [process.communicate(timeout=90)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert lattice.json("apps")[0]["revision"] == 2
    hosts = lattice.until_complete("shop", 2)
    assert len({version(lattice, name) for name in hosts}) == 1


def test_a_drained_host_is_left_without_a_moment_in_which_nobody_answers(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    lattice.start("b")

    def anybody() -> tuple[int, bytes]:
        found = lattice.get("a")
        return found if found[0] == 200 else lattice.get("b")

    with Clients(anybody) as clients:
        lattice.wisp("drain", "a")

    assert clients.failures == []
    assert (lattice.get("a")[0], lattice.get("b")[0]) == (404, 200)
    assert {one["host"]: one["state"] for one in lattice.json("hosts")}["a"] == "draining"
    lattice.wisp("drain", "a", "--undo")
    lattice.wisp("scale", "shop", "--replicas", "2")


def test_a_drain_that_nobody_can_take_over_says_why(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))

    failed = lattice.wisp("drain", "a", "--timeout", "2s", code=1)

    assert "still runs shop" in failed.stderr
    assert "every host that fits is being drained" in failed.stderr
    assert lattice.get("a")[0] == 200


def test_a_host_that_is_asked_to_stop_is_replaced_at_once(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    lattice.start("b")

    lattice.hosts.pop("a").stop()

    assert lattice.until_complete("shop", 1) == ["b"]


def test_a_host_that_was_frozen_gives_up_what_others_have_taken_over(
    lattice: Lattice, tmp_path: Path
) -> None:
    frozen = lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    lattice.start("b")
    frozen.signal(signal.SIGSTOP)
    lattice.until(lambda view: "a" not in view.hosts)
    assert lattice.until_complete("shop", 1) == ["b"]

    frozen.signal(signal.SIGCONT)

    frozen.until(
        lambda: next((line for line in frozen.lines if "runs nothing" in line.get("message", "")), None),
        "the frozen host to give up the app",
    )
    assert lattice.get("a")[0] == 404


def test_an_app_that_cannot_run_says_why_and_what_ran_before_goes_on(
    lattice: Lattice, tmp_path: Path
) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    lattice.wisp("deploy", app(tmp_path, "blog", route="/blog/..."))
    folder = app(tmp_path, version="2", grants={"config": {"key": {"secret": "api-key"}}})
    with (folder / "wisp.toml").open("a", encoding="utf-8") as manifest:
        manifest.write('\n[secrets.api-key]\nenvironment = "API_KEY"\n')

    failed = lattice.wisp("deploy", folder, code=1)

    assert "there is no secret api-key" in failed.stderr
    assert version(lattice, "a") == "1"
    assert lattice.get("a", "/blog/hello")[0] == 200
    assert "there is no secret api-key" in lattice.wisp("app", "shop").stdout


def test_an_app_that_workers_refuse_does_not_stop_the_others(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))
    lattice.wisp("deploy", app(tmp_path, "odd", route="/odd/..."))
    content = component("hosted").read_bytes()

    async def break_it(state: State) -> None:
        found = await state.desired.get("app.odd")
        assert found is not None
        locked = json.loads(await state.objects.get(json.loads(found.value)["digest"]))
        digest = await state.objects.put(content)
        locked["components"]["http2"]["digest"] = digest
        bundle = control.Bundle("odd", "2", json.dumps(locked).encode(), {digest: lambda: content})
        await control.deploy(state, bundle, {}, lambda message: None)

    lattice.ask(break_it)
    view = lattice.until(lambda view: any(one.error for said in view.observed.values() for one in said.apps))

    [wrong] = [one for one in view.observed["a"].apps if one.error]
    assert wrong.app == "odd"
    assert (lattice.get("a")[0], lattice.get("a", "/odd/hello")[0]) == (200, 200)


def test_an_app_that_claims_the_requests_of_another_is_refused(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")
    lattice.wisp("deploy", app(tmp_path))

    refused = lattice.wisp("deploy", app(tmp_path, "thief"), code=1)

    assert "both have the route /..." in refused.stderr


def test_a_host_that_cannot_write_down_what_it_runs_runs_it_and_says_so(
    lattice: Lattice, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "state" / "test" / "hosts" / "a" / "assignment.json"
    in_the_way.mkdir(parents=True, mode=0o700)
    host = lattice.start("a")

    lattice.wisp("deploy", app(tmp_path))

    assert lattice.get("a")[0] == 200
    assert "would not start with what it runs" in host.event("remember-failed")["message"]


def test_two_hosts_with_one_name_do_not_take_turns(lattice: Lattice, tmp_path: Path) -> None:
    lattice.start("a")

    other = lattice.start("a2", "--name", "a", "--data", str(tmp_path / "other"), joined=False)

    assert "has another host a" in other.event("away")["message"]
    assert lattice.json("hosts")[0]["url"] == lattice.hosts["a"].url
