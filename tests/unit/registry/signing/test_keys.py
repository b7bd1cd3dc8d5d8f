"""Private keys as files, and what they sign."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from wisp.errors import SignatureError
from wisp.registry.signing.keys import PrivateKey, PublicKey


def public_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def changed(content: bytes, change: dict[str, object]) -> bytes:
    """Return the file of a key with something else in its JSON."""
    first, *lines, last = content.decode().strip().splitlines()
    document = json.loads(base64.b64decode("".join(lines))) | change
    return "\n".join([first, base64.b64encode(json.dumps(document).encode()).decode(), last]).encode()


def test_a_key_is_read_back_with_its_password_and_with_no_other() -> None:
    key = PrivateKey.generate("ours")
    content = key.encrypted(b"secret")

    again = PrivateKey.read(content, b"secret", "ours")

    assert again.public.fingerprint == key.public.fingerprint
    assert key.public.verifies(again.sign(b"message"), b"message")
    with pytest.raises(SignatureError, match="the password is not the one"):
        PrivateKey.read(content, b"Secret", "ours")


def test_an_empty_password_is_a_password() -> None:
    key = PrivateKey.generate("ours")
    content = key.encrypted(b"")

    assert PrivateKey.read(content, b"", "ours").public.verifies(key.sign(b"x"), b"x")
    with pytest.raises(SignatureError, match="the password is not the one"):
        PrivateKey.read(content, b" ", "ours")


def test_two_files_of_a_key_have_nothing_in_common() -> None:
    key = PrivateKey.generate("ours")

    first, second = (key.encrypted(b"secret").splitlines() for _ in range(2))

    assert first[-3] != second[-3]


def test_the_same_message_has_the_same_signature() -> None:
    key = PrivateKey.generate("ours")

    assert key.sign(b"message") == key.sign(b"message")


@pytest.mark.parametrize(
    "change",
    [
        {"kdf": {"name": "scrypt", "params": {"N": 2**24, "r": 8, "p": 1}, "salt": ""}},
        {"kdf": {"name": "scrypt", "params": {"N": 2**15, "r": 64, "p": 1}, "salt": ""}},
        {"kdf": {"name": "pbkdf2", "params": {"N": 2**15, "r": 8, "p": 1}, "salt": ""}},
        {"cipher": {"name": "nacl/secretbox", "nonce": "AAAA"}},
        {"cipher": {"name": "none", "nonce": base64.b64encode(bytes(24)).decode()}},
    ],
)
def test_a_file_does_not_choose_how_it_is_encrypted(change: dict[str, object]) -> None:
    content = PrivateKey.generate("ours").encrypted(b"secret")

    with pytest.raises(SignatureError, match="encrypted in a way that cosign does not use"):
        PrivateKey.read(changed(content, change), b"secret", "ours")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff", b"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_private_key_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(SignatureError, match="is not a private key as cosign writes it"):
        PrivateKey.read(content, b"", "ours")


@given(st.binary(max_size=300))
def test_whatever_a_file_has_an_error_of_ours_comes_of_it(content: bytes) -> None:
    pem = b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n%b\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"

    for text in (content, pem % base64.b64encode(content)):
        with pytest.raises(SignatureError):
            PrivateKey.read(text, b"", "ours")


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_keys_of_each_curve_sign_and_verify(curve: ec.EllipticCurve) -> None:
    private = ec.generate_private_key(curve)

    signature = PrivateKey(private, "ours").sign(b"message")

    public = PublicKey.read(public_pem(private), "ours")
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"massage")
    assert not public.verifies(signature[:-1], b"message")


def test_keys_of_rsa_sign_and_verify_unless_they_are_short() -> None:
    private = rsa.generate_private_key(65537, 2048)
    signature = PrivateKey(private, "ours").sign(b"message")

    assert PublicKey.read(public_pem(private), "ours").verifies(signature, b"message")

    with pytest.raises(SignatureError, match="only ECDSA"):
        PublicKey.read(public_pem(rsa.generate_private_key(65537, 1024)), "short")  # noqa: S505


def test_keys_of_other_kinds_are_refused() -> None:
    with pytest.raises(SignatureError, match="only ECDSA"):
        PublicKey.read(public_pem(ed25519.Ed25519PrivateKey.generate()), "other")
    with pytest.raises(SignatureError, match="it is not a public key"):
        PublicKey.read(b"-----BEGIN", "other")
