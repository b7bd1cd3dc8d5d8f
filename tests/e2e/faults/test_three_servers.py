"""Three machines that are their own NATS lose one of them, or a server, or the way to one: with all invariants."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults.trio import HOSTS

if TYPE_CHECKING:
    from tests.e2e.faults.trio import Trio

pytestmark = pytest.mark.timeout(400)


def deployed(trio: Trio, replicas: str) -> bool:
    """Deploy until that is acknowledged: while servers elect one that leads, hosts cannot renew their leases, and are missed for a moment."""
    return any(trio.deploy("pair", replicas) for _ in range(3))


def test_a_machine_is_killed_whose_server_leads_the_others_and_they_go_on(trio: Trio) -> None:
    lost = trio.leader()

    with trio.traffic() as traffic:
        well = traffic.excuse(lost)
        trio.kill(lost)
        trio.reach([name for name in HOSTS if name != lost])
        assert deployed(trio, "2"), trio.said
        trio.settle()
        assert trio.leader() != lost
        trio.launch(lost)
        trio.well(lost)
        well()
    trio.reach(HOSTS)


def test_a_machine_is_killed_whose_server_follows_another_and_comes_back(trio: Trio) -> None:
    leader = trio.leader()
    lost = next(name for name in HOSTS if name != leader)

    with trio.traffic() as traffic:
        well = traffic.excuse(lost)
        trio.kill(lost)
        trio.reach([name for name in HOSTS if name != lost])
        assert deployed(trio, "2"), trio.said
        trio.launch(lost)
        trio.well(lost)
        well()
    trio.reach(HOSTS)


def test_the_server_that_leads_is_killed_and_no_request_notices(trio: Trio) -> None:
    leader = trio.leader()
    host = trio.hosts[leader]

    with trio.traffic():
        since = len(host.lines)
        os.kill(trio.server(leader), signal.SIGKILL)
        host.event("nats", since=since)
        assert deployed(trio, "3"), trio.said


def test_a_minority_is_cut_off_with_the_server_that_leads_and_the_others_elect_another(trio: Trio) -> None:
    minority = trio.leader()

    with trio.traffic():
        trio.cut([minority])
        trio.reach([name for name in HOSTS if name != minority])
        trio.until(lambda view: minority not in view.hosts and view.planner not in {None, minority})
        assert deployed(trio, "2"), trio.said
        assert trio.leader() != minority
        trio.heal()
        trio.until(lambda view: len(view.hosts) == len(HOSTS))
    trio.reach(HOSTS)
