"""What happens in a soak, and when: a pure function of the seed, so that what was found once can be found again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "kill",
    "freeze",
    "stop",
    "cut",
    "isolate-nats",
    "slow",
    "lose",
    "kill-nats",
    "forget-leases",
    "clock",
    "drain",
    "planner",
    "server",
]
_OF_NATS: Final = ("kill-nats", "isolate-nats")
KINDS: Final[tuple[Kind, ...]] = tuple(kind for kind in get_args(Kind) if kind != "server")
"""What happens to hosts that have their NATS elsewhere."""

KINDS_OF_SERVERS: Final[tuple[Kind, ...]] = tuple(
    kind for kind in get_args(Kind) if kind not in {*_OF_NATS, "clock"}
)
"""What happens to hosts that are their own NATS. Their certificates are of a real authority, and want a clock that is right."""
LONGEST: Final = 8.0
"""Seconds that a fault lasts at most: longer than leases and a planner's patience together would be no other fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    at: float
    """Seconds after the one before is over, and all is well again."""

    kind: Kind
    hosts: tuple[str, ...]
    """To whom it happens; of hosts that plan, nobody knows before."""

    lasts: float
    deploys: tuple[tuple[str, str], ...]
    """What is deployed while it lasts: apps, and their replicas."""

    amount: float
    """How much of it: the share of packets lost, the seconds of a delay, the days that a clock jumps."""

    def __str__(self) -> str:
        """Write it as one line of a schedule."""
        deploys = " ".join(f"{app}x{replicas}" for app, replicas in self.deploys) or "nothing"
        who = ",".join(self.hosts)
        return f"+{self.at:.1f}s {self.kind} of {who} for {self.lasts:.1f}s ({self.amount:.2f}), deploying {deploys}"


class Schedule:
    """Faults without end; the same ones for the same seed, hosts and kinds."""

    def __init__(self, seed: int, hosts: list[str], apps: list[str], kinds: tuple[Kind, ...] = KINDS) -> None:
        self._random = random.Random(seed)  # noqa: S311 - it is to be foreseen
        self._hosts, self._apps, self._kinds = hosts, apps, kinds
        self._left: list[Kind] = []
        # A host can only be left when the others can take what it runs.
        self._replicas = [*map(str, range(1, min(4, len(hosts)))), "per-host"]

    def next(self) -> Fault:
        """Return the next one. All kinds have their turn before one comes again."""
        if not self._left:
            self._left = self._random.sample(self._kinds, len(self._kinds))
        chance = self._random
        minority = chance.randint(1, (len(self._hosts) - 1) // 2)
        return Fault(
            at=chance.uniform(0, 2),
            kind=self._left.pop(),
            hosts=tuple(sorted(chance.sample(self._hosts, minority))),
            lasts=chance.uniform(0, LONGEST),
            deploys=tuple(
                (chance.choice(self._apps), chance.choice(self._replicas))
                for _ in range(chance.randint(0, 2))
            ),
            amount=chance.uniform(0.05, 0.5),
        )
