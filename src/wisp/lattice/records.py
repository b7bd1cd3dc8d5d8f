"""Records: what is written into the buckets of a lattice, as models. Nothing is believed before it was read into one.

Keys that a newer wisp writes and we do not know are left out: hosts of two versions share a lattice while it is upgraded.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wisp.errors import LatticeError
from wisp.lattice.plan.placement import Demand, Last, Member
from wisp.lattice.plan.versions import Strategy, Version, Window
from wisp.manifest.values import Digest, parse_name

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
DEFAULT_CAPACITY: Final = 100
MOST_EVIDENCE: Final = 64 * 1024
"""Characters for each version: a value of a bucket has at most a mebibyte."""

State: TypeAlias = Literal["preparing", "running", "failed"]


def host_name(text: str) -> str:
    """Return the name of a host, or of a lattice, as it is; raises ValueError when it is none."""
    if NAME.fullmatch(text) is None:
        message = f'a name has lower-case letters, digits and hyphens, and at most 63 of them, not "{text}"'
        raise ValueError(message)
    return text


Name: TypeAlias = Annotated[str, AfterValidator(host_name)]
AppName: TypeAlias = Annotated[str, AfterValidator(parse_name)]


class Record(BaseModel):
    """One value of a bucket."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    def to_bytes(self) -> bytes:
        """Write it as it is kept."""
        return self.model_dump_json().encode()

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read it. Raises LatticeError."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            message = f"the lattice has a record that is no {cls.__name__}: {where}: {first['msg']}"
            raise LatticeError(message, hint="was it written by another version of wisp?") from error


class Identity(Record):
    """What tells a lattice from another one that has its name, or from what is left of it when NATS lost its data."""

    id: str


class Wishes(Record):
    """Where and how often an app is wanted."""

    replicas: Annotated[int, Field(ge=0)] | Literal["per-host"] = 1
    require: dict[str, str] = Field(default_factory=dict)
    spread: str | None = None
    weight: int = Field(1, ge=1)


class App(Record):
    """An app that was deployed: desired state."""

    name: AppName
    revision: int = Field(ge=1)
    """Counts the changes of this record."""

    digest: Digest
    """Of the locked app, an object."""

    version: str
    wishes: Wishes
    since: int
    """When it was first deployed, in milliseconds: who came first is placed first."""

    deleted: bool = False
    source: str | None = None
    """The reference that this version was pulled by, with the digest; None when it was built."""

    evidence: dict[str, Annotated[str, Field(max_length=MOST_EVIDENCE)]] = Field(default_factory=dict)
    """What speaks for the artifacts that versions were pulled by, by reference: manifests and signatures, for the policies of hosts."""

    configuration: Digest | None = None
    """The version of its configuration that is in force, an object (`wisp.lattice.configuration`)."""
    strategy: Strategy = Strategy()
    hurry: bool = False
    """Whether it is an earlier version: one that is known is not compared with the one that it follows."""

    history: tuple[Version, ...] = ()
    """The versions that it has had, the newest last."""

    def origin(self, digest: str) -> str | None:
        """Return the reference that one of its versions was pulled by; None when it was built, or is not known."""
        if digest == self.digest:
            return self.source
        return next((one.source for one in reversed(self.history) if one.digest == digest), None)

    def demand(self) -> Demand:
        """Return it as placement sees it."""
        wishes = self.wishes
        return Demand(self.name, wishes.replicas, wishes.require, wishes.spread, wishes.weight, self.since)


class HostRecord(Record):
    """A host that is there: the value of its lease."""

    name: Name
    token: str
    """Tells this host from another one with its name."""

    url: str
    """Where its apps answer."""

    labels: dict[str, str] = Field(default_factory=dict)
    capacity: int = Field(DEFAULT_CAPACITY, ge=0)
    workers: int
    version: str
    peer: str | None = None
    """`HOST:PORT` where other hosts send requests for its apps; None when it takes none from them."""

    xkey: str | None = None
    """The public part of its key for secrets."""

    def may_run(self, app: App) -> bool:
        """Whether this host may ever run an app."""
        return app.wishes.require.items() <= self.labels.items()

    def member(self, *, draining: bool) -> Member:
        """Return it as placement sees it."""
        return Member(self.name, self.labels, self.capacity, draining)


class Placed(Record):
    """A version of an app, and the hosts that run it. While an app changes, it is there once for each of its versions."""

    app: AppName
    revision: int
    digest: Digest
    hosts: tuple[Name, ...]
    """The first of them runs its jobs."""

    leaving: tuple[Name, ...] = ()
    """Hosts that go on running it until those that take over do."""

    share: int = Field(100, ge=0, le=100)
    """How many of a hundred requests for the app are for this version; all its versions have 100 together."""

    extra: tuple[Name, ...] = ()
    """Those of its hosts that run it only while the app changes."""

    away: tuple[Name, ...] = ()
    """Hosts that ran it and are not there any more, while none that is there answers yet: cut off from NATS, they may still be reached."""

    changing: tuple[Name, ...] = ()
    """Those of its hosts that have not said yet that they answer with it, while the app has another version."""

    jobs: bool = True
    """Whether the app's jobs are run by this version."""

    proven: bool = True
    """Whether it has answered on all of its hosts. A version that has not must answer a probe first, on each."""

    since: int | None = None
    """When it first answered beside another version, in milliseconds."""

    @property
    def answering(self) -> tuple[str, ...]:
        """The hosts to which its requests may go."""
        return tuple(host for host in self.hosts if host not in self.changing)

    def runs_jobs(self, host: str) -> bool:
        """Whether the app's jobs run on this host."""
        return self.jobs and self.hosts[:1] == (host,)

    @property
    def everywhere(self) -> tuple[str, ...]:
        """All hosts that are to run it now."""
        return (*self.hosts, *self.leaving)


class Peer(Record):
    """Where other hosts reach a host."""

    address: str
    workers: int = 1


class Missing(Record):
    """Replicas that no host can take, and why."""

    app: AppName
    count: int
    reason: str


class Assignment(Record):
    """Which host runs what: written by the planner, one after the other, each in place of the one before."""

    lattice: str
    """The id of the lattice."""

    number: int
    epoch: int
    """Counts the planners. A planner of an earlier one cannot write any more."""

    planner: Name
    apps: tuple[Placed, ...] = ()
    missing: tuple[Missing, ...] = ()
    marks: dict[str, str] = Field(default_factory=dict)
    """The hosts that placement knew, with what it knew of them."""

    peers: dict[str, Peer] = Field(default_factory=dict)
    """Where the hosts that run something are reached by others, by name."""

    def last(self) -> Last:
        """Return what placement must know of it."""
        hosts: dict[str, tuple[str, ...]] = {}
        for placed in sorted(self.apps, key=lambda placed: not placed.jobs):
            stay = tuple(host for host in placed.hosts if host not in placed.extra)
            hosts[placed.app] = (*hosts.get(placed.app, ()), *stay)
        return Last(hosts, self.marks)

    def on(self, host: str) -> tuple[Placed, ...]:
        """Return what a host is to run: of each app one version."""
        return tuple(placed for placed in self.apps if host in placed.everywhere)

    def versions(self, app: str) -> tuple[Placed, ...]:
        """Return where each version of an app is, the one that is wanted first."""
        found = [placed for placed in self.apps if placed.app == app]
        return tuple(sorted(found, key=lambda placed: -placed.revision))

    def placed(self, app: str) -> Placed | None:
        """Return where the version of an app is that is wanted."""
        return next(iter(self.versions(app)), None)


class ObservedApp(Record):
    """How an app is on one host."""

    app: AppName
    revision: int
    """What the host was told last."""

    state: State
    running: Digest | None = None
    """The locked app whose requests are answered now; an earlier one while, or because, the new one cannot run."""

    error: str | None = None
    configuration: Digest | None = None
    """The version of its configuration that those requests are answered with."""

    figures: tuple[Window, ...] = ()
    """What was counted of the version that runs, while the app has two."""


class Observed(Record):
    """What a host says of itself: written when it changes."""

    host: Name
    assignment: int
    """The number of the one that this is about."""

    apps: tuple[ObservedApp, ...] = ()


class PlannerRecord(Record):
    """Who plans: the value of the planner's lease."""

    host: Name


class Drain(Record):
    """That a host is to be left by everything."""

    host: Name
