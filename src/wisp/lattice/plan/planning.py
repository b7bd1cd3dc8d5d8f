"""From one assignment to the next: placement, put into steps that leave no app without a host that runs it.

This is a pure function of what is wanted, who is there, and what hosts say of themselves; `planner` calls it and writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.lattice.plan.peers import reachable
from wisp.lattice.plan.placement import place, score
from wisp.lattice.plan.rollout import Ground, step
from wisp.lattice.records import Assignment, Missing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wisp.lattice.plan.placement import Placement
    from wisp.lattice.records import App, HostRecord, Observed, Placed

    Versions = dict[str, list[Placed]]


@dataclass(frozen=True, slots=True)
class Situation:
    """What a planner knows."""

    apps: Mapping[str, App]
    """Those that were deleted too: only what was deleted stops."""

    hosts: Mapping[str, HostRecord]
    draining: Collection[str]
    observed: Mapping[str, Observed]
    now: int = 0
    """In milliseconds since 1970."""


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
    steps = list(_steps(current, now, wanted, placement))
    held = (_held(app, [one for one in steps if one.app == name]) for name, app in wanted.items())
    unplaced = [Missing(app=one.app, count=one.count, reason=one.reason) for one in placement.unplaced]
    following = current.model_copy(
        update={
            "number": current.number + 1,
            "apps": tuple(sorted([*steps, *lost], key=_order)),
            "missing": (*unplaced, *filter(None, held)),
            "marks": dict(placement.marks),
        }
    )
    following = following.model_copy(update={"peers": reachable(following, now.hosts)})
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


class _Room:
    """What hosts have left, beside what is placed and what runs there meanwhile."""

    def __init__(self, now: Situation, placement: Placement, before: Versions) -> None:
        self._left = {name: host.capacity for name, host in now.hosts.items() if name not in now.draining}
        self._hosts = now.hosts
        for app, hosts in placement.hosts.items():
            for host in _everywhere(before.get(app, ())).union(hosts):
                self.take(now.apps[app], host)

    def take(self, app: App, host: str) -> None:
        """Run an app on a host."""
        if host in self._left:
            self._left[host] -= app.wishes.weight

    def spare(self, app: App) -> list[str]:
        """Return the hosts that could run an app; those that it belongs to come first."""
        wishes = app.wishes
        fitting = [
            host
            for name, host in self._hosts.items()
            if self._left.get(name, -1) >= wishes.weight and wishes.require.items() <= host.labels.items()
        ]
        ranked = sorted((-score(app.name, host.name, host.capacity), host.name) for host in fitting)
        return [name for _, name in ranked]


def _steps(
    current: Assignment, now: Situation, wanted: Mapping[str, App], placement: Placement
) -> Iterator[Placed]:
    short = {missing.app for missing in placement.unplaced}
    known: Versions = {}
    for placed in current.apps:
        known.setdefault(placed.app, []).append(placed)
    room = _Room(now, placement, known)
    for name, app in wanted.items():
        hosts, before = placement.hosts[name], known.get(name, [])
        changing = any(placed.digest != app.digest for placed in before)
        versions = step(
            Ground(
                app=app,
                before=before,
                hosts=hosts,
                spare=room.spare(app) if changing else (),
                present=now.hosts.keys(),
                draining=now.draining,
                observed=now.observed,
                short=name in short,
                now=now.now,
            )
        )
        for host in _everywhere(versions) - _everywhere(before) - set(hosts):
            room.take(app, host)
        yield from versions


def _everywhere(versions: Iterable[Placed]) -> set[str]:
    return {host for placed in versions for host in placed.everywhere}


def _held(app: App, versions: Collection[Placed]) -> Missing | None:
    """Say why there is no canary, where there cannot be one."""
    if app.strategy.canary is None or not any(placed.digest != app.digest for placed in versions):
        return None
    if any(placed.digest == app.digest and placed.hosts for placed in versions):
        return None
    reason = "a canary needs a second host that fits and has room, so that the old version keeps one"
    return Missing(app=app.name, count=1, reason=reason)


def _order(placed: Placed) -> tuple[str, int]:
    return placed.app, -placed.revision
