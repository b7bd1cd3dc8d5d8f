"""Collecting what no app needs any more: objects, pieces of uploads that were given up, and keys to secrets that nobody names.

An app needs what its record names, and what the records in its history name that can still be gone back to; the assignment names what hosts run.
They name documents (locked apps, configurations), and those name the rest. Everything that has a digest in it counts, whatever a newer wisp means by it.

A deploy that is under way has put objects that no record names yet. Two things protect it. What was put or touched within the time of grace is left alone. And an
object is removed only in the state in which it was listed, which was before the records were read, while whoever writes a record touches its objects after that,
and puts again what is missing (`settled`). So when both run, either this sees the record, or it fails to remove, or the object comes back: no time is
long enough to break that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError
from wisp.lattice import named, state
from wisp.lattice.nats.bucket import Conflict
from wisp.lattice.records import App, Record
from wisp.lattice.state import ASSIGNMENT, COLLECTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from wisp.lattice.nats.bucket import Entry
    from wisp.lattice.records import HostRecord
    from wisp.lattice.state import State

_KEY_PARTS: Final = 4


class Collected(Record):
    """What was removed."""

    objects: int = 0
    size: int = 0
    """Bytes."""

    pieces: int = 0
    """Uploads that were given up."""

    keys: int = 0
    """Keys to secrets."""


@dataclass(frozen=True, slots=True)
class _Needed:
    """What is needed."""

    digests: frozenset[str]
    secrets: frozenset[str]


class Collecting:
    """Collects, again and again. What does not change is read once."""

    def __init__(self, lattice: State) -> None:
        self._lattice = lattice
        self._documents: dict[str, bytes] = {}

    async def forever(self, interval: float, grace: float, tell: Callable[[str, str], None]) -> None:
        """Collect at each interval, without end. Where that fails, it is said, and nothing else suffers."""
        while True:
            await asyncio.sleep(interval)
            try:
                found = await self.collect(await self.moment(grace))
            except LatticeError as error:
                tell("collect-failed", f"what no app names was not removed: {error.message}")
                continue
            if found != Collected():
                tell("collected", f"removed {found.objects} objects that no app names, {found.size} bytes")

    async def moment(self, grace: float) -> datetime:
        """Return the moment so many seconds ago, by the server's clock: ours may be wrong. Raises LatticeError."""
        await self._lattice.live.put(COLLECTED, b"{}")
        now = await self._lattice.live.written(COLLECTED)
        if now is None:
            raise LatticeError("NATS has lost what was just written")
        return now - timedelta(seconds=grace)

    async def collect(self, before: datetime, uploads: datetime | None = None) -> Collected:
        """Remove what nobody needs and that was written before a moment. Raises LatticeError.

        Args:
            before: By the server's clock.
            uploads: The same for uploads without an end; of these nothing tells but the time that they are given up.

        """
        heads = await self._lattice.objects.heads()
        keys = await self._keys(before)
        needed = await self._needed()
        removed = [
            head
            for head in heads
            if head.written < before
            and head.digest not in needed.digests
            and await self._lattice.objects.remove(head)
        ]
        return Collected(
            objects=len(removed),
            size=sum(head.size for head in removed),
            pieces=await self._lattice.objects.remove_pieces(uploads or before),
            keys=await self._remove_keys(keys, needed),
        )

    async def _needed(self) -> _Needed:
        """Return what records name, and what is named there."""
        assignment = await self._lattice.desired.get(ASSIGNMENT)
        contents = [assignment.value] if assignment else []
        for key, entry in (await self._lattice.desired.entries("app.*")).items():
            contents += await self._history(key, entry)
        roots = named.digests(contents)
        documents = [await self._document(digest) for digest in sorted(roots)]
        self._documents = {digest: one for digest, one in self._documents.items() if digest in roots}
        return _Needed(roots | named.digests(documents), named.secrets(documents))

    async def _history(self, key: str, entry: Entry) -> list[bytes]:
        """Return the records of an app that can be gone back to; all of them when they are a newer wisp's."""
        values = [entry.value, *await self._lattice.desired.history(key)]
        try:
            now = App.read(entry.value)
            return [] if now.deleted else [one for one in values if App.read(one).since == now.since]
        except LatticeError:
            return values

    async def _document(self, digest: str) -> bytes:
        if digest not in self._documents:
            if not await self._lattice.objects.has(digest):
                return b""  # lost, and so is what only it names
            self._documents[digest] = await self._lattice.objects.get(digest)
        return self._documents[digest]

    async def _keys(self, before: datetime) -> dict[str, Entry]:
        """Return the keys to secrets that were written before a moment."""
        entries = await self._lattice.desired.entries("sealed.>")
        found = {}
        for key, entry in entries.items():
            written = await self._lattice.desired.written(key)
            if written is not None and written < before:
                found[key] = entry
        return found

    async def _remove_keys(self, keys: Mapping[str, Entry], needed: _Needed) -> int:
        """Remove keys to secrets that nobody names, or that are sealed to hosts that may not have them any more."""
        apps = state.apps(await self._lattice.desired.entries("app.*"))
        hosts = state.hosts(await self._lattice.live.entries("host.*"))
        count = 0
        for key, entry in keys.items():
            if _is_needed(key, needed, apps, hosts):
                continue
            try:
                await self._lattice.desired.purge(key, entry.revision)
            except Conflict:
                continue  # sealed anew meanwhile
            count += 1
        return count


def _is_needed(key: str, needed: _Needed, apps: Mapping[str, App], hosts: Mapping[str, HostRecord]) -> bool:
    parts = key.split(".")
    if len(parts) != _KEY_PARTS:
        return True
    _, name, secret, host = parts
    if secret not in needed.secrets:
        return False
    app, record = apps.get(name), hosts.get(host)
    return app is None or record is None or record.may_run(app)


async def settled(
    lattice: State,
    contents: Mapping[str, Callable[[], bytes]],
    write: Callable[[], Awaitable[App]],
    report: Callable[[str], None] = lambda message: None,
) -> App:
    """Write a record that names objects, which are there afterwards whatever is collected meanwhile. Raises LatticeError.

    Args:
        lattice: Where.
        contents: How to read each object, by digest.
        write: Writes the record.
        report: Told what is being sent.

    """
    await _put(lattice, contents, report)
    app = await write()
    await _put(lattice, contents, report)
    return app


async def _put(
    lattice: State, contents: Mapping[str, Callable[[], bytes]], report: Callable[[str], None]
) -> None:
    for digest, content in contents.items():
        if await lattice.objects.touch(digest):
            continue
        report(f"sending {digest[:19]}")
        if await lattice.objects.put(await asyncio.to_thread(content)) != digest:
            message = f"the object {digest} is something else now"
            raise LatticeError(message, hint="build and deploy it again")


async def whole(lattice: State, app: App) -> App:
    """Return an app whose objects are there, and stay. Raises LatticeError when one is missing."""
    document = await lattice.objects.get(app.digest)
    for digest in {app.digest, *named.digests([document])}:
        if not await lattice.objects.touch(digest):
            message = f"version {app.version} of {app.name} is not complete any more: {digest} was removed"
            raise LatticeError(message, hint="deploy it again")
    return app
