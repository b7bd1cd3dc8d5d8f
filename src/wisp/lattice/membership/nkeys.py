"""NATS's keys: Ed25519 in a writing of their own, which says what a key is for and is safe against a slip of the pen.

A seed is the private half and begins with S; a public key begins with U for a user, A for an account, O for an operator.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from wisp.errors import LatticeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Kind: TypeAlias = Literal["user", "account", "operator"]

_KINDS: Final[dict[Kind, int]] = {"user": 20 << 3, "account": 0, "operator": 14 << 3}
_SEED: Final = 18 << 3
_RAW: Final = 32


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key with both halves. Made with `make` or `read`."""

    seed: str = field(repr=False)
    public: str

    @classmethod
    def make(cls, kind: Kind) -> KeyPair:
        """Return a new one."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - slow

        return cls._of(kind, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def read(cls, seed: str) -> KeyPair:
        """Read a seed. Raises LatticeError."""
        content = _decoded(seed.strip())
        kind = _kind((content[0] & 7) << 5 | content[1] >> 3)
        if content[0] & 0xF8 != _SEED or len(content) != _RAW + 2 or kind is None:
            raise _wrong()
        return cls._of(kind, content[2:])

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a content."""
        return _private(_decoded(self.seed)[2:]).sign(content)

    @classmethod
    def _of(cls, kind: Kind, raw: bytes) -> KeyPair:
        prefix = _KINDS[kind]
        seed = _encoded(bytes([_SEED | prefix >> 5, (prefix & 31) << 3]) + raw)
        return cls(seed, _encoded(bytes([prefix]) + _private(raw).public_key().public_bytes_raw()))


def require_public(text: str, kind: Kind) -> str:
    """Return a public key as it is, found to be one of that kind. Raises LatticeError."""
    content = _decoded(text)
    if len(content) != _RAW + 1 or _kind(content[0]) != kind:
        raise _wrong()
    return text


def verified(public: str, signature: bytes, content: bytes) -> bool:
    """Return whether the owner of a public key has signed a content. Raises LatticeError when it is no key."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - slow

    try:
        Ed25519PublicKey.from_public_bytes(_decoded(public)[1:]).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(raw: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - slow

    return Ed25519PrivateKey.from_private_bytes(raw)


def _kind(prefix: int) -> Kind | None:
    return next((kind for kind, known in _KINDS.items() if known == prefix), None)


def _encoded(content: bytes) -> str:
    check = binascii.crc_hqx(content, 0).to_bytes(2, "little")
    return base64.b32encode(content + check).decode("ascii").rstrip("=")


def _decoded(text: str) -> bytes:
    """Return what was written, without its check sum. Raises LatticeError."""
    try:
        content = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError) as error:
        raise _wrong() from error
    content = content[:-2]
    if len(content) <= _RAW or _encoded(content) != text:  # its check sum, and one way to write it
        raise _wrong()
    return content


def _wrong() -> LatticeError:
    # What it is stays unsaid: it may be a secret.
    return LatticeError(
        "this is no key of NATS", hint="a seed begins with SU; `nats auth` and `nsc` make such keys"
    )
