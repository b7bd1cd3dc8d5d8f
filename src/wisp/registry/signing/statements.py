"""What is signed, and how it is written: as cosign 3 does it, and as its versions before did.

cosign 3 signs a statement of in-toto, "this digest was signed", in an envelope of DSSE, and writes both as a bundle of
Sigstore. Before, it signed a small JSON document of its own. In both, the digest of the artifact's manifest is what counts.
Only keys are looked at here: no certificates, no transparency log.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from wisp.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wisp.registry.signing.keys import PrivateKey, PublicKey

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLES: Final = "application/vnd.dev.sigstore.bundle"
"""How the types of all versions begin."""

PREDICATE: Final = "https://sigstore.dev/cosign/sign/v1"
OLDER: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_STATEMENTS: Final = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_OLDER_TYPE: Final = "cosign container image signature"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was found; whether it is good is what `judge` says."""

    kind: Literal["bundle", "older"]
    content: bytes
    """The bundle, or the document that was signed."""

    signature: bytes = b""
    """Of an older one: what the manifest says beside the document."""

    def document(self) -> dict[str, str]:
        """Return it as JSON has it."""
        encoded = {"content": self.content, "signature": self.signature}
        return {
            "kind": self.kind,
            **{key: base64.b64encode(value).decode() for key, value in encoded.items()},
        }

    @classmethod
    def of(cls, document: Mapping[str, str]) -> Signature:
        """Read what `document` wrote; raises ValueError, KeyError or TypeError."""
        kind = document["kind"]
        if kind not in {"bundle", "older"}:
            raise ValueError(kind)
        content, signature = (
            base64.b64decode(document[key], validate=True) for key in ("content", "signature")
        )
        return cls("bundle" if kind == "bundle" else "older", content, signature)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What is signed, once it was read."""

    message: bytes
    """The bytes that the signature is of."""

    signature: bytes
    digests: tuple[str, ...]


def bundle(digest: str, key: PrivateKey) -> bytes:
    """Sign the digest of an artifact's manifest."""
    algorithm, _, value = digest.partition(":")
    statement = {
        "_type": _STATEMENTS[0],
        "subject": [{"digest": {algorithm: value}}],
        "predicateType": PREDICATE,
        "predicate": {},
    }
    payload = _encoded(statement)
    signature = key.sign(_enveloped(_PAYLOAD, payload))
    return _encoded(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": _PAYLOAD,
                "signatures": [{"sig": base64.b64encode(signature).decode()}],
            },
        }
    )


def judge(found: Signature, digest: str, keys: Iterable[PublicKey]) -> PublicKey:
    """Return the key with which a digest was signed.

    Raises:
        SignatureError: it is a signature of something else, or with another key, or none at all.

    """
    try:
        claim = _read_bundle(found) if found.kind == "bundle" else _read_older(found)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        message = "its signature cannot be read"
        raise SignatureError(message) from error
    # First whether it was signed: what a stranger claims is not worth a word.
    signer = next((key for key in keys if key.verifies(claim.signature, claim.message)), None)
    if signer is None:
        raise SignatureError("it is signed, but with none of the keys that are trusted for it")
    if digest not in claim.digests:
        message = f"its signature, with the key {signer.name}, is of something else: {', '.join(claim.digests) or 'nothing'}"
        raise SignatureError(message)
    return signer


def _read_bundle(found: Signature) -> _Claim:
    data = json.loads(found.content)
    if not str(data["mediaType"]).startswith(BUNDLES):
        raise ValueError(data["mediaType"])
    envelope = data["dsseEnvelope"]
    [one] = envelope["signatures"]
    payload = _decoded(envelope["payload"])
    kind = envelope["payloadType"]
    return _Claim(_enveloped(kind, payload), _decoded(one["sig"]), _subjects(kind, json.loads(payload)))


def _subjects(kind: str, statement: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the digests that a statement says were signed; others, such as those about an SBOM, say no such thing."""
    if kind != _PAYLOAD or statement["_type"] not in _STATEMENTS or statement["predicateType"] != PREDICATE:
        return ()
    return tuple(
        f"{algorithm}:{value}"
        for subject in statement["subject"]
        for algorithm, value in subject["digest"].items()
    )


def _read_older(found: Signature) -> _Claim:
    critical = json.loads(found.content)["critical"]
    signed = (critical["image"]["docker-manifest-digest"],) if critical["type"] == _OLDER_TYPE else ()
    return _Claim(found.content, found.signature, signed)


def _enveloped(kind: str, payload: bytes) -> bytes:
    """Return what DSSE signs: lengths and all, so that nothing can be taken for anything else."""
    encoded = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _encoded(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
