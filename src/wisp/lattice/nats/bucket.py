"""Buckets: keys and values of JetStream, with revisions, time to live, and mirrors that follow them.

A value can be bound to a lease: when it is not written again in time, the server removes it and leaves a marker, which mirrors see.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import nats.errors
import nats.js.errors
from nats.js import api

from wisp.errors import LatticeError
from wisp.lattice.nats.connection import WRONG_REVISION, Silence, explained, patiently
from wisp.lattice.nats.tasks import ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from nats.js.kv import KeyValue

    from wisp.lattice.nats.connection import Connection

PATIENCE: Final = 10.0
"""Seconds in which the server must have told a mirror all there is."""

FORGOTTEN_SECONDS: Final = 5.0
"""How long a server keeps what it knows of a mirror that is gone. The client's own default is five minutes, in which everybody who
reads a bucket once a second leaves three hundred behind; and a connection that breaks is not taken up again."""

MARKER_SECONDS: Final = 60.0
"""How long the marker of an expired value stays."""


class Conflict(LatticeError):  # noqa: N818 - says it all
    """Somebody else has written this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} was written by somebody else")


class Kept(NamedTuple):
    """On which servers a bucket is."""

    servers: tuple[str, ...]
    """By name, where NATS is a cluster."""

    replicas: int
    """How many of them are to keep it."""

    current: int
    """How many have all of it now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value, and the revision at which it was written."""

    value: bytes
    revision: int


class Bucket:
    """One bucket. Made with `open`."""

    def __init__(self, connection: Connection, name: str, keys: KeyValue) -> None:
        self._jetstream, self._reads = connection.jetstream, connection.reads
        self._name = name
        self._keys = keys

    @classmethod
    async def open(cls, connection: Connection, name: str) -> Bucket | None:
        """Return a bucket, None when there is none of that name. Raises LatticeError."""
        return await patiently(lambda: cls._opened(connection, name))

    @classmethod
    async def _opened(cls, connection: Connection, name: str) -> Bucket | None:
        with explained():
            try:
                return cls(connection, name, await connection.reads.key_value(name))
            except nats.js.errors.NotFoundError:
                return None

    @classmethod
    async def make(
        cls, connection: Connection, name: str, *, history: int = 1, on_disk: bool = True
    ) -> Bucket:
        """Return a bucket, which exists afterwards. Raises LatticeError."""
        if found := await cls.open(connection, name):
            return found
        config = api.KeyValueConfig(
            bucket=name,
            history=history,
            storage=api.StorageType.FILE if on_disk else api.StorageType.MEMORY,
            limit_marker_ttl=MARKER_SECONDS,
            replicas=connection.replicas,
        )
        with explained():
            return cls(connection, name, await connection.jetstream.create_key_value(config))

    async def kept(self) -> Kept:
        """Say which servers keep it. Raises LatticeError."""
        info = await patiently(self._info)
        wanted = info.config.num_replicas or 1
        if info.cluster is None or not info.cluster.name:
            return Kept((), wanted, wanted)
        others = info.cluster.replicas or []
        names = [*filter(None, [info.cluster.leader]), *(one.name or "" for one in others)]
        current = sum(1 for one in others if one.current and not one.offline) + bool(info.cluster.leader)
        return Kept(tuple(sorted(names)), wanted, current)

    async def _info(self) -> api.StreamInfo:
        with explained():
            return await self._reads.stream_info(f"KV_{self._name}")

    async def get(self, key: str) -> Entry | None:
        """Return the newest value of a key, None when it has none. Raises LatticeError."""
        found = await self._last(key)
        return Entry(found.data or b"", found.seq or 0) if found is not None and _is_value(found) else None

    async def put(self, key: str, value: bytes, *, lease: float | None = None) -> int:
        """Write a value, whatever was there, and return its revision. Raises LatticeError."""
        return await self._publish(key, value, {}, lease)

    async def create(self, key: str, value: bytes, *, lease: float | None = None) -> int:
        """Write the value of a key that has none. Raises Conflict, LatticeError."""
        last = await self._last(key)
        if last is not None and _is_value(last):
            raise Conflict(key)
        return await self.update(key, value, last.seq if last and last.seq else 0, lease=lease)

    async def update(self, key: str, value: bytes, revision: int, *, lease: float | None = None) -> int:
        """Write a value in place of the one with this revision. Raises Conflict, LatticeError."""
        expected = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision)}
        return await self._publish(key, value, expected, lease)

    async def remove(self, key: str, revision: int | None = None) -> None:
        """Remove a key, if it is at this revision. Raises Conflict, LatticeError."""
        headers = {"KV-Operation": "DEL"}
        if revision is not None:
            headers[api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value] = str(revision)
        await self._publish(key, b"", headers, None)

    async def purge(self, key: str, revision: int) -> None:
        """Remove a key with all that it has been, if it is at this revision. Raises Conflict, LatticeError."""
        headers = {
            "KV-Operation": "PURGE",
            api.Header.ROLLUP.value: "sub",
            api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision),
        }
        await self._publish(key, b"", headers, MARKER_SECONDS)

    async def written(self, key: str) -> datetime | None:
        """Return when the newest value of a key was written, by the server's clock. Raises LatticeError."""
        found = await self._last(key)
        return found.time if found is not None and _is_value(found) else None

    async def entries(self, pattern: str = ">") -> dict[str, Entry]:
        """Return all values whose keys match. Raises LatticeError."""
        async with self.mirror(pattern) as mirror:
            return dict(mirror.entries)

    async def history(self, key: str) -> list[bytes]:
        """Return the values that a key has had, as far back as the bucket keeps them, the oldest first. Raises LatticeError."""
        return await patiently(lambda: self._history(key))

    async def _history(self, key: str) -> list[bytes]:
        found: list[bytes] = []
        with explained():
            watcher = await self._keys.watch(key, include_history=True, inactive_threshold=FORGOTTEN_SECONDS)
            try:
                async with asyncio.timeout(PATIENCE):
                    async for entry in self.told(watcher, key):
                        if entry is None:
                            break
                        found += [entry.value or b""] if entry.operation is None else []
            finally:
                await _stopped(watcher)
        return found

    async def told(self, watcher: KeyValue.KeyWatcher, pattern: str) -> AsyncIterator[KeyValue.Entry | None]:
        """Give what a watcher tells, and None once when it has told all there was. Raises LatticeError.

        The client says so too soon, when the server has sent what there is and it has not come yet. So it is believed only when it was told
        that nothing comes behind an entry, or when the server says that there is nothing.
        """
        complete = False
        async for entry in watcher:
            if entry is None:
                if complete or await self._has_any(pattern):
                    continue
            else:
                yield entry
                if complete or entry.delta:
                    continue
            complete = True
            yield None

    async def _has_any(self, pattern: str) -> bool:
        with explained():
            info = await self._reads.stream_info(
                f"KV_{self._name}", subjects_filter=f"$KV.{self._name}.{pattern}"
            )
        return bool(info.state.subjects)

    @contextlib.asynccontextmanager
    async def mirror(self, *patterns: str, changed: asyncio.Event | None = None) -> AsyncIterator[Mirror]:
        """Follow all values whose keys match. The block begins when the mirror has all there is. Raises LatticeError.

        Args:
            patterns: Keys, where `*` stands for one part and `>` for the rest.
            changed: Set at each change; mirrors that are read together share one.

        """
        event = changed or asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            yield await patiently(lambda: self._followed(patterns, event, stack))

    async def _followed(
        self, patterns: Sequence[str], changed: asyncio.Event, until: contextlib.AsyncExitStack
    ) -> Mirror:
        """Return a mirror that has all there is, and follows it until the stack is closed."""
        mirror = Mirror(changed)
        async with contextlib.AsyncExitStack() as stack:
            for pattern in patterns:
                with explained():
                    watcher = await self._keys.watch(pattern, inactive_threshold=FORGOTTEN_SECONDS)
                stack.push_async_callback(_stopped, watcher)
                following = asyncio.create_task(mirror.follow(self.told(watcher, pattern)))
                stack.push_async_callback(ended, [following])
            await mirror.complete(len(patterns))
            until.push_async_exit(stack.pop_all())
        return mirror

    async def _last(self, key: str) -> api.RawStreamMsg | None:
        return await patiently(lambda: self._last_now(key))

    async def _last_now(self, key: str) -> api.RawStreamMsg | None:
        with explained():
            try:
                return await self._reads.get_msg(
                    f"KV_{self._name}", subject=f"$KV.{self._name}.{key}", direct=False
                )
            except nats.js.errors.NotFoundError:
                return None

    async def _publish(self, key: str, value: bytes, headers: dict[str, str], lease: float | None) -> int:
        subject = f"$KV.{self._name}.{key}"
        with explained():
            try:
                # Of a lease, an answer comes too late when it has ended.
                answer = await self._jetstream.publish(
                    subject, value, headers=headers or None, msg_ttl=lease, timeout=lease
                )
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_REVISION:
                    raise Conflict(key) from error
                raise
        return answer.seq


class Mirror:
    """What is in a bucket, followed by events."""

    def __init__(self, changed: asyncio.Event) -> None:
        self.entries: dict[str, Entry] = {}
        self._changed = changed
        self._told = asyncio.Semaphore(0)

    async def changed(self) -> None:
        """Wait until something has changed since the last call. That a lease was renewed is no change: a thousand hosts renew all the time."""
        await self._changed.wait()
        self._changed.clear()

    async def complete(self, count: int) -> None:
        """Wait until so many watchers have told all there is. Raises LatticeError."""
        try:
            async with asyncio.timeout(PATIENCE):
                for _ in range(count):
                    await self._told.acquire()
        except TimeoutError as error:
            raise Silence from error

    async def follow(self, told: AsyncIterator[KeyValue.Entry | None]) -> None:
        """Take over what a watcher tells."""
        async for entry in told:
            if entry is None:
                self._told.release()
                self._changed.set()
            elif entry.operation is None:
                known = self.entries.get(entry.key)
                self.entries[entry.key] = Entry(entry.value or b"", entry.revision or 0)
                if known is None or known.value != entry.value:
                    self._changed.set()
            elif self.entries.pop(entry.key, None):
                self._changed.set()


async def _stopped(watcher: KeyValue.KeyWatcher) -> None:
    with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
        await watcher.stop()  # type: ignore[no-untyped-call]


def _is_value(message: api.RawStreamMsg) -> bool:
    headers = message.headers or {}
    return "KV-Operation" not in headers and "Nats-Marker-Reason" not in headers
