"""Sealing: values that only certain hosts can open.

A value is encrypted once, with a key made for it alone. That key is sealed to each host that may have it, with the host's public key. So
another host is let in by sealing the same key to it, without touching the value.

A host's key is an X25519 key; its public part is written as NATS writes such keys ("xkeys": `X` and base 32). The seal is HPKE
(RFC 9180: X25519, HKDF-SHA256, ChaCha20-Poly1305), and is bound to what is sealed and for whom: copied to another place it opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.hpke import Suite

_CURVE: Final = 23 << 3
"""The first byte of a public key of this kind: base 32 makes an `X` of it."""

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Key:
    """The key of one host."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def of(cls, secret: bytes) -> Key:
        """Return the key with these 32 secret bytes. Raises LatticeError."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415 - slow to import

        try:
            return cls(X25519PrivateKey.from_private_bytes(secret))
        except ValueError as error:
            raise LatticeError("the key of this host for secrets is none") from error

    @property
    def public(self) -> str:
        """The public part, as it is written into records."""
        body = bytes([_CURVE]) + self._private.public_key().public_bytes_raw()
        return _base32(body + binascii.crc_hqx(body, 0).to_bytes(2, "little"))

    def open(self, sealed: bytes, about: str) -> bytes:
        """Open what was sealed to this key. Raises LatticeError when it was not, or is about something else."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - slow to import

        try:
            return _suite().decrypt(sealed, self._private, info=about.encode())
        except (InvalidTag, ValueError) as error:
            raise LatticeError("it was not sealed to this host") from error


def new_secret() -> bytes:
    """Return the secret bytes of a new key."""
    return secrets.token_bytes(_KEY_BYTES)


def seal(content: bytes, public: str, about: str) -> bytes:
    """Seal a few bytes to the key with this public part. Raises LatticeError."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415 - slow to import

    return _suite().encrypt(content, X25519PublicKey.from_public_bytes(_raw(public)), info=about.encode())


def encrypt(value: bytes, key: bytes, about: str) -> bytes:
    """Encrypt a value with a key that was made for it."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415 - slow to import

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, value, about.encode())


def decrypt(encrypted: bytes, key: bytes, about: str) -> bytes:
    """Return the value. Raises LatticeError when it is another one, or about something else."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    nonce, rest = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, rest, about.encode())
    except (InvalidTag, ValueError) as error:
        raise LatticeError("it was changed after it was encrypted, or with another key") from error


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415 - slow to import

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def _raw(public: str) -> bytes:
    """Return the bytes of a public key. Raises LatticeError."""
    try:
        content = base64.b32decode(public + "=" * (-len(public) % 8))
    except ValueError:
        content = b""
    body, check = content[:-2], content[-2:]
    whole = len(body) == 1 + _KEY_BYTES and body[0] == _CURVE
    if not whole or binascii.crc_hqx(body, 0).to_bytes(2, "little") != check:
        message = f'"{public}" is not the public part of a key for secrets'
        raise LatticeError(message)
    return body[1:]


def _base32(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=")
