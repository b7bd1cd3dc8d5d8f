"""The state of a lattice in NATS: its buckets, what is in them, and who writes it.

wisp-NAME        on disk, ten revisions of each key
  lattice        which lattice this is                      the first host
  app.APP        desired state: what was deployed           `wisp deploy`, `scale`, `delete`
  drain.HOST     that a host is to be left                  `wisp drain`
  sealed.APP.ID.HOST  the key to a secret, for one host     `wisp secret set`, and hosts for those that join
  assignment     which host runs what                       the planner, by compare-and-set
wisp-NAME-live   in memory: worth nothing after NATS has been away
  host.HOST      a lease: this host is there                each host, every second
  planner        a lease: who plans                         the planner, every second
  observed.HOST  what a host says of its apps               each host, when it changes
  collected      when was collected what no app needs       the planner, and `wisp lattice collect`
wisp-NAME        objects: locked apps, components and configurations by digest
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from wisp.errors import LatticeError
from wisp.lattice.nats.bucket import Bucket, Conflict
from wisp.lattice.nats.connection import Silence, patiently
from wisp.lattice.nats.objects import Objects
from wisp.lattice.nats.requests import Requests
from wisp.lattice.records import App, Assignment, HostRecord, Identity, Observed, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wisp.lattice.nats.bucket import Entry
    from wisp.lattice.nats.connection import Connection

Read = TypeVar("Read", bound=Record)

IDENTITY: Final = "lattice"
ASSIGNMENT: Final = "assignment"
PLANNER: Final = "planner"
COLLECTED: Final = "collected"
HISTORY: Final = 10


@dataclass(frozen=True, slots=True)
class Timing:
    """How long what may take, in seconds."""

    lease: float = 3.0
    """A host that does not renew for so long is gone. Whole seconds."""

    renew: float = 1.0
    settle: float = 6.0
    """How long a new planner waits for hosts that it knows of: they may be on their way back, as it has been."""

    collect: float = 600.0
    """Between two collections of what no app needs any more."""

    grace: float = 3600.0
    """How long such things are left alone."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of one lattice, for one stretch of being connected."""

    name: str
    identity: Identity | None
    """None when nothing is there, or not any more."""

    desired: Bucket
    live: Bucket
    objects: Objects
    requests: Requests

    @classmethod
    async def open(cls, connection: Connection, name: str) -> State:
        """Return the state of a lattice that exists. Raises LatticeError."""
        if await Bucket.open(connection, bucket_name(name)) is None:
            message = f"there is no lattice {name} at this NATS server"
            raise LatticeError(message, hint="a first host makes it: `wisp host`, or `wisp lattice up`")
        return await cls.make(connection, name)

    @classmethod
    async def make(cls, connection: Connection, name: str) -> State:
        """Return the state of a lattice, whose buckets exist afterwards. Raises LatticeError."""
        desired = await Bucket.make(connection, bucket_name(name), history=HISTORY)
        live = await Bucket.make(connection, f"{bucket_name(name)}-live", on_disk=False)
        objects = await Objects.make(connection, bucket_name(name))
        found = await desired.get(IDENTITY)
        identity = Identity.read(found.value) if found else None
        return cls(name, identity, desired, live, objects, Requests(connection.client, name))

    async def founded(self) -> Identity:
        """Make this a new lattice, unless it is one. Raises LatticeError."""
        if self.identity is not None:
            return self.identity
        identity = Identity(id=secrets.token_hex(8))
        # Tried again it does no harm: who has been the first finds its own.
        return await patiently(lambda: self._found(identity))

    async def _found(self, identity: Identity) -> Identity:
        try:
            await self.desired.create(IDENTITY, identity.to_bytes())
        except Conflict as error:
            found = await self.desired.get(IDENTITY)
            if found is None:
                # A cluster refuses a second writer before it lets anybody read what the first one wrote.
                raise Silence from error
            return Identity.read(found.value)
        return identity

    async def assignment(self) -> Assignment | None:
        """Return the newest assignment. Raises LatticeError."""
        found = await self.desired.get(ASSIGNMENT)
        return Assignment.read(found.value) if found else None


def bucket_name(lattice: str) -> str:
    """Return the name of the bucket, and of the store of objects, of a lattice."""
    return f"wisp-{lattice}"


def apps(entries: Mapping[str, Entry]) -> dict[str, App]:
    """Return the apps among entries, those that were deleted too, by name. What cannot be read is left out."""
    return {record.name: record for record in _readable(App, "app.", entries)}


def hosts(entries: Mapping[str, Entry]) -> dict[str, HostRecord]:
    """Return the hosts among entries, by name. What cannot be read is left out."""
    return {record.name: record for record in _readable(HostRecord, "host.", entries)}


def observed(entries: Mapping[str, Entry]) -> dict[str, Observed]:
    """Return what hosts say of themselves, by host. What cannot be read is left out."""
    return {record.host: record for record in _readable(Observed, "observed.", entries)}


def _readable(kind: type[Read], prefix: str, entries: Mapping[str, Entry]) -> Iterator[Read]:
    for key, entry in entries.items():
        if key.startswith(prefix):
            with contextlib.suppress(LatticeError):
                yield kind.read(entry.value)


def draining(entries: Mapping[str, Entry]) -> frozenset[str]:
    """Return the hosts that are to be left."""
    return frozenset(key.partition(".")[2] for key in entries if key.startswith("drain."))
