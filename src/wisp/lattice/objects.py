"""Objects: components and locked apps in NATS's object store, named by their digests.

What is fetched is believed only when it is what its digest says.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from typing import TYPE_CHECKING, Final

import nats.js.errors
from nats.js import api

from wisp.errors import LatticeError
from wisp.lattice.connection import explained

if TYPE_CHECKING:
    from nats.js.object_store import ObjectStore

    from wisp.lattice.connection import Connection

LARGEST: Final = 512 * 1024 * 1024
"""Bytes of one object."""

PATIENCE: Final = 10.0
_SLOWEST: Final = 256 * 1024
"""Bytes a second that a connection must bring; a slower one is taken for a broken one."""

_IN_MEMORY: Final = 8 * 1024 * 1024


class Objects:
    """The objects of one lattice. Made with `open`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    async def make(cls, connection: Connection, name: str) -> Objects:
        """Return a store of objects, which exists afterwards. Raises LatticeError."""
        with explained():
            try:
                store = await connection.jetstream.object_store(name)
            except nats.js.errors.NotFoundError:
                config = api.ObjectStoreConfig(storage=api.StorageType.FILE, replicas=connection.replicas)
                store = await connection.jetstream.create_object_store(name, config)
        return cls(store)

    async def has(self, digest: str) -> bool:
        """Return whether an object is there. Raises LatticeError."""
        return await self.size(digest) is not None

    async def put(self, content: bytes) -> str:
        """Keep an object, and return its digest. Raises LatticeError."""
        digest = digest_of(content)
        if not await self.has(digest):
            with explained():
                await self._store.put(digest, content)
        return digest

    async def get(self, digest: str) -> bytes:
        """Return an object, found to be what its digest says. Raises LatticeError."""
        size = await self.size(digest)
        if size is None:
            message = f"the lattice has no object {digest}"
            raise LatticeError(message, hint="deploy the app again")
        if size > LARGEST:
            message = f"the object {digest} has {size} bytes, the limit is {LARGEST}"
            raise LatticeError(message)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            # The client waits for the next piece without end.
            with explained():
                async with asyncio.timeout(PATIENCE + size / _SLOWEST):
                    await self._store.get(digest, writeinto=file)  # type: ignore[arg-type] # it only calls `write`
            file.seek(0)
            content = file.read()
        if digest_of(content) != digest:
            message = f"what the lattice has as {digest} is something else"
            raise LatticeError(message, hint="deploy the app again")
        return content

    async def size(self, digest: str) -> int | None:
        """Return how many bytes an object has, None when it is not there. Raises LatticeError."""
        with explained():
            try:
                return (await self._store.get_info(digest)).size or 0
            except nats.js.errors.NotFoundError:
                return None


def digest_of(content: bytes) -> str:
    """Return the digest of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
