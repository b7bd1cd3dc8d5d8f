"""The authority of a lattice: what says who belongs to it. It signs the certificates of hosts, and what NATS believes of users.

Only hosts that are named for it hold it, sealed with a secret that is kept elsewhere. Everybody else has its certificate, and the
public halves of its keys.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from wisp.errors import LatticeError
from wisp.lattice.membership import certificates, claims
from wisp.lattice.membership.nkeys import KeyPair

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wisp.lattice.membership.certificates import Wanted

COST: Final = 2**15
"""Of scrypt: 32 MiB and about a tenth of a second for each guess."""

_BLOCK, _PARALLEL, _KEY, _SALT, _NONCE = 8, 1, 32, 16, 12


@dataclass(frozen=True, slots=True)
class Authority:
    """What says who belongs to a lattice. Made with `make` or `unseal`."""

    lattice: str
    certificate: bytes
    """PEM."""

    key: bytes = field(repr=False)
    """Of the certificate, PEM."""

    operator: KeyPair
    account: KeyPair
    system: KeyPair
    routes: str = field(repr=False)
    """What the NATS servers of a cluster prove themselves with to each other."""

    @classmethod
    def make(cls, lattice: str) -> Self:
        """Return a new one."""
        key = certificates.new_key()
        return cls(
            lattice=lattice,
            certificate=certificates.certificate_pem(certificates.authority(key, lattice)),
            key=certificates.key_pem(key),
            operator=KeyPair.make("operator"),
            account=KeyPair.make("account"),
            system=KeyPair.make("account"),
            routes=secrets.token_urlsafe(24),
        )

    def issue(self, request: bytes, wanted: Wanted) -> bytes:
        """Return the certificate (PEM) that somebody asked for. Raises LatticeError."""
        asked = certificates.read_request(request)
        issuer = certificates.read_certificate(self.certificate)
        made = certificates.issue(certificates.read_key(self.key), issuer, asked, wanted)
        return certificates.certificate_pem(made)

    def operator_claims(self) -> str:
        """Return what a NATS server believes first of all."""
        return claims.operator(self.operator, f"lattice {self.lattice}", self.system.public)

    def system_claims(self) -> str:
        """Return the claims of the account that NATS servers use among themselves."""
        return claims.system(self.operator, self.system.public)

    def account_claims(self, revoked: Mapping[str, int], gone: Iterable[str]) -> str:
        """Return the claims of the account that is the lattice, with what was revoked by key and by name."""
        name = f"lattice {self.lattice}"
        return claims.account(self.operator, self.account.public, name, revoked=revoked, gone=gone)

    def seal(self, secret: bytes) -> bytes:
        """Return all of it, encrypted, so that only who has the secret can use it."""
        salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
        content = {
            "key": self.key.decode(),
            "operator": self.operator.seed,
            "account": self.account.seed,
            "system": self.system.seed,
            "routes": self.routes,
        }
        head = {"lattice": self.lattice, "certificate": self.certificate.decode(), "cost": COST}
        sealed = _cipher(secret, salt, COST).encrypt(nonce, json.dumps(content).encode(), _bound(head))
        return json.dumps(
            {**head, "salt": _text(salt), "nonce": _text(nonce), "sealed": _text(sealed)}
        ).encode()

    @classmethod
    def unseal(cls, content: bytes, secret: bytes) -> Self:
        """Read what was sealed. Raises LatticeError."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - slow

        try:
            outer = json.loads(content)
            head = {name: outer[name] for name in ("lattice", "certificate", "cost")}
            cipher = _cipher(secret, _bytes(outer["salt"]), _cost(outer["cost"]))
            inner = json.loads(cipher.decrypt(_bytes(outer["nonce"]), _bytes(outer["sealed"]), _bound(head)))
            operator, account, system = (
                KeyPair.read(inner[name]) for name in ("operator", "account", "system")
            )
        except InvalidTag as error:
            message = "the secret does not open the authority of this lattice"
            raise LatticeError(message, hint="--authority-key FILE says where the right one is") from error
        except (ValueError, KeyError, TypeError) as error:
            raise LatticeError("what should be the authority of a lattice is something else") from error
        return cls(
            lattice=head["lattice"],
            certificate=head["certificate"].encode(),
            key=inner["key"].encode(),
            operator=operator,
            account=account,
            system=system,
            routes=inner["routes"],
        )


def _cost(number: int) -> int:
    if number not in {2**power for power in range(14, 19)}:
        raise LatticeError("the authority of this lattice is sealed in a way that is not known")
    return number


def _cipher(secret: bytes, salt: bytes, cost: int) -> Any:  # noqa: ANN401 - its class is slow to import
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415 - slow

    return AESGCM(Scrypt(salt, _KEY, cost, _BLOCK, _PARALLEL).derive(secret))


def _bound(head: Mapping[str, Any]) -> bytes:
    """Return what stands outside of the encrypted part, and cannot be changed either."""
    return json.dumps(head, sort_keys=True).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
