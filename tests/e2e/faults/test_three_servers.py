"""Three machines that are their own NATS lose one of them, or a server, or the way to one: with all invariants."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults.cluster import PATIENCE
from tests.e2e.faults.trio import HOSTS
from wisp.lattice.commands import control

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.faults.trio import Trio
    from wisp.lattice.commands.control import View

pytestmark = pytest.mark.timeout(400)


def others(lost: str) -> list[str]:
    return [name for name in HOSTS if name != lost]


def deployed(trio: Trio, replicas: str, there: Sequence[str]) -> bool:
    """Deploy when these hosts are there, until that is acknowledged.

    While servers elect one that leads, hosts cannot renew their leases, and are missed for a moment.
    """

    def all_there(view: View) -> bool:
        return sorted(view.hosts) == sorted(there) and view.planner in there

    for _ in range(3):
        trio.ask(lambda state: control.until(state, all_there, PATIENCE))
        if trio.deploy("pair", replicas):
            return True
    return False


def test_a_machine_is_killed_whose_server_leads_the_others_and_they_go_on(trio: Trio) -> None:
    lost = trio.leader()

    with trio.traffic() as traffic:
        well = traffic.excuse(lost)
        trio.kill(lost)
        trio.reach(others(lost))
        assert deployed(trio, "2", others(lost)), trio.said
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
        trio.reach(others(lost))
        assert deployed(trio, "2", others(lost)), trio.said
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
        assert deployed(trio, "3", HOSTS), trio.said


def test_a_minority_is_cut_off_with_the_server_that_leads_and_the_others_elect_another(trio: Trio) -> None:
    minority = trio.leader()

    with trio.traffic():
        trio.cut([minority])
        trio.reach(others(minority))
        assert deployed(trio, "2", others(minority)), trio.said
        assert trio.leader() != minority
        trio.heal()
        trio.until(lambda view: len(view.hosts) == len(HOSTS))
    trio.reach(HOSTS)
