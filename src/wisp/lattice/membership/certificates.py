"""Certificates of a lattice: who signs them, what is in them, and what a host asks for.

A host's certificate says `HOST.LATTICE.wisp.internal`, and is good for both ends of a connection. Where a host also runs NATS, it
has the addresses at which clients reach that, too. Keys are P-256; a host's own never leaves it: what is sent is a request.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from wisp.errors import LatticeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DOMAIN: Final = "wisp.internal"
LIFETIME: Final = timedelta(days=7)
AUTHORITY_LIFETIME: Final = timedelta(days=3650)
SKEW: Final = timedelta(minutes=5)
"""How far the clock of a host may be behind."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a host's certificate says, as far as it matters to us."""

    host: str
    lattice: str
    addresses: tuple[str, ...]
    """Where its NATS is reached, if it runs one."""

    begins: datetime
    ends: datetime
    serial: int


def host_domain(host: str, lattice: str) -> str:
    """Return the name that a host has in its certificate."""
    return f"{host}.{lattice}.{DOMAIN}"


def new_key() -> EllipticCurvePrivateKey:
    """Return a new private key."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - slow

    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(content: bytes) -> EllipticCurvePrivateKey:
    """Read a private key. Raises LatticeError."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - slow

    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError) as error:
        raise LatticeError("what should be a private key is something else") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise LatticeError("the private key is of another kind than those of a lattice")
    return key


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow

    return certificate.public_bytes(serialization.Encoding.PEM)


def read_certificate(content: bytes) -> x509.Certificate:
    """Read a certificate. Raises LatticeError."""
    from cryptography import x509  # noqa: PLC0415 - slow

    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise LatticeError("what should be a certificate is something else") from error


def fingerprint(certificate: bytes) -> str:
    """Return what tells a certificate (PEM) from all others."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow

    found = read_certificate(certificate).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(found).hexdigest()


def request(key: EllipticCurvePrivateKey, host: str, lattice: str, addresses: Sequence[str]) -> bytes:
    """Return what a host sends to be given a certificate (PEM)."""
    from cryptography import x509  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - slow

    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(host))
    names = _names([host_domain(host, lattice), *addresses])
    return (
        builder.add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def read_request(content: bytes) -> x509.CertificateSigningRequest:
    """Read a request, found to be signed by the key that it is about. Raises LatticeError."""
    from cryptography import x509  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - slow

    try:
        found = x509.load_pem_x509_csr(content)
        key, genuine = found.public_key(), found.is_signature_valid
    except ValueError as error:
        raise LatticeError("what should be a request for a certificate is something else") from error
    if not genuine or not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise LatticeError("a request for a certificate is signed by a P-256 key of its own")
    return found


def authority(key: EllipticCurvePrivateKey, lattice: str) -> x509.Certificate:
    """Return the certificate of a new authority, signed by itself."""
    from cryptography import x509  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow

    name, now = _name(f"lattice {lattice}"[:64]), datetime.now(UTC)
    builder = _dated(x509.CertificateBuilder(), now - SKEW, now + AUTHORITY_LIFETIME)
    return (
        builder.subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_others=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a certificate is to say. The key comes from a request; what else stands in that is not believed."""

    host: str
    lattice: str
    addresses: tuple[str, ...] = ()
    lifetime: timedelta = LIFETIME


def issue(
    key: EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    asked: x509.CertificateSigningRequest,
    wanted: Wanted,
) -> x509.Certificate:
    """Return a host's certificate."""
    from cryptography import x509  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow
    from cryptography.x509.oid import ExtendedKeyUsageOID as Usage  # noqa: PLC0415 - slow

    now, public = datetime.now(UTC), asked.public_key()
    ends = min(now + wanted.lifetime, issuer.not_valid_after_utc)
    builder = _dated(x509.CertificateBuilder(), now - SKEW, ends)
    names = _names([host_domain(wanted.host, wanted.lattice), *wanted.addresses])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return (
        builder.subject_name(_name(wanted.host))
        .issuer_name(issuer.subject)
        .public_key(public)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_others=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([Usage.SERVER_AUTH, Usage.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def facts(certificate: x509.Certificate, issuer: x509.Certificate) -> Facts:
    """Return what a certificate says, found to be signed by its authority; whether it has ended is not looked at. Raises LatticeError."""
    from cryptography import x509  # noqa: PLC0415 - slow
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow

    try:
        certificate.verify_directly_issued_by(issuer)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise LatticeError("the certificate is not one of this lattice's authority") from error
    domain, *rest = (str(name.value) for name in names)
    host, _, lattice = domain.removesuffix(f".{DOMAIN}").partition(".")
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Facts(host, lattice, tuple(rest), begins, ends, certificate.serial_number)


def signed(certificate: x509.Certificate, signature: bytes, content: bytes) -> bool:
    """Return whether a content was signed by the key of a certificate."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - slow
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - slow

    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def require_addresses(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return addresses that a host may have in its certificate, beside its name: none that is another host's name. Raises LatticeError."""
    found = tuple(addresses)
    for address in found:
        if address.rstrip(".").lower().endswith(DOMAIN) or not address or "*" in address or len(found) > 16:  # noqa: PLR2004
            message = f"a certificate cannot be had for the address {address}"
            raise LatticeError(message)
    return found


def _names(texts: Iterable[str]) -> x509.SubjectAlternativeName:
    from cryptography import x509  # noqa: PLC0415 - slow

    found: list[x509.GeneralName] = []
    for text in texts:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            found.append(x509.DNSName(text))
    return x509.SubjectAlternativeName(found)


def _name(text: str) -> x509.Name:
    from cryptography import x509  # noqa: PLC0415 - slow
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - slow

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _dated(builder: x509.CertificateBuilder, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
    from cryptography import x509  # noqa: PLC0415 - slow

    serial = x509.random_serial_number()
    return builder.serial_number(serial).not_valid_before(begins).not_valid_after(ends)


def _usage(*, signs_others: bool) -> x509.KeyUsage:
    from cryptography import x509  # noqa: PLC0415 - slow

    return x509.KeyUsage(
        digital_signature=not signs_others,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_others,
        crl_sign=signs_others,
        encipher_only=False,
        decipher_only=False,
    )
