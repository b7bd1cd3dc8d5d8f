"""NATS as the simulation has it: buckets with revisions, leases and watchers, each client behind a link that takes time; messages are counted.

A message is what NATS counts: each one that a client sends it, and each one that it sends a client. `Bucket` has the methods of wisp's own, so that
its planner, leases and mirrors run on it unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wisp.lattice.nats.bucket import Conflict, Entry, Mirror
from wisp.lattice.nats.tasks import ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEARTBEAT: Final = 5.0
"""Seconds after which NATS tells a watcher that there is nothing new."""

WATCH: Final = 3
"""Round trips until a watcher is there: find the stream, make the consumer, ask how much there is."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a watcher is told: the part of the client's entries that mirrors look at."""

    key: str
    value: bytes
    revision: int
    operation: str | None


class Link:
    """The way between one client and NATS."""

    def __init__(
        self, broker: Broker, round_trip: float, bandwidth: float = 1e9, *, counted: bool = True
    ) -> None:
        """Make a link; what goes over one that is not `counted` is of somebody who only looks."""
        self.broker = broker
        self.counted = counted
        self._half = round_trip / 2
        self._bandwidth = bandwidth
        self._last = 0.0

    async def there(self, size: int = 0) -> None:
        """Send a message."""
        self.broker.messages += self.counted
        await asyncio.sleep(self._half + size / self._bandwidth)

    async def back(self, size: int = 0) -> None:
        """Receive the answer to it."""
        await self.there(size)

    async def round_trips(self, count: int) -> None:
        """Ask and be answered so many times."""
        for _ in range(count):
            await self.there()
            await self.back()

    def deliver(self, queue: asyncio.Queue[Told | None], told: Told | None) -> None:
        """Tell a watcher something, after what it was told before."""
        loop = asyncio.get_running_loop()
        self.broker.messages += self.counted and told is not None
        size = len(told.value) if told else 0
        self._last = max(loop.time() + self._half, self._last + 1e-9) + size / self._bandwidth
        loop.call_at(self._last, queue.put_nowait, told)


@dataclass(eq=False)
class Watcher:
    """Somebody who follows keys."""

    pattern: str
    link: Link
    queue: asyncio.Queue[Told | None] = field(default_factory=asyncio.Queue)
    heard: float = 0.0

    def wants(self, key: str) -> bool:
        """Whether it follows this key."""
        prefix, star, _ = self.pattern.partition("*")
        return key.startswith(prefix) if star else key == self.pattern

    def tell(self, told: Told) -> None:
        """Tell it what has changed."""
        self.heard = asyncio.get_running_loop().time()
        self.link.deliver(self.queue, told)

    async def __aiter__(self) -> AsyncIterator[Told | None]:
        """Give what it is told, None after all that there was."""
        while True:
            yield await self.queue.get()


class Store:
    """What NATS has of one bucket."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.watchers: set[Watcher] = set()
        self._sequence = 0

    def write(self, key: str, value: bytes | None, revision: int | None, lease: float | None) -> int:
        """Write or remove a key, if it is at this revision. Raises Conflict."""
        known = self.entries.get(key)
        if revision is not None and revision != (known.revision if known else 0):
            raise Conflict(key)
        self._sequence += 1
        if value is None:
            self.entries.pop(key, None)
        else:
            self.entries[key] = Entry(value, self._sequence)
        told = Told(key, value or b"", self._sequence, None if value is not None else "DEL")
        for watcher in self.watchers:
            if watcher.wants(key):
                watcher.tell(told)
        if lease is not None:
            asyncio.get_running_loop().call_later(lease, self._expire, key, self._sequence)
        return self._sequence

    def _expire(self, key: str, revision: int) -> None:
        with contextlib.suppress(Conflict):
            self.write(key, None, revision, None)


class Broker:
    """The server."""

    def __init__(self) -> None:
        self.messages = 0
        self.stores = {name: Store() for name in ("desired", "live")}

    async def beat(self) -> None:
        """Tell watchers that have heard nothing that all is well, without end."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HEARTBEAT)
            quiet = loop.time() - HEARTBEAT
            self.messages += sum(
                one.link.counted and one.heard <= quiet
                for store in self.stores.values()
                for one in store.watchers
            )


class Bucket:
    """One bucket, as one client has it."""

    def __init__(self, store: Store, link: Link) -> None:
        self._store = store
        self._link = link

    async def get(self, key: str) -> Entry | None:
        """Return the newest value of a key."""
        await self._link.there()
        found = self._store.entries.get(key)
        await self._link.back(len(found.value) if found else 0)
        return found

    async def put(self, key: str, value: bytes, *, lease: float | None = None) -> int:
        """Write a value, whatever was there."""
        return await self._write(key, value, None, lease)

    async def create(self, key: str, value: bytes, *, lease: float | None = None) -> int:
        """Write the value of a key that has none. Raises Conflict."""
        if await self.get(key):
            raise Conflict(key)
        return await self._write(key, value, 0, lease)

    async def update(self, key: str, value: bytes, revision: int, *, lease: float | None = None) -> int:
        """Write a value in place of the one with this revision. Raises Conflict."""
        return await self._write(key, value, revision, lease)

    async def remove(self, key: str, revision: int | None = None) -> None:
        """Remove a key, if it is at this revision. Raises Conflict."""
        await self._write(key, None, revision, None)

    @contextlib.asynccontextmanager
    async def mirror(self, *patterns: str, changed: asyncio.Event | None = None) -> AsyncIterator[Mirror]:
        """Follow all values whose keys match."""
        mirror = Mirror(changed or asyncio.Event())
        watchers, following = [], []
        try:
            for pattern in patterns:
                await self._link.round_trips(WATCH)
                watcher = Watcher(pattern, self._link)
                for key, entry in self._store.entries.items():
                    if watcher.wants(key):
                        watcher.tell(Told(key, entry.value, entry.revision, None))
                watcher.link.deliver(watcher.queue, None)
                self._store.watchers.add(watcher)
                watchers.append(watcher)
                following.append(asyncio.create_task(mirror.follow(watcher)))  # type: ignore[arg-type] # iterates only
            await mirror.complete(len(patterns))
            yield mirror
        finally:
            await ended(following)
            self._store.watchers.difference_update(watchers)

    async def _write(self, key: str, value: bytes | None, revision: int | None, lease: float | None) -> int:
        await self._link.there(len(value or b""))
        try:
            return self._store.write(key, value, revision, lease)
        finally:
            await self._link.back()
