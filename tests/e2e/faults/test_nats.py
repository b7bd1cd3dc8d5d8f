"""NATS dies, forgets, or goes back in time: on five machines, with all invariants."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults.cluster import EVERYWHERE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.faults.cluster import Cluster
    from wisp.lattice.state import State

pytestmark = pytest.mark.timeout(400)


def restart(cluster: Cluster) -> None:
    """Start NATS, and wait until every host is back."""
    marks = {name: len(host.lines) for name, host in cluster.hosts.items()}
    cluster.nats.start()
    for name, host in cluster.hosts.items():
        host.event("joined", since=marks[name])


def test_nats_may_be_killed_and_nothing_moves(cluster: Cluster) -> None:
    assert cluster.deploy("pair", "2"), cluster.said[-1]
    before = cluster.until_complete("pair", 2)

    with cluster.traffic():
        cluster.nats.kill()
        for host in cluster.hosts.values():
            host.event("away")
        assert not cluster.deploy("pair", "2")
        restart(cluster)
        assert cluster.deploy(EVERYWHERE, "per-host"), cluster.said[-1]

    assert cluster.until_complete("pair", 2) == before


def test_nats_may_be_killed_in_the_middle_of_a_deployment(cluster: Cluster) -> None:
    with cluster.traffic():
        with cluster.promises.asking("pair", "late"):
            deploying = cluster.begin("deploy", cluster.app("pair", "late"), "--replicas", "4")
            cluster.until(lambda view: view.apps)
            cluster.nats.kill()
            deploying.communicate(timeout=90)
        restart(cluster)
        assert cluster.deploy("pair", "2"), cluster.said[-1]


def test_what_nats_has_lost_is_written_back_and_nothing_was_stopped(cluster: Cluster) -> None:
    assert cluster.deploy("pair", "2"), cluster.said[-1]

    with cluster.traffic():
        cluster.nats.kill()
        shutil.rmtree(cluster.nats.folder)
        cluster.ledger.lost()
        marks = {name: len(host.lines) for name, host in cluster.hosts.items()}
        cluster.nats.start()
        for name, mark in marks.items():
            cluster.until_said(name, "has lost the data", since=mark)
        for name in cluster.hosts:
            cluster.wisp("lattice", "restore", "--name", name)
        for name, host in cluster.hosts.items():
            host.event("joined", since=marks[name])
        assert cluster.deploy(EVERYWHERE, "per-host"), cluster.said[-1]


def test_nats_that_comes_back_with_old_data_takes_nothing_back(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.deploy("pair", "2"), cluster.said[-1]
    cluster.nats.kill()
    shutil.copytree(cluster.nats.folder, tmp_path / "old")
    restart(cluster)
    assert cluster.deploy("pair", "3"), cluster.said[-1]
    assert cluster.deploy("late", "1"), cluster.said[-1]
    cluster.until_complete("pair", 3)

    with cluster.traffic():
        cluster.nats.kill()
        shutil.rmtree(cluster.nats.folder)
        shutil.copytree(tmp_path / "old", cluster.nats.folder)
        cluster.ledger.lost()
        restart(cluster)
        # A change of something else makes the planner plan: what is older than what runs is a loss, and no order.
        assert cluster.deploy(EVERYWHERE, "per-host"), cluster.said[-1]
        cluster.hosts[cluster.planner()].event("lost")
        for name in cluster.hosts:
            cluster.wisp("lattice", "restore", "--name", name)


def test_all_leases_may_end_at_once_as_they_do_when_the_clock_of_nats_jumps(cluster: Cluster) -> None:
    assert cluster.deploy("pair", "2"), cluster.said[-1]
    before = cluster.until_complete("pair", 2)

    async def forget(state: State) -> None:
        for key in await state.live.entries():
            await state.live.remove(key)

    with cluster.traffic():
        cluster.ask(forget)
        cluster.until(lambda view: len(view.hosts) == 5 and view.planner)

    assert cluster.until_complete("pair", 2) == before
