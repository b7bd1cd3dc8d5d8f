"""A network that is cut, slow or loses packets: on five machines, with all invariants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults.cluster import EVERYWHERE, names

if TYPE_CHECKING:
    from tests.e2e.faults.cluster import Cluster

pytestmark = pytest.mark.timeout(400)


def test_a_minority_that_is_cut_off_with_the_planner_goes_on_and_others_plan(cluster: Cluster) -> None:
    planner = cluster.planner()
    minority = [planner, next(name for name in names(5) if name != planner)]

    # Whoever reaches a host that is cut off is answered, too: with what it ran.
    with cluster.traffic():
        cluster.cut(minority)
        cluster.until(lambda view: not {*view.hosts, view.planner} & {*minority, None})
        assert cluster.deploy("pair", "3"), cluster.said[-1]
        assert not set(minority) & set(cluster.until_complete("pair", 3))
        cluster.heal()
        cluster.until(lambda view: len(view.hosts) == 5)


def test_a_majority_that_is_cut_off_from_nats_goes_on(cluster: Cluster) -> None:
    majority = names(5)[:4]

    with cluster.traffic():
        cluster.cut(majority, ["nats"])
        cluster.until(lambda view: not view.hosts.keys() & set(majority))
        assert cluster.deploy("pair", "1"), cluster.said[-1]
        cluster.heal()
        cluster.until(lambda view: len(view.hosts) == 5)


def test_hosts_behind_slow_links_carry_out_what_is_deployed(cluster: Cluster) -> None:
    with cluster.traffic():
        cluster.network.slow(names(5)[:2], delay=0.15, rate=64 * 1024)
        assert cluster.deploy(EVERYWHERE, "per-host"), cluster.said[-1]
        cluster.heal()


def test_a_network_that_loses_a_third_of_its_packets_loses_nothing_that_was_acknowledged(
    cluster: Cluster,
) -> None:
    with cluster.traffic():
        cluster.lose(0.3, names(5))
        cluster.deploy("pair", "2", timeout="10s")
        cluster.deploy(EVERYWHERE, "per-host", timeout="10s")
        cluster.heal()

    assert cluster.deploy("pair", "2"), cluster.said[-1]
