"""From one assignment to the next: placement, put into steps that leave no app without a host that runs it.

This is a pure function of what is wanted, who is there, and what hosts say of themselves; `planner` calls it and writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.lattice.placement import place
from wisp.lattice.records import Assignment, Missing, Placed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from wisp.lattice.placement import Placement
    from wisp.lattice.records import App, HostRecord, Observed


@dataclass(frozen=True, slots=True)
class Situation:
    """What a planner knows."""

    apps: Mapping[str, App]
    """Those that were deleted too: only what was deleted stops."""

    hosts: Mapping[str, HostRecord]
    draining: Collection[str]
    observed: Mapping[str, Observed]


def successor(current: Assignment, now: Situation) -> Assignment:
    """Return the assignment that follows; the same one, when nothing is to be changed.

    An app that was placed and of which the bucket knows nothing stays as it is: that is a loss, and no order to stop.
    """
    wanted = {name: app for name, app in now.apps.items() if not app.deleted}
    lost = [placed for placed in current.apps if placed.app not in now.apps]
    placement = place(
        [app.demand() for app in wanted.values()],
        [host.member(draining=name in now.draining) for name, host in now.hosts.items()],
        current.last(),
    )
    following = current.model_copy(
        update={
            "number": current.number + 1,
            "apps": tuple(sorted([*_steps(current, now, wanted, placement), *lost], key=_name)),
            "missing": tuple(
                Missing(app=one.app, count=one.count, reason=one.reason) for one in placement.unplaced
            ),
            "marks": dict(placement.marks),
        }
    )
    return current if following == current.model_copy(update={"number": following.number}) else following


def _steps(
    current: Assignment, now: Situation, wanted: Mapping[str, App], placement: Placement
) -> Iterator[Placed]:
    for name, app in wanted.items():
        hosts = placement.hosts[name]
        yield Placed(
            app=name,
            revision=app.revision,
            digest=app.digest,
            hosts=hosts,
            leaving=_leaving(name, current.placed(name), hosts, now),
        )


def _leaving(app: str, before: Placed | None, hosts: Collection[str], now: Situation) -> tuple[str, ...]:
    """Return the hosts that go on running an app until those that take over do."""
    if before is None or all(_runs(app, host, now) for host in hosts):
        return ()
    return tuple(host for host in before.everywhere if host not in hosts and host in now.hosts)


def _runs(app: str, host: str, now: Situation) -> bool:
    said = now.observed.get(host)
    return said is not None and any(one.app == app and one.running is not None for one in said.apps)


def _name(placed: Placed) -> str:
    return placed.app
