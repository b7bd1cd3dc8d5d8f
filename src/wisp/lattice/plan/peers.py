"""Where hosts reach each other: from what each says of itself, through the assignment, to all of them.

Only the planner watches all hosts. So it writes into the assignment where the hosts are that run something: whoever knows
who runs an app then knows where that is, also when NATS is away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.lattice.records import Peer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.lattice.records import Assignment, HostRecord


def reachable(assignment: Assignment, hosts: Mapping[str, HostRecord]) -> dict[str, Peer]:
    """Return where the hosts of an assignment are. Of one that is away, what was known stays."""
    found: dict[str, Peer] = {}
    for name in sorted({name for placed in assignment.apps for name in (*placed.everywhere, *placed.away)}):
        host = hosts.get(name)
        if host is None and name in assignment.peers:
            found[name] = assignment.peers[name]
        elif host is not None and host.peer is not None:
            found[name] = Peer(address=host.peer, workers=host.workers)
    return found
