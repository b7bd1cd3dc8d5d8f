"""Enrolment: what a machine with an invitation and the host that has made it say to each other.

Each connection is one question and one answer, a line of JSON each, over TLS. At first the machine asks for the certificate of the authority, and
believes it only when its fingerprint is the one in the invitation. With that it asks again, now sure that it speaks with the host
that invited it, and only then says the secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from wisp.errors import ArtifactError, LatticeError, WispError
from wisp.host.address import Address
from wisp.lattice.membership import certificates
from wisp.lattice.membership.admitting import Applied, Welcome
from wisp.lattice.membership.identity import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE
from wisp.lattice.records import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from wisp.lattice.membership.invitations import Invitation

LONGEST: Final = 64 * 1024
"""Bytes of a line."""

PATIENCE: Final = 10.0
MOST: Final = 16
"""Connections at once; more wait."""

Read = TypeVar("Read", bound=Record)


class Question(Record):
    """What the machine says."""

    ask: Literal["authority", "join"]
    identifier: str = ""
    secret: str = ""
    applied: Applied | None = None


class Answer(Record):
    """What it is told."""

    authority: str = ""
    welcome: Welcome | None = None
    error: str | None = None
    hint: str | None = None


class Enrolment:
    """Where machines ask to join. Made with `open`."""

    def __init__(self, identity: Path, join: Callable[[Question], Awaitable[Welcome]]) -> None:
        """Answer with `join`, and be who the files in `identity` say."""
        self._identity = identity
        self._join = join
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._server: asyncio.Server | None = None
        self._busy = asyncio.Semaphore(MOST)

    async def open(self, address: Address) -> Address:
        """Listen, and return where. Raises LatticeError."""
        self.renewed()
        try:
            self._server = await asyncio.start_server(
                self._serve, address.host, address.port, ssl=self._context, limit=LONGEST
            )
        except OSError as error:
            message = f"cannot listen for machines that join at {address}: {error.strerror or error}"
            raise LatticeError(message, hint="--join-listen HOST:PORT chooses another address") from error
        return Address(address.host, self._server.sockets[0].getsockname()[1])

    def renewed(self) -> None:
        """Show the newest certificate from now on."""
        self._context.load_cert_chain(self._identity / CERTIFICATE_FILE, self._identity / KEY_FILE)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE), self._busy:
                answer = await self._answer(await reader.readline())
                writer.write(answer.to_bytes() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # whoever it was has gone, or says nothing that is to be answered
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> Answer:
        try:
            question = Question.read(line)
            if question.ask == "authority":
                authority = await asyncio.to_thread((self._identity / AUTHORITY_FILE).read_text, "ascii")
                return Answer(authority=authority)
            return Answer(welcome=await self._join(question))
        except ArtifactError:
            return Answer(error="the host that invites cannot write to its disk")
        except WispError as error:
            return Answer(error=error.message, hint=error.hint)


async def authority_of(invitation: Invitation) -> bytes:
    """Return the certificate of the authority that an invitation is of. Raises LatticeError."""
    context = ssl.create_default_context()
    # Whoever answers is not known yet: what he says is compared with the fingerprint, and nothing is told to him.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    answer = await _asked(invitation, Question(ask="authority"), context)
    content = answer.authority.encode()
    if not content or certificates.fingerprint(content) != invitation.fingerprint:
        message = f"at {invitation.address} there is another lattice than the one of the invitation"
        raise LatticeError(message, hint="somebody may be in between; ask whoever invited you")
    return content


async def join(invitation: Invitation, authority: bytes, applied: Applied) -> Welcome:
    """Ask to join, and return what was given. Raises LatticeError."""
    context = ssl.create_default_context(cadata=authority.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    question = Question(
        ask="join", identifier=invitation.identifier, secret=invitation.secret, applied=applied
    )
    answer = await _asked(invitation, question, context)
    if answer.welcome is None:
        raise LatticeError(answer.error or "the host that invites says nothing", hint=answer.hint)
    return answer.welcome


async def _asked(invitation: Invitation, question: Question, context: ssl.SSLContext) -> Answer:
    address = Address.parse(invitation.address)
    name = certificates.host_domain(invitation.host, invitation.lattice)
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=context, server_hostname=name, limit=LONGEST
            )
            try:
                writer.write(question.to_bytes() + b"\n")
                await writer.drain()
                return Answer.read(await reader.readline())
            finally:
                writer.close()
    except ssl.SSLCertVerificationError as error:
        message = f"who answers at {address} is not the host that invites: {error.verify_message}"
        raise LatticeError(message, hint="somebody may be in between; ask whoever invited you") from error
    except (OSError, TimeoutError, ValueError) as error:
        message = f"nobody answers at {address}, where the invitation leads: {str(error) or 'not in time'}"
        hint = "does `wisp lattice up` run there, and can this machine reach it?"
        raise LatticeError(message, hint=hint) from error
