"""How a client of NATS proves who it is, and whom it believes.

A NATS of the user's own asks for what it is configured for: a token or a user in the URL, a file of credentials (JWT), the seed of an
nkey. The NATS of a lattice asks for credentials, and speaks TLS from the first byte, so that nobody in between can talk a client out of it.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from wisp.errors import LatticeError
from wisp.lattice.membership.nkeys import KeyPair

if TYPE_CHECKING:
    from pathlib import Path

_CLAIMS: Final = "NATS USER JWT"
_SEED: Final = "USER NKEY SEED"
_LARGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """What a client has. Files are read at each connection: what was renewed counts from the next one on."""

    credentials: Path | None = None
    """Claims, and the seed that proves them."""

    nkey: Path | None = None
    """The seed of a key that the server's configuration names."""

    ca: Path | None = None
    """Certificates (PEM) that are believed, in place of the system's."""

    tls_first: bool = False
    """Whether TLS begins before the server has said anything."""

    def with_credentials(self, credentials: Path) -> Self:
        """Return the same for somebody else."""
        return replace(self, credentials=credentials)

    def encrypted(self, url: str) -> bool:
        """Return whether TLS is wanted, whatever a server says."""
        return self.tls_first or self.ca is not None or "tls://" in url

    def options(self, url: str) -> dict[str, Any]:
        """Return what the client of NATS is told. Raises LatticeError."""
        found: dict[str, Any] = {}
        if self.encrypted(url):
            found["tls"] = self._context()
            found["tls_handshake_first"] = self.tls_first
        if self.credentials is not None:
            content = _read(self.credentials)
            pair, claims = KeyPair.read(_part(content, _SEED)), _part(content, _CLAIMS)
            found["user_jwt_cb"] = lambda: bytearray(claims.encode())
            found["signature_cb"] = _signing(pair)
        elif self.nkey is not None:
            found["signature_cb"] = _signing(KeyPair.read(_read(self.nkey)))
        return found

    def told(self) -> dict[str, Any]:
        """Return what a worker is told, which reads no files of credentials. Raises LatticeError."""
        found: dict[str, Any] = {"tls_first": self.tls_first}
        if self.credentials is not None:
            found["credentials"] = _read(self.credentials)
        elif self.nkey is not None:
            found["nkey"] = _read(self.nkey).strip()
        return found if self.ca is None else {**found, "ca": str(self.ca)}

    def public_key(self) -> str | None:
        """Return the public half of the nkey, which the client says. Raises LatticeError."""
        return KeyPair.read(_read(self.nkey)).public if self.nkey and not self.credentials else None

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            message = f"the certificates in {self.ca} cannot be read: {error}"
            raise LatticeError(message) from error


OPEN: Final = Access()
"""No more than what the URL has in it."""


def _signing(pair: KeyPair) -> Any:  # noqa: ANN401 - the client's type for it
    return lambda nonce: base64.b64encode(pair.sign(nonce.encode()))


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LARGEST)
    except (OSError, ValueError) as error:
        message = f"the credentials in {path} cannot be read: {error}"
        raise LatticeError(message) from error


def _part(content: str, name: str) -> str:
    """Return what stands in a file of credentials between two lines with that name."""
    lines = iter(content.splitlines())
    for line in lines:
        if f"BEGIN {name}" in line:
            return next(lines, "").strip()
    message = f"a file of credentials of NATS has a part {name}, this one has none"
    raise LatticeError(message, hint="`nsc generate creds` makes such files")
