"""Hosts that die, freeze, are drained, or come back with an old state: on five machines, with all invariants."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults.cluster import EVERYWHERE, names

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.faults.cluster import Cluster

pytestmark = pytest.mark.timeout(400)


def test_a_killed_host_is_replaced_and_every_other_host_answers_all_the_time(cluster: Cluster) -> None:
    assert cluster.deploy("pair", "2"), cluster.said[-1]
    lost, _ = cluster.until_complete("pair", 2)

    with cluster.traffic() as traffic:
        well = traffic.excuse(lost)
        cluster.kill(lost)
        cluster.settle()
        cluster.launch(lost)
        cluster.well(lost)
        well()


def test_a_killed_planner_is_replaced_in_the_middle_of_a_deployment(cluster: Cluster) -> None:
    planner = cluster.planner()

    with cluster.traffic() as traffic:
        well = traffic.excuse(planner)
        deploying = threading.Thread(target=cluster.deploy, args=("pair", "3"))
        deploying.start()
        cluster.kill(planner)
        deploying.join()
        assert cluster.deploy("pair", "2"), cluster.said[-1]
        cluster.settle()
        cluster.launch(planner)
        cluster.well(planner)
        well()


def test_a_frozen_planner_is_replaced_and_writes_nothing_when_it_goes_on(cluster: Cluster) -> None:
    planner = cluster.planner()

    with cluster.traffic() as traffic:
        well = traffic.excuse(planner)
        thaw = cluster.freeze(planner)
        cluster.until(lambda view: planner not in view.hosts and view.planner not in {None, planner})
        assert cluster.deploy("pair", "2"), cluster.said[-1]
        thaw()
        cluster.until(lambda view: planner in view.hosts)
        cluster.well(planner)
        well()


def test_a_host_that_is_killed_while_it_is_drained_is_replaced_and_may_come_back(cluster: Cluster) -> None:
    assert cluster.deploy("pair", "2"), cluster.said[-1]
    lost, _ = cluster.until_complete("pair", 2)

    with cluster.traffic() as traffic:
        well = traffic.excuse(lost)
        draining = cluster.begin("drain", lost)
        cluster.until(lambda view: lost in view.draining)
        cluster.kill(lost)
        draining.communicate(timeout=90)
        assert lost not in cluster.until_complete("pair", 2)
        cluster.wisp("drain", lost, "--undo")
        cluster.launch(lost)
        cluster.well(lost)
        well()


def test_two_deployments_at_once_and_the_death_of_the_planner_leave_one_version_in_force(
    cluster: Cluster,
) -> None:
    planner = cluster.planner()

    with cluster.traffic() as traffic:
        well = traffic.excuse(planner)
        both = [threading.Thread(target=cluster.deploy, args=("pair", count)) for count in ("2", "3")]
        for one in both:
            one.start()
        cluster.kill(planner)
        for one in both:
            one.join()
        cluster.settle()
        cluster.launch(planner)
        cluster.well(planner)
        well()


def test_a_host_that_comes_back_with_an_old_state_gives_it_up(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.deploy("pair", "5"), cluster.said[-1]
    old = names(5)[0]
    cluster.kill(old)
    shutil.copytree(cluster.data(old), tmp_path / "old")
    assert cluster.deploy("pair", "1"), cluster.said[-1]
    assert cluster.deploy(EVERYWHERE, "per-host"), cluster.said[-1]
    cluster.launch(old)
    cluster.settle()

    with cluster.traffic() as traffic:
        well = traffic.excuse(old)
        cluster.kill(old)
        shutil.rmtree(cluster.data(old))
        shutil.copytree(tmp_path / "old", cluster.data(old))
        cluster.launch(old)
        cluster.hosts[old].event("joined")
        cluster.settle()
        well()


def test_a_host_that_has_lost_its_disk_joins_again_as_a_new_one_of_its_name(cluster: Cluster) -> None:
    assert cluster.deploy("pair", "3"), cluster.said[-1]
    lost = cluster.until_complete("pair", 3)[0]

    with cluster.traffic() as traffic:
        well = traffic.excuse(lost)
        cluster.kill(lost)
        cluster.lose_disk(lost)
        cluster.launch(lost)
        cluster.hosts[lost].event("joined")
        cluster.well(lost)
        well()
