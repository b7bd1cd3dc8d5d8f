"""Objects: components, locked apps and whatever else apps consist of in NATS's object store, named by their digests.

What is fetched is believed only when it is what its digest says.

Who belongs to a lattice may write messages, and not remove streams or parts of them. So what is removed is replaced by a message of nothing, which goes by itself.

An object is its pieces, and a head that names them. Writing the head anew makes an object as new as if it had just been put (`touch`); removing is a
write of the head, too, in place of the one that was seen. So of somebody who removes and somebody who needs an object, one is first, and the other one notices.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import nats.js.errors
from nats.js import api

from wisp.errors import LatticeError
from wisp.lattice.nats.connection import WRONG_REVISION, explained, patiently

if TYPE_CHECKING:
    from datetime import datetime

    from nats.js import JetStreamContext
    from nats.js.object_store import ObjectStore

    from wisp.lattice.nats.connection import Connection

LARGEST: Final = 512 * 1024 * 1024
"""Bytes of one object."""

FADES: Final = 60.0
"""Seconds that it is still seen that something was removed."""

LONGEST_UPLOAD: Final = 1800.0
"""Seconds; pieces of one that took longer may have been taken for given up before its head was written, and it is sent again."""

PATIENCE: Final = 10.0
_SLOWEST: Final = 256 * 1024
"""Bytes a second that a connection must bring; a slower one is taken for a broken one."""

_IN_MEMORY: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an object, as it was seen."""

    digest: str
    pieces: str
    """Names them."""

    size: int
    revision: int
    written: datetime
    """When the object was put or touched, by the server's clock."""


class Objects:
    """The objects of one lattice. Made with `make`."""

    def __init__(self, store: ObjectStore, jetstream: JetStreamContext, name: str) -> None:
        self._store = store
        self._jetstream = jetstream
        self._name = name

    @classmethod
    async def make(cls, connection: Connection, name: str) -> Objects:
        """Return a store of objects, which exists afterwards. Raises LatticeError."""
        with explained():
            try:
                store = await connection.jetstream.object_store(name)
            except nats.js.errors.NotFoundError:
                await connection.jetstream.add_stream(_stream(name, connection.replicas))
                store = await connection.jetstream.object_store(name)
        return cls(store, connection.jetstream, name)

    async def has(self, digest: str) -> bool:
        """Return whether an object is there. Raises LatticeError."""
        return await self.size(digest) is not None

    async def put(self, content: bytes) -> str:
        """Keep an object, and return its digest. Raises LatticeError."""
        digest = digest_of(content)
        if not await self.has(digest):
            await self._send(digest, content)
        return digest

    async def _send(self, digest: str, content: bytes) -> None:
        while True:
            began = time.monotonic()
            with explained():
                await self._store.put(digest, content)
            if time.monotonic() - began < LONGEST_UPLOAD:
                return

    async def get(self, digest: str) -> bytes:
        """Return an object, found to be what its digest says. Raises LatticeError."""
        about = await self._about(digest)
        if about is None:
            message = f"the lattice has no object {digest}"
            raise LatticeError(message, hint="deploy the app again")
        size = about.size or 0
        if size > LARGEST:
            message = f"the object {digest} has {size} bytes, the limit is {LARGEST}"
            raise LatticeError(message)
        small = about.chunks == 1
        content = await (
            self._one_piece(about) if small else patiently(lambda: self._pieces_of(digest, size))
        )
        if digest_of(content) != digest:
            message = f"what the lattice has as {digest} is something else"
            raise LatticeError(message, hint="deploy the app again")
        return content

    async def _one_piece(self, about: api.ObjectInfo) -> bytes:
        """Return an object that is one message: it is asked for at once, without a consumer that would have to be made and removed."""
        found = await self._last(self._pieces(about.nuid or ""))
        return (found.data or b"") if found else b""

    async def _pieces_of(self, digest: str, size: int) -> bytes:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            # The client waits for the next piece without end.
            with explained():
                async with asyncio.timeout(PATIENCE + size / _SLOWEST):
                    await self._store.get(digest, writeinto=file)  # type: ignore[arg-type] # it only calls `write`
            file.seek(0)
            return file.read()

    async def size(self, digest: str) -> int | None:
        """Return how many bytes an object has, None when it is not there. Raises LatticeError."""
        about = await self._about(digest)
        return None if about is None else about.size or 0

    async def _about(self, digest: str) -> api.ObjectInfo | None:
        return await patiently(lambda: self._asked_about(digest))

    async def _asked_about(self, digest: str) -> api.ObjectInfo | None:
        with explained():
            try:
                return await self._store.get_info(digest)
            except nats.js.errors.NotFoundError:
                return None

    async def touch(self, digest: str) -> bool:
        """Make an object as new as if it had just been put; returns whether it is there. Raises LatticeError."""
        while True:
            found = await self._last(self._subject(digest))
            if found is None or _deleted(found):
                return False
            if await self._replace(digest, found.data or b"", found.seq or 0):
                return True

    async def heads(self) -> list[Head]:
        """Return the heads of all objects. Raises LatticeError."""
        heads: list[Head] = []
        for subject in await self._subjects("M.>"):
            message = await self._last(subject)
            if message is not None and message.time is not None and not _deleted(message):
                about = json.loads(message.data or b"{}")
                head = Head(about["name"], about["nuid"], about["size"], message.seq or 0, message.time)
                heads.append(head)
        return heads

    async def remove(self, head: Head) -> bool:
        """Remove an object if nobody has put or touched it since; returns whether it was removed. Raises LatticeError."""
        about = {
            "name": head.digest,
            "bucket": self._name,
            "nuid": head.pieces,
            "size": 0,
            "chunks": 0,
            "deleted": True,
        }
        gone = await self._replace(head.digest, json.dumps(about).encode(), head.revision, fades=True)
        if gone:
            await self._empty(self._pieces(head.pieces))
        return gone

    async def remove_pieces(self, before: datetime) -> int:
        """Remove pieces that no head names and that were written before a moment: of uploads that were given up.

        Returns how many uploads. Raises LatticeError.
        """
        old = [subject for subject in await self._subjects("C.>") if await self._older(subject, before)]
        named = {self._pieces(head.pieces) for head in await self.heads()} if old else set()
        given_up = [subject for subject in old if subject not in named]
        for subject in given_up:
            await self._empty(subject)
        return len(given_up)

    async def _older(self, subject: str, moment: datetime) -> bool:
        last = await self._last(subject)
        return last is not None and bool(last.data) and last.time is not None and last.time < moment

    def _pieces(self, name: str) -> str:
        return f"$O.{self._name}.C.{name}"

    def _subject(self, digest: str) -> str:
        return f"$O.{self._name}.M.{base64.urlsafe_b64encode(digest.encode()).decode()}"

    async def _subjects(self, pattern: str) -> list[str]:
        return await patiently(lambda: self._subjects_now(pattern))

    async def _subjects_now(self, pattern: str) -> list[str]:
        with explained():
            info = await self._jetstream.stream_info(
                f"OBJ_{self._name}", subjects_filter=f"$O.{self._name}.{pattern}"
            )
        return sorted(info.state.subjects or {})

    async def _last(self, subject: str) -> api.RawStreamMsg | None:
        return await patiently(lambda: self._last_now(subject))

    async def _last_now(self, subject: str) -> api.RawStreamMsg | None:
        with explained():
            try:
                return await self._jetstream.get_msg(f"OBJ_{self._name}", subject=subject)
            except nats.js.errors.NotFoundError:
                return None

    async def _replace(self, digest: str, content: bytes, revision: int, *, fades: bool = False) -> bool:
        """Write a head in place of the one with this revision; returns whether that was still there."""
        headers = {
            api.Header.ROLLUP.value: "sub",
            api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(revision),
        }
        with explained():
            try:
                await self._jetstream.publish(
                    self._subject(digest), content, headers=headers, msg_ttl=FADES if fades else None
                )
            except nats.js.errors.APIError as error:
                if error.err_code in WRONG_REVISION:
                    return False
                raise
        return True

    async def _empty(self, subject: str) -> None:
        """Put a message of nothing in place of all pieces of a subject."""
        with explained():
            await self._jetstream.publish(
                subject, b"", headers={api.Header.ROLLUP.value: "sub"}, msg_ttl=FADES
            )


def _stream(name: str, replicas: int) -> api.StreamConfig:
    """Return the stream of a store of objects, as NATS's clients make it, and with messages that go by themselves."""
    return api.StreamConfig(
        name=f"OBJ_{name}",
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        storage=api.StorageType.FILE,
        num_replicas=replicas,
        discard=api.DiscardPolicy.NEW,
        allow_rollup_hdrs=True,
        allow_direct=True,
        allow_msg_ttl=True,
    )


def _deleted(head: api.RawStreamMsg) -> bool:
    return bool(json.loads(head.data or b"{}").get("deleted"))


def digest_of(content: bytes) -> str:
    """Return the digest of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
