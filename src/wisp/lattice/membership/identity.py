"""The identity of a host: a certificate of its lattice and the key to it, in a folder of its own.

    ca.pem      the lattice's authority: whom this host believes
    host.pem    its certificate, HOST.LATTICE.wisp.internal
    host.key    the private key, made here; it never leaves this folder
    next.key    the key of the certificate that it asks for, until it has it

A certificate and its key are two files. When a host dies between writing the one and the other, the pair is put together at the next
look: the key that fits is either `host.key` or `next.key`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError
from wisp.lattice.membership import certificates
from wisp.registry import files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wisp.lattice.membership.certificates import Facts

AUTHORITY_FILE: Final = "ca.pem"
CERTIFICATE_FILE: Final = "host.pem"
KEY_FILE: Final = "host.key"
NEXT_KEY_FILE: Final = "next.key"
FOLDER: Final = "identity"
"""Below the folder of what a host remembers."""


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """The identity of one host, in a folder: getting it, renewing it, proving it. What workers are told of it is `running/onward.py`'s."""

    folder: Path

    def facts(self) -> Facts | None:
        """Return what its certificate says; None when there is none yet. Raises LatticeError when what is there cannot be one."""
        if (content := self._read(CERTIFICATE_FILE)) is None:
            return None
        certificate = certificates.read_certificate(content)
        found = certificates.facts(certificate, certificates.read_certificate(self._required(AUTHORITY_FILE)))
        self._settle(content)
        return found

    def authority(self) -> bytes | None:
        """Return the certificate of the authority that this host believes."""
        return self._read(AUTHORITY_FILE)

    def request(self, host: str, lattice: str, addresses: Sequence[str] = ()) -> bytes:
        """Make a new key, and return the request for a certificate of it. Raises ArtifactError."""
        key = certificates.new_key()
        files.write(self.folder / NEXT_KEY_FILE, certificates.key_pem(key))
        return certificates.request(key, host, lattice, addresses)

    def keep(self, certificate: bytes, authority: bytes) -> Facts:
        """Have a certificate from now on, the answer to the last request. Raises LatticeError, ArtifactError."""
        read = certificates.read_certificate(certificate)
        found = certificates.facts(read, certificates.read_certificate(authority))
        if not self._fits(certificate, NEXT_KEY_FILE):
            raise LatticeError("the certificate is for another key than the one that was asked for")
        if found.ends <= datetime.now(UTC):
            raise LatticeError(
                "the certificate has ended already", hint="are the clocks of both hosts right?"
            )
        files.write(self.folder / AUTHORITY_FILE, authority, mode=0o644)
        files.write(self.folder / CERTIFICATE_FILE, certificate, mode=0o644)
        self._settle(certificate)
        return found

    def sign(self, content: bytes) -> bytes:
        """Return a signature by this host's key. Raises LatticeError."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - slow

        key = certificates.read_key(self._required(KEY_FILE))
        return key.sign(content, ec.ECDSA(hashes.SHA256()))

    def certificate(self) -> bytes:
        """Return its certificate. Raises LatticeError."""
        return self._required(CERTIFICATE_FILE)

    def _settle(self, certificate: bytes) -> None:
        """See to it that the key is the one of the certificate. Raises LatticeError."""
        if self._fits(certificate, KEY_FILE):
            return
        if not self._fits(certificate, NEXT_KEY_FILE):
            message = f"the key in {self.folder} is not the one of the certificate"
            raise LatticeError(
                message, hint="let this host join again: `wisp lattice invite` on the first one"
            )
        files.publish(self.folder / NEXT_KEY_FILE, self.folder / KEY_FILE)

    def _fits(self, certificate: bytes, name: str) -> bool:
        content = self._read(name)
        if content is None:
            return False
        return (
            certificates.read_key(content).public_key()
            == certificates.read_certificate(certificate).public_key()
        )

    def _read(self, name: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_bytes()
        return None

    def _required(self, name: str) -> bytes:
        if (found := self._read(name)) is None:
            message = f"this host has no {name} in {self.folder}"
            raise LatticeError(message, hint="let it join: `wisp lattice invite` on the first host says how")
        return found
