"""Key-value stores of the host: `wasi:keyvalue`, and what wisp's stores can do beyond it.

    from wisp_guest import keyvalue

    store = keyvalue.open("default")

    store["greeting"] = b"hello"
    store.get("greeting")                       # b"hello", or None
    store.increment("hits")                     # atomic, also between instances and workers
    store.set("session", b"...", ttl=3600)      # forgotten after an hour
    for key in store.keys(prefix="user:"): ...
    store.update("cart", lambda old: (old or b"") + b"apple,")

The manifest grants it: `grants = { keyvalue = ["default"] }`. A store may be opened at the top of a module: it is asked for
when it is first used.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, overload

from wisp_guest import _host
from wisp_guest._host import Err
from wisp_guest.errors import CapabilityError, NotGrantedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wit_world.imports import wasi_keyvalue_atomics as atomics
    from wit_world.imports import wasi_keyvalue_batch as batch
    from wit_world.imports import wasi_keyvalue_store as stores
    from wit_world.imports import wisp_keyvalue_extension as extension
else:
    stores = _host.Interface("wasi:keyvalue/store")
    atomics = _host.Interface("wasi:keyvalue/atomics")
    batch = _host.Interface("wasi:keyvalue/batch")
    extension = _host.Interface("wisp:keyvalue/extension")

__all__ = ["ChangedError", "DeniedError", "Entry", "NoSuchStoreError", "Store", "StoreError", "open"]

Default = TypeVar("Default")

PAGE = 1000
"""How many keys one question may have: the most that the host gives, and takes."""


class StoreError(CapabilityError):
    """A store could not do it."""


class DeniedError(StoreError, NotGrantedError):
    """The store is not granted."""


class NoSuchStoreError(StoreError):
    """There is no store of that name."""


class ChangedError(StoreError):
    """The key has not the version any more that was expected."""

    def __init__(self, key: str, version: int | None) -> None:
        super().__init__(f"{key!r} was changed by somebody else")
        self.key = key
        self.version = version
        """The version that it has now; None when it is not there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with what the store knows of it."""

    value: bytes
    version: int
    """Another one after every write."""

    time_left: timedelta | None
    """Until the store forgets it; None is never."""


class Store:
    """A key-value store: keys are text, values are bytes (text is kept as UTF-8)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._bucket = _host.Kept(lambda: stores.open(name))

    def __repr__(self) -> str:
        return f"keyvalue.open({self.name!r})"

    def __getitem__(self, key: str) -> bytes:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: bytes | str) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        with self._asked() as bucket:
            return isinstance(key, str) and bucket.exists(key)

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    @overload
    def get(self, key: str) -> bytes | None: ...
    @overload
    def get(self, key: str, default: Default) -> bytes | Default: ...
    def get(self, key: str, default: object = None) -> object:
        """Return the value of a key, or the default."""
        with self._asked() as bucket:
            value = bucket.get(key)
        return default if value is None else value

    def set(self, key: str, value: bytes | str, *, ttl: float | timedelta | None = None) -> None:
        """Set a value.

        Args:
            key: Its key.
            value: Bytes, or text.
            ttl: After how many seconds the store forgets it; None is never.

        """
        with self._asked() as bucket:
            if ttl is None:
                bucket.set(key, _bytes(value))
            else:
                extension.set_for(bucket, key, _bytes(value), _milliseconds(ttl))

    def delete(self, key: str) -> None:
        """Delete a key; nothing happens when it is not there."""
        with self._asked() as bucket:
            bucket.delete(key)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Return the keys that begin with a prefix, in the order of their bytes. They are asked for page by page."""
        cursor: str | None = None
        while True:
            with self._asked() as bucket:
                answer = extension.list_prefix(bucket, prefix, cursor, PAGE)
            yield from answer.keys
            cursor = answer.cursor
            if cursor is None:
                return

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those keys that are there."""
        found: list[tuple[str, bytes | None]] = []
        for page in _pages(keys):
            with self._asked() as bucket:
                found += batch.get_many(bucket, page)
        return {key: value for key, value in found if value is not None}

    def set_many(self, values: Mapping[str, bytes | str]) -> None:
        """Set all of these: all of them or none, if they are at most 1,000."""
        for page in _pages(values):
            with self._asked() as bucket:
                batch.set_many(bucket, [(key, _bytes(values[key])) for key in page])

    def delete_many(self, keys: Iterable[str]) -> None:
        """Delete all of these keys, as far as they are there."""
        for page in _pages(keys):
            with self._asked() as bucket:
                batch.delete_many(bucket, page)

    def increment(self, key: str, by: int = 1) -> int:
        """Add to the number that a key has, 0 if it is not there, and return the sum. Nobody can come in between."""
        with self._asked() as bucket:
            return atomics.increment(bucket, key, by)

    def entry(self, key: str) -> Entry | None:
        """Return the value of a key with its version, and how long it stays."""
        with self._asked() as bucket:
            found = extension.get_entry(bucket, key)
        if found is None:
            return None
        left = None if found.time_left is None else timedelta(milliseconds=found.time_left)
        return Entry(found.value, found.version, left)

    def cas(
        self, key: str, version: int | None, value: bytes | str, *, ttl: float | timedelta | None = None
    ) -> int:
        """Set a value if the key still has this version, and return the new version: compare and set.

        Args:
            key: Its key.
            version: As `entry` gave it; None stands for a key that is not there.
            value: Bytes, or text.
            ttl: After how many seconds the store forgets it; None is never.

        Raises:
            ChangedError: somebody else was faster.

        """
        milliseconds = None if ttl is None else _milliseconds(ttl)
        with self._asked(key) as bucket:
            return extension.compare_and_set(bucket, key, version, _bytes(value), milliseconds)

    def update(self, key: str, change: Callable[[bytes | None], bytes | str]) -> bytes:
        """Replace a value by what a function makes of it, and return that.

        The function is called again, with the newer value, when somebody else was faster.
        """
        while True:
            with self._asked() as bucket:
                swap = atomics.Cas.new(bucket, key)
                value = _bytes(change(swap.current()))
                try:
                    atomics.swap(swap, value)
                except Err as error:
                    if _host.case(error.value) != "cas-failed":
                        raise
                else:
                    return value

    @contextmanager
    def _asked(self, key: str = "") -> Iterator[stores.Bucket]:
        """Hold the store, and turn the interface's errors into ours."""
        try:
            yield self._bucket.get()
        except Err as error:
            raise _error(error.value, self.name, key) from None


def open(name: str = "default") -> Store:  # noqa: A001 - the interface's word
    """Return a store, by the name that the manifest grants."""
    return Store(name)


def _error(value: object, store: str, key: str) -> StoreError:
    case, inner = _host.case(value), getattr(value, "value", None)
    if case == "store-error":
        return _error(inner, store, key)
    if case == "changed":
        return ChangedError(key, inner if isinstance(inner, int) else None)
    if case == "access-denied":
        return DeniedError(f"the store {store!r}: access denied")
    if case == "no-such-store":
        return NoSuchStoreError(f"the store {store!r}: no such store")
    return StoreError(f"the store {store!r}: {inner or case}")


def _pages(keys: Iterable[str]) -> Iterator[list[str]]:
    left = iter(keys)
    while page := list(islice(left, PAGE)):
        yield page


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _milliseconds(ttl: float | timedelta) -> int:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if seconds <= 0:
        message = f"a value stays for more than 0 seconds, not {seconds}"
        raise ValueError(message)
    return max(round(seconds * 1000), 1)
