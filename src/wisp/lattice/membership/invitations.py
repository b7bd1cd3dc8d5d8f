"""Invitations: one line that lets a machine join, once, for a while.

The line says whom to ask, how to know him, and a secret. The host that invites keeps a digest of the secret, as a file: taking an
invitation is giving that file another name, which only one of two can do. So nothing in NATS can make or lengthen one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import astuple, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

from wisp.errors import LatticeError
from wisp.host.address import Address
from wisp.lattice.records import Name, Record, host_name
from wisp.registry import files

if TYPE_CHECKING:
    from pathlib import Path

Role: TypeAlias = Literal["host", "operator"]

PREFIX: Final = "wisp1_"
LIFETIME: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=1)
"""How long it is remembered that one was used or has ended, for a message that says so."""

_IDENTIFIER, _SECRET = 8, 20
_HINT: Final = "`wisp lattice invite` on a host with the lattice's authority makes another one"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What is handed over to the machine that is to join."""

    lattice: str
    host: str
    """Who invites: the name in the certificate that must be shown."""

    address: str
    """`HOST:PORT`."""

    fingerprint: str
    """Of the authority's certificate."""

    role: str
    identifier: str
    secret: str = field(repr=False)

    def line(self) -> str:
        """Return it as one line."""
        content = json.dumps(astuple(self), separators=(",", ":")).encode()
        return PREFIX + base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")

    @classmethod
    def read(cls, line: str) -> Self:
        """Read one line. Raises LatticeError."""
        text = "".join(line.split())
        content = text.removeprefix(PREFIX)
        try:
            parts = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
            found = cls(*(str(part) for part in parts))
            host_name(found.lattice)
            host_name(found.host)
            Address.parse(found.address)
        except (ValueError, TypeError) as error:
            message = "this is no invitation, or not all of one"
            raise LatticeError(message, hint=f"it begins with {PREFIX} and is one long line") from error
        return found


class Promise(Record):
    """What the host that invites keeps of an invitation."""

    digest: str
    """Of the secret."""

    expires: float
    """When it ends, in seconds."""

    role: Role = "host"
    name: Name | None = None
    """What the host has to be called, if that was said."""

    nats: bool = False
    """Whether the host may run one of the lattice's NATS servers."""

    authority: bool = False
    """Whether the host is named for the authority, and is given it, sealed."""


class Invitations:
    """The invitations of one host, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, lifetime: timedelta, promise: Promise) -> tuple[str, str]:
        """Keep a new one, and return its identifier and its secret. Raises ArtifactError."""
        self._forget_old()
        identifier, secret = secrets.token_hex(_IDENTIFIER), secrets.token_urlsafe(_SECRET)
        made = promise.model_copy(
            update={"digest": _digest(secret), "expires": time.time() + lifetime.total_seconds()}
        )
        files.write(self._folder / f"{identifier}.json", made.to_bytes())
        return identifier, secret

    def look(self, identifier: str, secret: str) -> Promise:
        """Return what was promised with an invitation that still holds. Raises LatticeError."""
        if not (identifier.isalnum() and identifier.isascii()):
            raise LatticeError("there is no such invitation", hint=_HINT)
        try:
            promise = Promise.read((self._folder / f"{identifier}.json").read_bytes())
        except FileNotFoundError as error:
            used = (self._folder / f"{identifier}.used").exists()
            message = "the invitation was used already" if used else "there is no such invitation"
            raise LatticeError(message, hint=_HINT) from error
        if not hmac.compare_digest(promise.digest, _digest(secret)):
            raise LatticeError("there is no such invitation", hint=_HINT)
        if promise.expires <= time.time():
            raise LatticeError("the invitation has ended", hint=_HINT)
        return promise

    def take(self, identifier: str, secret: str) -> Promise:
        """Use an invitation, which nobody can do after that. Raises LatticeError."""
        promise = self.look(identifier, secret)
        try:
            (self._folder / f"{identifier}.json").rename(self._folder / f"{identifier}.used")
        except FileNotFoundError as error:
            raise LatticeError("the invitation was used already", hint=_HINT) from error
        return promise

    def _forget_old(self) -> None:
        for file in (*self._folder.glob("*.json"), *self._folder.glob("*.used")):
            with contextlib.suppress(OSError, LatticeError):
                if Promise.read(file.read_bytes()).expires + KEPT.total_seconds() < time.time():
                    file.unlink()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
