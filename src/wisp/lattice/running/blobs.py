"""Blobs: what hosts need of an app, by digest, from another host that has it or else from NATS's object store.

A host that has what it runs listens on a subject of each blob, as one of a group: whoever needs the blob asks for it piece by piece, and each piece
comes from any of those that have it. What has arrived is believed only when all of it has the digest, so a host that gives something else
costs time and nothing more: the object store is asked then.

When several hosts are to run something new, nobody has it. For each blob one of them, which all of them compute from its digest, takes it from the object
store at once; the others wait to be told that it has it, and take it from there. So an object leaves the store once, however many hosts
there are, and several objects leave it towards several hosts. A host that waits in vain asks the store itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
from typing import TYPE_CHECKING, Final

from pydantic import Field

from wisp.errors import LatticeError
from wisp.lattice.nats.objects import LARGEST, digest_of
from wisp.lattice.nats.requests import Nobody
from wisp.lattice.records import Record
from wisp.registry.cache import hex_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from wisp.lattice.nats.requests import Answering
    from wisp.lattice.running.remembered import Remembered
    from wisp.lattice.state import State
    from wisp.registry.cache import Cache

PIECE: Final = 256 * 1024
"""Bytes of one piece; a message of NATS has at most a mebibyte, unless its server says otherwise."""

AT_ONCE: Final = 8
"""Pieces that are asked for at the same time."""

PATIENCE: Final = 5.0
"""Seconds in which a piece has to come."""

WAIT: Final = 2.0
"""Seconds in which a host that takes something from the store should have it."""

SLOWEST: Final = 4 * 1024 * 1024
"""Bytes a second that are added to that."""

_SIZE_BYTES: Final = 8


class _Piece(Record):
    """What is asked for."""

    start: int = Field(ge=0)
    size: int = Field(ge=1, le=PIECE)


class Blobs:
    """The blobs of one host."""

    def __init__(self, host: str, cache: Cache, remembered: Remembered) -> None:
        self._host = host
        self._cache = cache
        self._remembered = remembered
        self._lattice: State | None = None
        self._answering: dict[str, Answering] = {}

    async def fetch(self, digest: str, hosts: Collection[str], lattice: State | None) -> bytes:
        """Return a blob that this host has not, for which `hosts` are looking too. Raises LatticeError."""
        if lattice is None:
            message = f"NATS is away, and {digest} is not on this host yet"
            raise LatticeError(message)
        with contextlib.suppress(LatticeError):
            return await self._from_hosts(digest, lattice, waits=first_of(digest, hosts) != self._host)
        return await lattice.objects.get(digest)

    async def keep(self, digests: Iterable[str], lattice: State | None) -> None:
        """Give to others these that this host has, and no other ones."""
        if lattice is not self._lattice:
            self._lattice, self._answering = lattice, {}
        wanted = set(digests)
        for digest in self._answering.keys() - wanted:
            await self._answering.pop(digest).stop()
        for digest in wanted:
            await self.offer(digest, lattice)

    async def offer(self, digest: str, lattice: State | None) -> None:
        """Give a blob to others from now on, if it is here, and tell those who wait for it."""
        if lattice is None or digest in self._answering or self._path(digest) is None:
            return
        if lattice is not self._lattice:
            self._lattice, self._answering = lattice, {}
        answer = functools.partial(self._give, digest)
        with contextlib.suppress(LatticeError):  # NATS has gone away, which is no reason to serve nothing
            self._answering[digest] = await lattice.requests.answer(f"blob.{hex_of(digest)}", answer)
            await lattice.requests.tell(f"have.{hex_of(digest)}")

    async def _from_hosts(self, digest: str, lattice: State, *, waits: bool) -> bytes:
        async with lattice.requests.told(f"have.{hex_of(digest)}") as had:
            try:
                return await self._pieces(digest, lattice)
            except Nobody:
                if not waits:
                    raise
            size = await lattice.objects.size(digest) or 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT + size / SLOWEST):
                    await had.wait()
            return await self._pieces(digest, lattice)

    async def _pieces(self, digest: str, lattice: State) -> bytes:
        """Return a blob from hosts that have it. Raises Nobody, LatticeError."""
        total, first = await self._piece(digest, 0, lattice)
        if total > LARGEST:
            message = f"{digest} has {total} bytes, the limit is {LARGEST}"
            raise LatticeError(message)
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(start: int) -> bytes:
            async with limit:
                size, piece = await self._piece(digest, start, lattice)
            if size != total:
                message = f"hosts do not agree on how large {digest} is"
                raise LatticeError(message)
            return piece

        rest = await asyncio.gather(*(one(start) for start in range(PIECE, total, PIECE)))
        content = await asyncio.to_thread(b"".join, [first, *rest])
        if await asyncio.to_thread(digest_of, content) != digest:
            message = f"what hosts have as {digest} is something else"
            raise LatticeError(message)
        return content

    async def _piece(self, digest: str, start: int, lattice: State) -> tuple[int, bytes]:
        wanted = _Piece(start=start, size=PIECE).to_bytes()
        answer = await lattice.requests.ask(f"blob.{hex_of(digest)}", wanted, PATIENCE)
        return int.from_bytes(answer[:_SIZE_BYTES], "big"), answer[_SIZE_BYTES:]

    async def _give(self, digest: str, content: bytes) -> bytes:
        """Return a piece of a blob, and how large the whole is. Raises LatticeError."""
        piece, path = _Piece.read(content), self._path(digest)
        if path is None:
            message = f"{digest} is not here any more"
            raise LatticeError(message)
        try:
            return await asyncio.to_thread(_read, path, piece)
        except OSError as error:
            message = f"{digest} cannot be read here"
            raise LatticeError(message) from error

    def _path(self, digest: str) -> Path | None:
        places = (
            self._cache.component(digest),
            self._remembered.locked_path(digest),
            self._remembered.packed_path(digest),
        )
        return next((path for path in places if path.is_file()), None)


def first_of(digest: str, hosts: Collection[str]) -> str | None:
    """Return the one of several hosts that takes a blob from the store: another one for each blob."""
    return min(hosts, key=lambda host: hashlib.sha256(f"{digest} {host}".encode()).digest(), default=None)


def _read(path: Path, piece: _Piece) -> bytes:
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(piece.start)
        return size.to_bytes(_SIZE_BYTES, "big") + stream.read(piece.size)
