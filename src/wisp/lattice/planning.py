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

    What the bucket has lost stays as it is: that is no order to stop.
    """
    lost = [placed for placed in current.apps if placed.app in missing_from(current, now)]
    names = {placed.app for placed in lost}
    wanted = {name: app for name, app in now.apps.items() if not app.deleted and name not in names}
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


def missing_from(current: Assignment, now: Situation) -> frozenset[str]:
    """Return the apps that were placed, and of which the bucket knows nothing, or only what they were before.

    NATS may have lost its data, or may have been set back to a copy of them.
    """
    return frozenset(
        placed.app
        for placed in current.apps
        if (app := now.apps.get(placed.app)) is None or app.revision < placed.revision
    )


def _steps(
    current: Assignment, now: Situation, wanted: Mapping[str, App], placement: Placement
) -> Iterator[Placed]:
    short = {missing.app for missing in placement.unplaced}
    for name, app in wanted.items():
        hosts, before = placement.hosts[name], current.placed(name)
        leaving = _leaving(before, hosts, now, short=name in short) if before else ()
        yield Placed(
            app=name,
            revision=app.revision,
            digest=app.digest,
            hosts=hosts,
            leaving=leaving,
        )


def _leaving(before: Placed, hosts: Collection[str], now: Situation, *, short: bool) -> tuple[str, ...]:
    """Return the hosts that go on running an app until others do.

    A host that is drained goes on, too, when there are too few others (`short`); one that no longer fits does not.
    """
    left = [host for host in before.everywhere if host not in hosts and host in now.hosts]
    if all(_runs(before.app, host, now) for host in hosts):
        left = [host for host in left if short and host in now.draining]
    return tuple(left)


def _runs(app: str, host: str, now: Situation) -> bool:
    said = now.observed.get(host)
    return said is not None and any(one.app == app and one.running is not None for one in said.apps)


def _name(placed: Placed) -> str:
    return placed.app
