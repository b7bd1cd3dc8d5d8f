"""Placement: which hosts run which apps. A pure function; the holder of the planner's lease calls it.

What is placed stays where it is unless it must move, so the result is found in four steps, each for all apps before the next:

1. *Keep* what the last assignment has, where the host is still there, still fits and still has room.
2. *Fill* what is missing: from the group of the spread label that has the fewest, the host with the best score.
3. *Even out* apps with a spread label: from the fullest group into the emptiest that has room, while they differ by two.
4. *Share* with hosts that the last assignment did not know: each takes over what scores better there than where it is,
   but no more than its fair part of everything.

A score is that of weighted rendezvous hashing: it depends on the app, the host and the host's capacity only, so a host twice
as large gets twice as many apps, and the loss of a host changes no score of another. Placing again what has just been placed
changes nothing: all of it is kept, nothing is missing, and no host is new.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

PER_HOST: Final = "per-host"
Replicas: TypeAlias = int | Literal["per-host"]


@dataclass(frozen=True, slots=True)
class Member:
    """A host as placement sees it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    capacity: int = 100
    """How much weight it takes."""

    draining: bool = False
    """Nothing is placed here, and what is here leaves."""

    @property
    def mark(self) -> str:
        """What makes it another host than before, for placement: its labels and its capacity."""
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"{self.capacity};{labels}" + (";draining" if self.draining else "")


@dataclass(frozen=True, slots=True)
class Demand:
    """An app as placement sees it."""

    app: str
    replicas: Replicas = 1
    require: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Labels that a host must have."""

    spread: str | None = None
    """The label over whose values replicas are spread evenly."""

    weight: int = 1
    """What one replica takes of a host's capacity."""

    since: int = 0
    """Who came first is placed first; names decide between equals."""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Replicas of an app that no host can take."""

    app: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Last:
    """What placement must know of the last assignment."""

    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By app."""

    marks: Mapping[str, str] = field(default_factory=dict)
    """By host: its mark then."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Which hosts run which apps, and what is missing."""

    hosts: Mapping[str, tuple[str, ...]]
    """By app. A host that stays comes before one that is new, and the first host of an app runs its jobs."""

    unplaced: tuple[Unplaced, ...]
    marks: Mapping[str, str]

    def as_last(self) -> Last:
        """Return what the next placement must know of this one."""
        return Last(self.hosts, self.marks)


def place(demands: Iterable[Demand], members: Iterable[Member], last: Last | None = None) -> Placement:
    """Say which hosts run which apps. The order of what is given does not matter."""
    board = _Board(demands, members, last or Last())
    for demand in board.demands:
        board.keep(demand)
    board.settle()
    for member in board.newcomers():
        board.share(member)
    board.settle()  # what moved to new hosts may have left room for what was missing
    unplaced = [missing for demand in board.demands if (missing := board.missing(demand))]
    return Placement(
        {demand.app: board.ordered(demand.app) for demand in board.demands},
        tuple(sorted(unplaced, key=lambda one: one.app)),
        {member.name: member.mark for member in board.members.values()},
    )


@lru_cache(maxsize=1 << 17)
def score(app: str, host: str, capacity: int) -> float:
    """Return how well an app belongs to a host; the greater the better."""
    digest = hashlib.sha256(f"{app}\0{host}".encode()).digest()
    fraction = (int.from_bytes(digest[:7]) + 0.5) / (1 << 56)
    return capacity / -math.log(fraction)


class _Board:
    """What is placed so far."""

    def __init__(self, demands: Iterable[Demand], members: Iterable[Member], last: Last) -> None:
        self.demands: Sequence[Demand] = sorted(demands, key=lambda demand: (demand.since, demand.app))
        self.members = {member.name: member for member in sorted(members, key=lambda member: member.name)}
        self._last = last
        self._room = {member.name: member.capacity for member in self.members.values()}
        self._placed: dict[str, dict[str, None]] = {demand.app: {} for demand in self.demands}
        """By app: its hosts, in the order in which they were placed."""

        self._fitting = {demand.app: self._fits(demand) for demand in self.demands}

    def keep(self, demand: Demand) -> None:
        """Keep what the last assignment has; of too many, the fullest groups lose those with the worst scores."""
        fitting = {member.name for member in self._fitting[demand.app]}
        kept = [name for name in self._last.hosts.get(demand.app, ()) if name in fitting]
        surplus = len(kept) - self._wanted(demand)
        if surplus > 0:
            kept = self._best(demand, kept, len(kept) - surplus)
        for name in kept:
            if self._room[name] >= demand.weight:
                self._put(demand, name)

    def settle(self) -> None:
        """Fill and even out until there is nothing to do: each may leave room for the other."""
        while sum(self._fill(demand) + self._even_out(demand) for demand in self.demands):
            pass

    def _fill(self, demand: Demand) -> int:
        """Place what is missing, as far as there is room. Returns how many were placed."""
        short = self._wanted(demand) - len(self._placed[demand.app])
        free = [member.name for member in self._free(demand)] if short > 0 else []
        chosen = self._best(demand, free, short, beside=self._placed[demand.app])
        for name in chosen:
            self._put(demand, name)
        return len(chosen)

    def _even_out(self, demand: Demand) -> int:
        """Move replicas from the fullest groups into emptier ones, while a move makes them more even."""
        count = 0
        while demand.spread is not None and (move := self._evening(demand)):
            self._move(demand, *move)
            count += 1
        return count

    def newcomers(self) -> list[Member]:
        """Return the hosts that the last assignment did not know as they are."""
        if not self._last.marks:
            return []
        return [
            member
            for member in self.members.values()
            if not member.draining and self._last.marks.get(member.name) != member.mark
        ]

    def share(self, newcomer: Member) -> None:
        """Let a new host take over what scores better there, up to its fair part."""
        total = sum(demand.weight * len(self._placed[demand.app]) for demand in self.demands)
        capacity = sum(member.capacity for member in self.members.values() if not member.draining)
        fair = total * newcomer.capacity // capacity if capacity else 0
        taken = newcomer.capacity - self._room[newcomer.name]
        for gain, app, leaves in sorted(self._gains(newcomer), key=lambda one: (-one[0], one[1])):
            demand = next(demand for demand in self.demands if demand.app == app)
            if gain > 1 and taken + demand.weight <= min(fair, newcomer.capacity):
                self._move(demand, leaves, newcomer.name)
                taken += demand.weight

    def missing(self, demand: Demand) -> Unplaced | None:
        """Say why an app has fewer replicas than it wants, if it has."""
        count = self._wanted(demand) - len(self._placed[demand.app])
        if demand.replicas == PER_HOST and not self._fitting[demand.app]:
            count = 1
        return Unplaced(demand.app, count, self._why(demand)) if count > 0 else None

    def ordered(self, app: str) -> tuple[str, ...]:
        """Return the hosts of an app: first those that it had, in their order."""
        placed, before = self._placed[app], self._last.hosts.get(app, ())
        stay = [name for name in before if name in placed]
        return (*stay, *sorted(set(placed) - set(stay)))

    def _fits(self, demand: Demand) -> list[Member]:
        return [
            member
            for member in self.members.values()
            if not member.draining and demand.require.items() <= member.labels.items()
        ]

    def _wanted(self, demand: Demand) -> int:
        if demand.replicas == PER_HOST:
            return len(self._fitting[demand.app])
        return int(demand.replicas)

    def _free(self, demand: Demand) -> list[Member]:
        """Return the hosts that could take one replica more."""
        return [member for member in self._fitting[demand.app] if self._could(demand, member)]

    def _could(self, demand: Demand, member: Member) -> bool:
        room = self._room[member.name] >= demand.weight and not member.draining
        fits = demand.require.items() <= member.labels.items()
        return room and fits and member.name not in self._placed[demand.app]

    def _put(self, demand: Demand, name: str) -> None:
        self._placed[demand.app][name] = None
        self._room[name] -= demand.weight

    def _move(self, demand: Demand, leaves: str, to: str) -> None:
        del self._placed[demand.app][leaves]
        self._room[leaves] += demand.weight
        self._put(demand, to)

    def _rank(self, demand: Demand, member: Member) -> tuple[float, str]:
        """Return what sorts the best host first."""
        return -score(demand.app, member.name, member.capacity), member.name

    def _group(self, demand: Demand, name: str) -> str | None:
        return None if demand.spread is None else self.members[name].labels.get(demand.spread)

    def _counts(self, demand: Demand, names: Collection[str]) -> Counter[str | None]:
        return Counter(self._group(demand, name) for name in names)

    def _best(
        self, demand: Demand, names: Iterable[str], count: int, *, beside: Collection[str] = ()
    ) -> list[str]:
        """Choose so many hosts: each from the group that has the fewest until then, and of it the one with the best score."""
        counts = self._counts(demand, beside)
        groups: dict[str | None, list[tuple[float, str]]] = {}
        for name in names:
            groups.setdefault(self._group(demand, name), []).append(self._rank(demand, self.members[name]))
        for ranks in groups.values():
            ranks.sort(reverse=True)
        waiting = [(counts[group], ranks[-1], group) for group, ranks in groups.items()]
        heapq.heapify(waiting)
        chosen: list[str] = []
        while waiting and len(chosen) < count:
            full, (_, name), group = heapq.heappop(waiting)
            chosen.append(name)
            groups[group].pop()
            if groups[group]:
                heapq.heappush(waiting, (full + 1, groups[group][-1], group))
        return chosen

    def _least(self, demand: Demand, names: Collection[str]) -> str:
        """Return the host that an app can do without best: in the fullest group, with the worst score."""
        counts = self._counts(demand, names)
        return max(
            names,
            key=lambda name: (counts[self._group(demand, name)], self._rank(demand, self.members[name])),
        )

    def _emptiest(self, demand: Demand, free: Sequence[Member]) -> Member:
        """Return the host to move a replica to: in the group that has the fewest, the one with the best score."""
        counts = self._counts(demand, self._placed[demand.app])
        return min(free, key=lambda one: (counts[self._group(demand, one.name)], self._rank(demand, one)))

    def _evening(self, demand: Demand) -> tuple[str, str] | None:
        """Return the move that makes the groups of an app more even, if there is one."""
        placed, free = self._placed[demand.app], self._free(demand)
        if not placed or not free:
            return None
        counts = self._counts(demand, placed)
        leaves, best = self._least(demand, placed), self._emptiest(demand, free)
        full, empty = counts[self._group(demand, leaves)], counts[self._group(demand, best.name)]
        return (leaves, best.name) if full - empty > 1 else None

    def _gains(self, newcomer: Member) -> list[tuple[float, str, str]]:
        """Return what may move to a new host: by how much it scores better there, the app, and the host it leaves."""
        gains = []
        for demand in self.demands:
            placed = self._placed[demand.app]
            if demand.replicas == PER_HOST or not self._could(demand, newcomer):
                continue
            group = self._group(demand, newcomer.name)
            candidates = self._leaving(demand, group, placed)
            if candidates:
                leaves = max(candidates, key=lambda name: self._rank(demand, self.members[name]))
                here = score(demand.app, leaves, self.members[leaves].capacity)
                gains.append((score(demand.app, newcomer.name, newcomer.capacity) / here, demand.app, leaves))
        return gains

    def _leaving(self, demand: Demand, group: str | None, placed: Collection[str]) -> list[str]:
        """Return the hosts from which a replica may move into a group without making the groups less even."""
        counts = self._counts(demand, placed)
        return [
            name
            for name in placed
            if self._group(demand, name) == group or counts[self._group(demand, name)] > counts[group]
        ]

    def _why(self, demand: Demand) -> str:
        if not self.members:
            return "the lattice has no hosts"
        fitting = self._fitting[demand.app]
        if not fitting:
            return self._why_none(demand)
        full = [
            member
            for member in fitting
            if member.name not in self._placed[demand.app] and self._room[member.name] < demand.weight
        ]
        if full:
            rooms = ", ".join(f"{member.name} has {self._room[member.name]}" for member in full[:5])
            more = f" and {len(full) - 5} more have too little" if len(full) > 5 else ""  # noqa: PLR2004 - as many are named
            return f"a replica needs {demand.weight} of a host's capacity; {rooms} left{more}"
        hosts = (
            "the one host that fits runs"
            if len(fitting) == 1
            else f"each of the {len(fitting)} hosts that fit runs"
        )
        return f"{hosts} a replica already"

    def _why_none(self, demand: Demand) -> str:
        alike = [m for m in self.members.values() if demand.require.items() <= m.labels.items()]
        if alike:
            return "every host that fits is being drained"
        labels = ", ".join(f"{name}={value}" for name, value in sorted(demand.require.items()))
        return f"no host has {labels}"


def parse_replicas(text: str) -> Replicas:
    """Read `3` or `per-host`. Raises ValueError."""
    if text == PER_HOST:
        return PER_HOST
    if not text.isdecimal():
        message = f'expected a number or "{PER_HOST}", found "{text}"'
        raise ValueError(message)
    return int(text)
