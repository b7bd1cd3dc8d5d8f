"""What a host that is named for the lattice's authority keeps on its disk.

    sealed.json        the authority, encrypted
    trust.json         what it has signed for NATS servers (`wisp.lattice.membership.trust`)
    invitations/       those that this host has made
    admitted/NAME.json whom it has let in

The secret that opens `sealed.json` is the content of a file somewhere else: a long random one that is made with the authority, or
whatever its owner puts there. A copy of this folder alone, on a backup, is worth nothing.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError
from wisp.lattice.membership import claims, trust
from wisp.lattice.membership.authority import Authority
from wisp.lattice.membership.invitations import Invitations, Role
from wisp.lattice.membership.trust import Trust
from wisp.lattice.records import Record
from wisp.registry import files

if TYPE_CHECKING:
    from pathlib import Path

LEAST_SECRET: Final = 12
"""Bytes; scrypt makes each guess slow, but cannot make up for a secret that is no secret."""


class Admitted(Record):
    """Somebody who was let in: public, and in the lattice's bucket too."""

    name: str
    role: Role = "host"
    claims: tuple[str, ...]
    """What NATS believes of him, each signed by the authority."""

    nats: bool = False
    addresses: tuple[str, ...] = ()
    """What his certificate says beside his name."""

    authority: bool = False
    route: str | None = None
    """`HOST:PORT` where his NATS server takes connections of the others."""

    def require_genuine(self, name: str, account: str) -> None:
        """Require that the authority with this account has let in whom this says, by this name. Raises LatticeError."""
        said = [claims.read_user(text, account)[1] for text in self.claims]
        if not said or self.name != name or set(said) != {f"{self.role} {name}"}:
            message = f"what the lattice's bucket says of {name} was not written by its authority"
            raise LatticeError(message)


@dataclass(frozen=True, slots=True)
class Holding:
    """The authority of a lattice on this machine."""

    folder: Path
    secret_file: Path

    @property
    def exists(self) -> bool:
        """Whether this machine has it."""
        return (self.folder / "sealed.json").exists()

    @property
    def invitations(self) -> Invitations:
        """The invitations that were made here."""
        return Invitations(self.folder / "invitations")

    def make(self, lattice: str) -> Authority:
        """Make the authority of a new lattice. Raises LatticeError, ArtifactError."""
        if not self.secret_file.exists():
            files.write(self.secret_file, f"{secrets.token_urlsafe(32)}\n".encode())
        made = Authority.make(lattice)
        trust.keep(self.folder, Trust.of(made))
        files.write(self.folder / "sealed.json", made.seal(self._secret()))
        return made

    def open(self) -> Authority:
        """Return the authority. Raises LatticeError."""
        return Authority.unseal(self.sealed(), self._secret())

    def sealed(self) -> bytes:
        """Return it as it lies here. Raises LatticeError."""
        try:
            return (self.folder / "sealed.json").read_bytes()
        except FileNotFoundError as error:
            message = "this machine has not the authority of the lattice"
            raise LatticeError(
                message, hint="do so on the one where `wisp lattice up` was said, or that was named for it"
            ) from error

    def receive(self, sealed: bytes, known: Trust) -> None:
        """Keep an authority that another host has sent; `open` says whether the secret here opens it. Raises ArtifactError."""
        trust.keep(self.folder, known)
        files.write(self.folder / "sealed.json", sealed)

    def trust(self) -> Trust:
        """Return what it has signed last, as far as is known here. Raises LatticeError."""
        if (found := trust.read(self.folder)) is None:
            message = f"there is no {trust.FILE} in {self.folder}, so who was revoked is not known"
            raise LatticeError(
                message, hint="put it back from a backup, or from another host's identity folder"
            )
        return found

    def keep_trust(self, known: Trust) -> None:
        """Remember what it has signed. Raises ArtifactError."""
        trust.keep(self.folder, known)

    def admitted(self) -> dict[str, Admitted]:
        """Return whom this host knows to have been let in, by name."""
        found = {}
        for file in sorted((self.folder / "admitted").glob("*.json")):
            with contextlib.suppress(OSError, LatticeError):
                record = Admitted.read(file.read_bytes())
                found[record.name] = record
        return found

    def admit(self, record: Admitted) -> None:
        """Remember that somebody was let in. Raises ArtifactError."""
        files.write(self.folder / "admitted" / f"{record.name}.json", record.to_bytes())

    def _secret(self) -> bytes:
        try:
            found = self.secret_file.read_bytes().strip()
        except OSError as error:
            message = f"the secret that opens the lattice's authority cannot be read: {self.secret_file}: {error.strerror}"
            raise LatticeError(
                message, hint="--authority-key FILE, or WISP_AUTHORITY_KEY, says where it is"
            ) from error
        if len(found) < LEAST_SECRET:
            message = f"the secret in {self.secret_file} is shorter than {LEAST_SECRET} characters"
            raise LatticeError(message)
        return found
