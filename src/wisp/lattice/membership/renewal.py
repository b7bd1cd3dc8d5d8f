"""Renewing a host's certificate over NATS, long before it ends.

The host signs its request with the key of the certificate that it has; whoever holds the authority answers. A certificate that has
ended is good enough for that: a host that was away for long comes back, unless it was revoked meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError, WispError
from wisp.lattice.membership import certificates
from wisp.lattice.membership.certificates import SKEW, Wanted
from wisp.lattice.records import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wisp.host.log import Log
    from wisp.lattice.membership.admitting import Desk
    from wisp.lattice.membership.certificates import Facts
    from wisp.lattice.membership.papers import Papers
    from wisp.lattice.membership.trust import Trust
    from wisp.lattice.nats.requests import Requests

SUBJECT: Final = "renew"
"""Where hosts ask for certificates."""

LIMIT: Final = 10.0
FIRST_RETRY: Final = 1.0
LAST_RETRY: Final = 600.0


class Renew(Record):
    """What a host asks."""

    certificate: str
    request: str
    signature: str
    """Of the request, by the key of the certificate."""


class Renewed(Record):
    """What it is given."""

    certificate: str


class Rotated(Record):
    """That it has."""

    host: str
    ends: datetime


def rotation(host: str) -> str:
    """Return where a host is told to ask for a certificate."""
    return f"rotate.{host}"


def due(facts: Facts, now: datetime) -> timedelta:
    """Return how long a certificate need not be renewed yet: until half of its time is over."""
    begins = facts.begins + SKEW
    return begins + (facts.ends - begins) / 2 - now


async def renew(requests: Requests, papers: Papers, lattice: str) -> Facts:
    """Have a new certificate. Raises LatticeError, ArtifactError."""
    identity = papers.identity
    now = await asyncio.to_thread(identity.facts)
    authority = await asyncio.to_thread(identity.authority)
    if now is None or authority is None:
        raise LatticeError("this host has no certificate that could be renewed")
    request = await asyncio.to_thread(identity.request, papers.host, lattice, now.addresses)
    question = Renew(
        certificate=identity.certificate().decode(),
        request=request.decode(),
        signature=base64.b64encode(identity.sign(request)).decode("ascii"),
    )
    answer = Renewed.read(await requests.ask(SUBJECT, question.to_bytes(), LIMIT))
    return await asyncio.to_thread(identity.keep, answer.certificate.encode(), authority)


def renewed(desk: Desk, trust: Trust, content: bytes) -> Renewed:
    """Return the answer to a host that asks. Raises LatticeError."""
    question = Renew.read(content)
    certificate = certificates.read_certificate(question.certificate.encode())
    facts = certificates.facts(certificate, certificates.read_certificate(desk.authority.certificate))
    request = question.request.encode()
    if facts.lattice != desk.authority.lattice or not certificates.signed(
        certificate, base64.b64decode(question.signature), request
    ):
        raise LatticeError("the request is not signed by the host that it is about")
    if facts.host in trust.known().gone:
        message = f"the host {facts.host} was revoked"
        raise LatticeError(message, hint="invite it again, under another name")
    wanted = Wanted(facts.host, facts.lattice, facts.addresses, desk.lifetime)
    return Renewed(certificate=desk.authority.issue(request, wanted).decode())


class Renewal:
    """The certificate of one host, kept from ending."""

    def __init__(self, papers: Papers, lattice: str, log: Log, told: Callable[[], Awaitable[None]]) -> None:
        """Renew, and call `told` after each renewal."""
        self._papers = papers
        self._lattice = lattice
        self._log = log
        self._told = told
        self._one = asyncio.Lock()

    async def run(self, requests: Requests) -> None:
        """Renew whenever it is due, or somebody says so, until cancelled."""

        async def rotate(_: bytes) -> bytes:
            return Rotated(host=self._papers.host, ends=(await self._renew(requests)).ends).to_bytes()

        asked = await requests.answer(rotation(self._papers.host), rotate)
        try:
            await self._by_the_clock(requests)
        finally:
            await asked.stop()

    async def _by_the_clock(self, requests: Requests) -> None:
        pause = FIRST_RETRY
        while True:
            facts = await asyncio.to_thread(self._papers.facts)
            if facts is None:
                return
            if (wait := due(facts, datetime.now(UTC)).total_seconds()) > 0:
                await asyncio.sleep(wait)
                continue
            try:
                await self._renew(requests)
                pause = FIRST_RETRY
            except WispError as error:
                message = f"the certificate of this host could not be renewed: {error.message}"
                self._log.event("not-renewed", message, level="warn", ends=facts.ends.isoformat())
                await asyncio.sleep(pause)
                pause = min(LAST_RETRY, pause * 2)

    async def _renew(self, requests: Requests) -> Facts:
        async with self._one:
            facts = await renew(requests, self._papers, self._lattice)
            await self._told()
        message = f"this host has a new certificate, until {facts.ends:%Y-%m-%d %H:%M} UTC"
        self._log.event("renewed", message, ends=facts.ends.isoformat())
        return facts
