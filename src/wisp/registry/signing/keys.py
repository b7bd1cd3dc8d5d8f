"""Keys that sign artifacts, in the files that cosign reads and writes.

A private key is a PEM file of JSON: PKCS #8, encrypted (nacl's secretbox) with a key that scrypt makes of a password. A public
key is the usual PEM file. Keys that others made and encrypted are read with any of the parameters that cosign uses, and no others: a
file must not choose how much memory it takes to open it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from wisp.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENCRYPTED: Final = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_BLOCK_SIZE: Final = 8
_WORK: Final = 2**16
"""How hard a password is to guess: what cosign writes, about 100 ms."""

_WORKS: Final = (2**15, _WORK, 2**17)
_SALT_SIZE: Final = 32
_MOST_MEMORY: Final = 2**28
_LEAST_RSA: Final = 2048
_CURVES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}
_Public = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class PublicKey:
    """A key that verifies. Made by `PublicKey.read`, or of a private one."""

    def __init__(self, key: _Public, name: str) -> None:
        self._key = key
        self.name = name
        """What people know it by: its file."""

        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._digest = hashlib.sha256(der).digest()

    @classmethod
    def read(cls, content: bytes, name: str) -> PublicKey:
        """Read a PEM file.

        Raises:
            SignatureError: it is none, or of a kind that does not sign artifacts.

        """
        try:
            key = serialization.load_pem_public_key(content)
        except (ValueError, UnsupportedAlgorithm) as error:
            hint = "a public key is a PEM file that begins with -----BEGIN PUBLIC KEY-----"
            raise _unusable(name, "it is not a public key", hint) from error
        return cls(_fitting(key, name), name)

    @property
    def fingerprint(self) -> str:
        """The digest of the key."""
        return f"sha256:{self._digest.hex()}"

    @property
    def hint(self) -> str:
        """What a bundle says about whose it is."""
        return base64.b64encode(self._digest).decode()

    def pem(self) -> bytes:
        """Return the file of the key."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether a signature of a message was made with this key."""
        return any(self._verifies(signature, message, algorithm) for algorithm in self._algorithms())

    def _algorithms(self) -> Iterator[hashes.HashAlgorithm]:
        """Return the hashes that cosign uses: the curve's own, and SHA-256 in its older signatures."""
        own = _hash_of(self._key)
        yield own
        if not isinstance(own, hashes.SHA256):
            yield hashes.SHA256()

    def _verifies(self, signature: bytes, message: bytes, algorithm: hashes.HashAlgorithm) -> bool:
        try:
            if isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(signature, message, padding.PKCS1v15(), algorithm)
            else:
                self._key.verify(signature, message, ec.ECDSA(algorithm))
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A key that signs. Made by `PrivateKey.generate` or `PrivateKey.read`."""

    def __init__(self, key: _Private, name: str) -> None:
        self._key = key
        self.public = PublicKey(key.public_key(), name)

    @classmethod
    def generate(cls, name: str) -> PrivateKey:
        """Make a new key, of the kind that cosign makes."""
        return cls(ec.generate_private_key(ec.SECP256R1()), name)

    @classmethod
    def read(cls, content: bytes, password: bytes, name: str) -> PrivateKey:
        """Read a file that cosign or wisp has written.

        Raises:
            SignatureError: it is none, or the password is wrong.

        """
        opened = _opened(content, password, name)
        try:
            key = serialization.load_der_private_key(opened, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _unusable(name, "there is no private key in it") from error
        _fitting(key.public_key(), name)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise _unusable(name, "keys of its kind do not sign artifacts")
        return cls(key, name)

    def encrypted(self, password: bytes) -> bytes:
        """Return the file of the key."""
        der = self._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        salt, nonce = os.urandom(_SALT_SIZE), os.urandom(SecretBox.NONCE_SIZE)
        sealed = SecretBox(_key(password, salt, _WORK)).encrypt(der, nonce)
        document = {
            "kdf": {
                "name": "scrypt",
                "params": {"N": _WORK, "r": _BLOCK_SIZE, "p": 1},
                "salt": base64.b64encode(salt).decode(),
            },
            "cipher": {"name": "nacl/secretbox", "nonce": base64.b64encode(nonce).decode()},
            "ciphertext": base64.b64encode(sealed.ciphertext).decode(),
        }
        text = base64.encodebytes(json.dumps(document, separators=(",", ":")).encode()).replace(b"\n", b"")
        lines = [text[begin : begin + 64] for begin in range(0, len(text), 64)]
        label = _ENCRYPTED[0].encode()
        return b"\n".join([b"-----BEGIN %b-----" % label, *lines, b"-----END %b-----" % label, b""])

    def sign(self, message: bytes) -> bytes:
        """Return a signature: the same for the same message, where the machine's OpenSSL can do that."""
        algorithm = _hash_of(self._key)
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), algorithm)
        try:
            return self._key.sign(message, ec.ECDSA(algorithm, deterministic_signing=True))
        except UnsupportedAlgorithm:
            return self._key.sign(message, ec.ECDSA(algorithm))


def read_public(path: Path) -> PublicKey:
    """Read the file of a public key.

    Raises:
        SignatureError: it cannot be read, or is none.

    """
    return PublicKey.read(_content(path), str(path))


def read_private(path: Path, password: bytes) -> PrivateKey:
    """Read the file of a private key.

    Raises:
        SignatureError: it cannot be read, is none, or the password is wrong.

    """
    return PrivateKey.read(_content(path), password, str(path))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(str(path), error.strerror or str(error)) from error


def _opened(content: bytes, password: bytes, name: str) -> bytes:
    """Return what is encrypted in a file."""
    try:
        document = json.loads(_body(content))
        derivation, cipher = document["kdf"], document["cipher"]
        parameters = derivation["params"]
        salt, nonce, sealed = (
            base64.b64decode(text, validate=True)
            for text in (derivation["salt"], cipher["nonce"], document["ciphertext"])
        )
        kinds = (derivation["name"], cipher["name"])
        work = parameters["N"] if (parameters["r"], parameters["p"]) == (_BLOCK_SIZE, 1) else None
    except (ValueError, LookupError, TypeError) as error:
        hint = "`wisp key new`, or `cosign generate-key-pair`, makes a pair; `cosign import-key-pair` takes one that is there"
        raise _unusable(name, "it is not a private key as cosign writes it", hint) from error
    if kinds != ("scrypt", "nacl/secretbox") or work not in _WORKS or len(nonce) != SecretBox.NONCE_SIZE:
        raise _unusable(name, "it is encrypted in a way that cosign does not use")
    try:
        return SecretBox(_key(password, salt, work)).decrypt(sealed, nonce)
    except CryptoError as error:
        raise _unusable(name, "the password is not the one that it was encrypted with") from error


def _body(content: bytes) -> bytes:
    """Return what is between the lines of a PEM file."""
    lines = [line.strip() for line in content.decode("ascii").splitlines() if line.strip()]
    label = lines[0].removeprefix("-----BEGIN ").removesuffix("-----")
    if label not in _ENCRYPTED or lines[-1] != f"-----END {label}-----":
        raise ValueError(lines[0])
    return base64.b64decode("".join(lines[1:-1]), validate=True)


def _key(password: bytes, salt: bytes, work: int) -> bytes:
    return hashlib.scrypt(
        password, salt=salt, n=work, r=_BLOCK_SIZE, p=1, maxmem=_MOST_MEMORY, dklen=SecretBox.KEY_SIZE
    )


def _fitting(key: Any, name: str) -> _Public:  # noqa: ANN401 - any kind of key that cryptography knows
    """Return a key that signs artifacts; Ed25519 is left out, as cosign signs with a variant of it that nobody else has."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        return key
    raise _unusable(name, "only ECDSA (P-256, P-384, P-521) and RSA (from 2048 bits) sign artifacts")


def _hash_of(key: _Public | _Private) -> hashes.HashAlgorithm:
    return (
        hashes.SHA256()
        if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey)
        else _CURVES[key.curve.name]()
    )


def _unusable(name: str, why: str, hint: str | None = None) -> SignatureError:
    return SignatureError(f"the key {name} cannot be used: {why}", hint=hint)
