"""Leases: keys that only one may hold, that vanish when they are not renewed, and that are renewed by compare-and-set."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from wisp.errors import LatticeError

if TYPE_CHECKING:
    from wisp.lattice.nats.bucket import Bucket
    from wisp.lattice.state import Timing


class Lease:
    """One lease that we hold. Made with `take`."""

    def __init__(self, bucket: Bucket, key: str, value: bytes, timing: Timing) -> None:
        self._bucket = bucket
        self._key = key
        self._value = value
        self._timing = timing
        self._revision = 0

    @classmethod
    async def take(cls, bucket: Bucket, key: str, value: bytes, timing: Timing) -> Lease:
        """Take a lease that nobody holds. Raises Conflict, LatticeError."""
        lease = cls(bucket, key, value, timing)
        lease._revision = await bucket.create(key, value, lease=timing.lease)
        return lease

    @classmethod
    async def retake(cls, bucket: Bucket, key: str, value: bytes, timing: Timing, revision: int) -> Lease:
        """Take over a lease that is at this revision. Raises Conflict, LatticeError."""
        lease = cls(bucket, key, value, timing)
        lease._revision = await bucket.update(key, value, revision, lease=timing.lease)
        return lease

    async def keep(self) -> None:
        """Renew until that fails. Raises Conflict when the lease is somebody else's, or has ended; LatticeError."""
        while True:
            await asyncio.sleep(self._timing.renew)
            self._revision = await self._bucket.update(
                self._key, self._value, self._revision, lease=self._timing.lease
            )

    async def end(self) -> None:
        """Give it back, if we still hold it; others need not wait for its end then."""
        with contextlib.suppress(LatticeError):
            await self._bucket.remove(self._key, self._revision)
