"""Requests from one host to whichever other one can answer: sealing a key to it, or a piece of what it needs.

Whoever can answer listens on a subject as one of a group, and NATS gives each request to one of them. Where nobody listens, that is known at once.
Nothing here is kept: what must not be lost is a record.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import nats.errors

from wisp.errors import LatticeError, WispError
from wisp.lattice.nats.connection import arrived, explained

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    Handler = Callable[[bytes], Awaitable[bytes]]

_GROUP: Final = "hosts"
_ERROR: Final = "Wisp-Error"


class Nobody(LatticeError):  # noqa: N818 - says it all
    """Nobody is there to answer."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"no host answers to {subject}")


class Requests:
    """Requests within one lattice, for one stretch of being connected."""

    def __init__(self, client: Client, lattice: str) -> None:
        self._client = client
        self._prefix = f"wisp.{lattice}."

    @property
    def largest(self) -> int:
        """How many bytes one message may have."""
        return self._client.max_payload

    async def ask(self, subject: str, content: bytes, patience: float) -> bytes:
        """Ask one of those who listen, and return the answer. Raises Nobody, LatticeError."""
        with explained():
            try:
                answer = await self._client.request(self._prefix + subject, content, timeout=patience)
            except nats.errors.NoRespondersError as error:
                raise Nobody(subject) from error
        if answer.headers and (wrong := answer.headers.get(_ERROR)):
            raise LatticeError(wrong)
        return answer.data

    async def answer(self, subject: str, handler: Handler) -> Answering:
        """Answer from now on, as one of the group. What the handler raises as WispError is told. Raises LatticeError."""

        async def answered(message: Msg) -> None:
            with contextlib.suppress(nats.errors.Error, OSError):  # whoever asked has gone, or the connection
                try:
                    await message.respond(await handler(message.data))
                except WispError as error:
                    headers = {_ERROR: " ".join(error.message.split())}
                    await self._client.publish(message.reply, b"", headers=headers)

        with explained():
            subscription = await self._client.subscribe(self._prefix + subject, queue=_GROUP, cb=answered)
            await arrived(self._client)
        return Answering(subscription)

    async def tell(self, subject: str, content: bytes = b"") -> None:
        """Tell all who wait for it that something has happened. Raises LatticeError."""
        with explained():
            await self._client.publish(self._prefix + subject, content)

    async def hear(self, subject: str, heard: Callable[[bytes], Awaitable[None]]) -> Answering:
        """Hear everything that is told from now on, whoever else does. Raises LatticeError."""

        async def taken(message: Msg) -> None:
            await heard(message.data)

        with explained():
            answering = Answering(await self._client.subscribe(self._prefix + subject, cb=taken))
            await arrived(self._client)
        return answering

    @contextlib.asynccontextmanager
    async def told(self, subject: str) -> AsyncIterator[asyncio.Event]:
        """Hear of it while the block runs: the event is set when it has happened since. Raises LatticeError."""
        event = asyncio.Event()

        async def heard(_: Msg) -> None:
            event.set()

        with explained():
            subscription = await self._client.subscribe(self._prefix + subject, cb=heard)
            await arrived(self._client)
        try:
            yield event
        finally:
            await Answering(subscription).stop()


class Answering:
    """That somebody listens."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def stop(self) -> None:
        """Listen no more."""
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            await self._subscription.unsubscribe()
