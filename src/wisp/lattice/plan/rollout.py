"""Rollout: from the hosts of an app's versions to those of the next step. A pure function; the planner calls it and writes.

All that it knows of earlier steps is in the assignment, so it does not matter who makes the next one. A host serves one version of an app
at a time, and one that changes answers with its old version until the new one has answered a probe there. A step is made of:

1. *Settle* who is there: a host that was to change, and still answers with what is wanted now, stays as it is. One that takes the place of a
   lost one gets the new version once that has answered anywhere, the old one before.
2. *Advance*: the new version starts on hosts beyond those that are wanted (surge) where there are such, and takes over others in place, as
   long as enough answer. First on one host; on the others when it has answered there for a while, and a canary only when it is promoted.
3. *Release* the hosts that were only needed meanwhile, and those that others have taken over from.

Where a new version fails, nothing goes on; where it does worse than the old one, the planner asks for the old one again
(`judging`), which is a rollout like any other, only that nothing of it is waited for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wisp.lattice.records import Placed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from wisp.lattice.records import App, Observed, ObservedApp


@dataclass(frozen=True, slots=True)
class Ground:
    """What a step of one app is made from."""

    app: App
    before: Sequence[Placed]
    """Its versions in the last assignment."""

    hosts: Sequence[str]
    """Where it is wanted."""

    spare: Sequence[str] = ()
    """Hosts that could run it, too; the best first."""

    present: Collection[str] = ()
    draining: Collection[str] = ()
    observed: Mapping[str, Observed] = field(default_factory=dict)
    short: bool = False
    """Whether it has fewer hosts than are wanted."""

    now: int = 0
    """In milliseconds."""

    def said(self, host: str) -> ObservedApp | None:
        """Return what a host says of the app."""
        found = self.observed.get(host)
        return next((one for one in found.apps if one.app == self.app.name), None) if found else None


def step(ground: Ground) -> tuple[Placed, ...]:
    """Return the versions of an app in the next assignment: the one that is wanted first."""
    if _finished(ground):
        return tuple(ground.before)
    board = _Board(ground)
    board.settle()
    board.advance()
    board.release()
    return tuple(board.placed())


def _finished(ground: Ground) -> bool:
    """Whether nothing changes: of most apps, at most times."""
    app = ground.app
    done = Placed(app=app.name, revision=app.revision, digest=app.digest, hosts=tuple(ground.hosts))
    return tuple(ground.before) == (done,)


class _Board:
    """Which host runs which version."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._app = ground.app
        self._wanted = ground.app.digest
        self._strategy = ground.app.strategy
        self._where = frozenset(ground.hosts)
        self._known = {placed.digest: placed for placed in ground.before}
        self._olds = [
            placed
            for placed in sorted(ground.before, key=lambda placed: (not placed.proven, -placed.revision))
            if placed.digest != self._wanted and any(host in ground.present for host in placed.everywhere)
        ]
        """Other versions, those that have proven themselves first."""

        self._at = {
            host: placed.digest
            for placed in ground.before
            for host in placed.everywhere
            if host in ground.present
        }
        self._extra = {
            host
            for placed in ground.before
            for host in placed.extra
            if host in self._at and host not in self._where and host not in ground.draining
        }

    def settle(self) -> None:
        """Leave hosts at what is wanted if they have not left it yet, and give hosts on which the app was not yet a version."""
        for host in self._at:
            if self._running(host) == self._wanted:
                self._at[host] = self._wanted
        version = self._for_newcomers()
        for host in self._ground.hosts:
            self._at.setdefault(host, version)

    def advance(self) -> None:
        """Bring the new version to more hosts, as far as that may be done now."""
        while self._may_go_on():
            if not (self._surge() or self._take_over()):
                return

    def release(self) -> None:
        """Give up hosts that are not needed any more."""
        ground = self._ground
        done = all(self._runs(host) for host in ground.hosts) and not self._pending()
        for host in sorted(self._extra):
            costs = self._runs(host)
            if done or (self._at[host] != self._wanted and self._ready() - costs >= self._least()):
                self._extra.remove(host)
                del self._at[host]
        if all(self._answers(host) for host in ground.hosts):
            for host in self._leaving():
                if not (ground.short and host in ground.draining):
                    del self._at[host]

    def placed(self) -> Iterator[Placed]:
        """Yield each version with its hosts."""
        shares = self._shares()
        jobs = self._with_jobs()
        # As long as nobody answers with what it is to run, whoever answers with anything does.
        told_apart = any(self._hosts(old.digest) for old in self._olds) and any(map(self._runs, self._at))
        for digest in (self._wanted, *(old.digest for old in self._olds)):
            hosts = self._hosts(digest)
            leaving = tuple(host for host in self._leaving() if self._at[host] == digest)
            if digest != self._wanted and not (hosts or leaving):
                continue
            before = self._known.get(digest)
            yield Placed(
                app=self._app.name,
                revision=self._app.revision
                if digest == self._wanted or before is None
                else min(before.revision, self._app.revision - 1),
                digest=digest,
                hosts=hosts,
                leaving=leaving,
                share=shares.get(digest, 0),
                extra=tuple(host for host in hosts if host in self._extra),
                away=self._away(digest),
                changing=tuple(host for host in hosts if told_apart and not self._runs(host)),
                jobs=digest == jobs,
                proven=self._proven(digest),
                since=self._since() if digest == self._wanted else None,
            )

    def _away(self, digest: str) -> tuple[str, ...]:
        """Return the hosts that ran a version and are lost, as long as nobody who is there answers: a host that is only cut off from NATS still does."""
        before = self._known.get(digest)
        if before is None or any(map(self._answers, self._at)):
            return ()
        return tuple(host for host in (*before.everywhere, *before.away) if host not in self._ground.present)

    def _for_newcomers(self) -> str:
        """Return the version of a host that has none."""
        trusted = self._known_proven() or (self._answering(self._wanted) and self._strategy.canary is None)
        return self._wanted if trusted or not self._olds else self._olds[0].digest

    def _known_proven(self) -> bool:
        return self._wanted in self._known and self._known[self._wanted].proven

    def _may_go_on(self) -> bool:
        """Whether the new version may go to one host more."""
        pending, new = self._pending(), self._new()
        changing = [host for host in new if not self._runs(host)]
        if not pending or any(self._failed(host) for host in changing):
            return False
        if self._known_proven():
            return len(changing) < self._at_once()
        if self._strategy.canary is not None and len(new) >= self._enough():
            return False
        if new and not self._observed_long_enough():
            return False
        return len(changing) < (self._at_once() if new else 1)

    def _at_once(self) -> int:
        return max(1, self._strategy.surge + self._strategy.max_unavailable)

    def _enough(self) -> int:
        """On how many hosts a canary is."""
        return max(1, math.ceil(len(self._ground.hosts) * (self._strategy.canary or 0) / 100))

    def _observed_long_enough(self) -> bool:
        since = self._since()
        if since is None:
            return False
        if not any(self._answering(old.digest) for old in self._olds):
            return True  # there is nobody whom it could do worse than
        return self._app.hurry or self._ground.now - since >= self._strategy.observe_ms

    def _since(self) -> int | None:
        """Return when the new version first answered beside another one."""
        if not self._olds or not self._answering(self._wanted):
            return None
        known = self._known.get(self._wanted)
        if known is None or known.since is None or known.since > self._ground.now:
            return self._ground.now
        return known.since

    def _surge(self) -> bool:
        """Start the new version on a host beyond those that are wanted, if that helps."""
        spare = [host for host in self._ground.spare if host not in self._at]
        if not spare or len(self._extra) >= min(self._strategy.surge, len(self._pending())):
            return False
        self._at[spare[0]] = self._wanted
        self._extra.add(spare[0])
        return True

    def _take_over(self) -> bool:
        """Change a host in place, if enough others answer meanwhile."""
        pending = self._pending()
        if self._strategy.canary is not None and len(pending) == 1:
            return False  # the old version must have a host, too
        host = pending[0]
        if self._runs(host) and self._ready() - 1 < self._least():
            return False
        self._at[host] = self._wanted
        return True

    def _least(self) -> int:
        """Return how many must answer. Where there is no host beyond those that are wanted, one at a time changes in place."""
        unavailable = self._strategy.max_unavailable
        if unavailable == 0 and not self._extra:
            could = self._strategy.surge and any(host not in self._at for host in self._ground.spare)
            unavailable = 0 if could else 1
        return len(self._ground.hosts) - unavailable

    def _pending(self) -> list[str]:
        """Return the hosts that are to change: first those that do not answer anyway, last the one with the jobs."""
        jobs = self._hosts(self._olds[0].digest)[:1] if self._olds else ()
        proven = {old.digest for old in self._olds if old.proven}
        hosts = [host for host in self._ground.hosts if self._at[host] != self._wanted]
        return sorted(hosts, key=lambda host: (self._runs(host), self._at[host] in proven, host in jobs))

    def _new(self) -> list[str]:
        return [host for host in self._counted() if self._at[host] == self._wanted]

    def _counted(self) -> list[str]:
        return [*self._ground.hosts, *sorted(self._extra)]

    def _ready(self) -> int:
        return sum(self._runs(host) for host in self._counted())

    def _answering(self, digest: str) -> int:
        """Return how many hosts answer with a version."""
        return sum(self._at.get(host) == digest and self._runs(host) for host in self._counted())

    def _runs(self, host: str) -> bool:
        """Whether a host answers with the version that it is to run."""
        said = self._ground.said(host)
        return said is not None and said.running == self._at.get(host)

    def _answers(self, host: str) -> bool:
        """Whether a host answers with any version."""
        return self._running(host) is not None

    def _running(self, host: str) -> str | None:
        """Return the version that a host answers with."""
        said = self._ground.said(host)
        return said.running if said is not None else None

    def _failed(self, host: str) -> bool:
        said = self._ground.said(host)
        return said is not None and said.state == "failed" and said.revision == self._app.revision

    def _leaving(self) -> list[str]:
        return [host for host in self._at if host not in self._where and host not in self._extra]

    def _hosts(self, digest: str) -> tuple[str, ...]:
        """Return the hosts of a version, those where it is wanted first: so jobs stay where they are."""
        return tuple(host for host in self._counted() if self._at.get(host) == digest)

    def _proven(self, digest: str) -> bool:
        if digest in self._known and self._known[digest].proven:
            return True
        hosts = self._ground.hosts
        return (
            digest == self._wanted
            and bool(hosts)
            and all(self._at[host] == digest and self._runs(host) for host in hosts)
        )

    def _with_jobs(self) -> str:
        """Return the version that runs the app's jobs: an old one for as long as it has a host."""
        return next((old.digest for old in self._olds if self._wanted_hosts(old.digest)), self._wanted)

    def _wanted_hosts(self, digest: str) -> list[str]:
        return [host for host in self._ground.hosts if self._at[host] == digest]

    def _shares(self) -> dict[str, int]:
        """Return how many of a hundred requests each version gets."""
        olds = [old.digest for old in self._olds if self._hosts(old.digest)]
        if not olds:
            return {self._wanted: 100}
        old = next((digest for digest in olds if self._answering(digest)), olds[0])
        new, rest = self._answering(self._wanted), sum(map(self._answering, olds))
        if not new:
            share = 0
        elif not rest or self._known_proven():
            share = 100
        elif self._strategy.canary is not None:
            share = self._strategy.canary
        else:
            share = min(99, max(1, round(100 * new / (new + rest))))
        return {self._wanted: share, old: 100 - share}
