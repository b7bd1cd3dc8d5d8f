"""Where machines with an invitation are received: each is looked at, one after the other, and let in or told why not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wisp.errors import LatticeError
from wisp.lattice.membership import enrolment, founding
from wisp.lattice.membership.enrolment import Enrolment
from wisp.lattice.membership.nkeys import KeyPair
from wisp.lattice.records import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from wisp.host.address import Address
    from wisp.host.log import Log
    from wisp.lattice.membership.admitting import Desk, Welcome
    from wisp.lattice.membership.belonging import Belonging
    from wisp.lattice.membership.enrolment import Question
    from wisp.lattice.membership.holding import Holding
    from wisp.lattice.membership.invitations import Invitation
    from wisp.lattice.membership.papers import Papers, Place


class Reception:
    """Receives machines on one host, for as long as it is open."""

    def __init__(self, desk: Desk, belonging: Belonging, log: Log) -> None:
        self._desk = desk
        self._belonging = belonging
        self._log = log
        self._one = asyncio.Lock()
        self._enrolment = Enrolment(belonging.papers.folder, self._join)
        belonging.told.append(self._renewed)

    async def open(self, address: Address) -> Address:
        """Listen, and return where. Raises LatticeError."""
        return await self._enrolment.open(address)

    async def close(self) -> None:
        """Receive nobody any more."""
        await self._enrolment.close()

    async def _renewed(self) -> None:
        self._enrolment.renewed()

    async def _join(self, question: Question) -> Welcome:
        async with self._one:
            welcome = await asyncio.to_thread(self._let_in, question)
        self._belonging.admitted.set()
        if question.applied is not None:
            name = question.applied.name
            self._log.event("let-in", f"{question.applied.role} {name} was let into the lattice", name=name)
        return welcome

    def _let_in(self, question: Question) -> Welcome:
        invitations, applied = self._desk.holding.invitations, question.applied
        promise = invitations.look(question.identifier, question.secret)
        if applied is None:
            raise LatticeError("what asks to join does not say who it is")
        self._desk.require(applied, promise, self._belonging.trust())
        invitations.take(question.identifier, question.secret)
        known = self._belonging.papers.known()
        servers, routes = (known.servers, known.routes) if known else ((), ())
        told = founding.known(self._desk, servers, routes)
        told = told.model_copy(update={"identity": self._belonging.identity})
        return self._desk.admit(applied, promise, told)


async def accept(
    invitation: Invitation,
    papers: Papers,
    place: Place | None,
    holding: Holding,
    keep: Callable[[Identity], None],
) -> None:
    """Join as a host, and keep which lattice it is. Raises LatticeError, ArtifactError."""
    if await asyncio.to_thread(lambda: papers.exist):
        message = f"the host {papers.host} on this machine has joined already"
        raise LatticeError(message, hint=f"`wisp host` starts it; remove {papers.folder} to let it join anew")
    authority = await enrolment.authority_of(invitation)
    applied, pairs = await asyncio.to_thread(papers.apply, invitation.lattice, place)
    welcome = await enrolment.join(invitation, authority, applied)
    if welcome.sealed is not None:
        await asyncio.to_thread(holding.receive, welcome.sealed.encode(), welcome.trust)
    if welcome.identity is not None:
        await asyncio.to_thread(keep, Identity(id=welcome.identity))
    await asyncio.to_thread(papers.settle, invitation.lattice, welcome, pairs)
    if welcome.sealed is not None:
        # Now that the host has joined: an invitation is used once, and a secret can be put right.
        await asyncio.to_thread(holding.open)


async def accept_operator(invitation: Invitation) -> tuple[Welcome, KeyPair]:
    """Join as a machine whose commands are let in. Raises LatticeError."""
    authority = await enrolment.authority_of(invitation)
    pair = KeyPair.make("user")
    return await enrolment.join(invitation, authority, founding.operator(pair)), pair
