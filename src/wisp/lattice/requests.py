"""Questions between hosts over NATS, and their answers: a line of JSON each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import nats.errors

from wisp.errors import LatticeError, WispError
from wisp.lattice.connection import explained
from wisp.lattice.records import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wisp.lattice.connection import Connection

Read = TypeVar("Read", bound=Record)


class Refusal(Record):
    """Why a question was not answered."""

    error: str
    hint: str | None = None


async def ask(
    connection: Connection, subject: str, question: Record, expected: type[Read], limit: float
) -> Read:
    """Ask, and return the answer. Raises LatticeError."""
    with explained():
        try:
            found = await connection.client.request(subject, question.to_bytes(), timeout=limit)
        except nats.errors.NoRespondersError as error:
            raise LatticeError("nobody of the lattice who could answer is there") from error
    try:
        return expected.read(found.data)
    except LatticeError:
        refusal = Refusal.read(found.data)
        raise LatticeError(refusal.error, hint=refusal.hint) from None


async def answer(
    connection: Connection, subject: str, work: Callable[[bytes], Awaitable[Record]], *, group: str = ""
) -> None:
    """Answer each question until cancelled; of those who are in a group, one answers. Raises LatticeError."""
    with explained():
        subscription = await connection.client.subscribe(subject, queue=group)
        async for message in subscription.messages:
            try:
                found: Record = await work(message.data)
            except WispError as error:
                found = Refusal(error=error.message, hint=error.hint)
            if message.reply:
                await message.respond(found.to_bytes())
    await asyncio.Future()  # the connection has ended, and whoever waits for that ends this
