"""Signatures in registries: made, and found.

New ones refer to the artifact, as those of cosign 3 do. Those that earlier versions made are found too: below the tag
`sha256-<hex>.sig`, or as referrers of a type of their own.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from wisp.errors import RegistryError
from wisp.registry.oci import components, documents, referrers
from wisp.registry.oci.documents import ImageManifest
from wisp.registry.signing import statements
from wisp.registry.signing.evidence import Evidence
from wisp.registry.signing.statements import Signature

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wisp.manifest.references import Reference
    from wisp.registry.oci.client import Client, Found
    from wisp.registry.oci.documents import Descriptor
    from wisp.registry.signing.keys import PrivateKey

_OLDER_TAG: Final = ".sig"
_OLDER_ARTIFACT: Final = "application/vnd.dev.cosign.artifact.sig.v1+json"
_OLDER_ANNOTATION: Final = "dev.cosignproject.cosign/signature"
_TYPES: Final = (statements.BUNDLES, _OLDER_ARTIFACT, documents.EMPTY)
"""How the types of referrers begin that may be signatures; some registries know only the type of a config."""

_MOST: Final = 64
"""Signatures of one artifact that are looked at: who may push there decides how many there are."""


async def sign(client: Client, found: Found, key: PrivateKey) -> str:
    """Sign an artifact, and return the digest of the signature's manifest.

    Raises:
        RegistryError: the registry does not take it.

    """
    annotations = {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": statements.PREDICATE,
        "org.opencontainers.image.created": components.created(),
    }
    bundle = statements.bundle(found.digest, key)
    return await referrers.attach(client, found, bundle, statements.BUNDLE, annotations)


async def gather(client: Client, *chain: Found) -> Evidence:
    """Return what speaks for an artifact: the last of these, before it the index that has it.

    Raises:
        RegistryError: the registry does not say.

    """
    found: list[Signature] = []
    for one in chain:
        async for signature in _found(client, one.reference):
            found.append(signature)
            if len(found) >= _MOST:
                break
    return Evidence(tuple(one.content for one in chain), tuple(found[:_MOST]))


async def _found(client: Client, artifact: Reference) -> AsyncIterator[Signature]:
    listed = await referrers.listed(client, artifact)
    fitting = [one for one in listed if one.artifact_type is None or one.artifact_type.startswith(_TYPES)]
    for descriptor in fitting[:_MOST]:
        async for signature in _in_referrer(client, artifact, descriptor):
            yield signature
    older = await referrers.tagged(client, referrers.tag(artifact, _OLDER_TAG))
    if older is not None and isinstance(older.manifest, ImageManifest):
        async for signature in _in_manifest(client, artifact, older.manifest):
            yield signature


async def _in_referrer(
    client: Client, artifact: Reference, descriptor: Descriptor
) -> AsyncIterator[Signature]:
    """Return what is in a referrer. One that cannot be had speaks for nothing, and must not stand in the way of others."""
    try:
        manifest = (await client.manifest(artifact.at(descriptor.digest))).manifest
        if isinstance(manifest, ImageManifest):
            async for signature in _in_manifest(client, artifact, manifest):
                yield signature
    except RegistryError as error:
        if error.status is None or error.status < 500:  # noqa: PLR2004 - faults of the server's
            return
        raise


async def _in_manifest(
    client: Client, artifact: Reference, manifest: ImageManifest
) -> AsyncIterator[Signature]:
    for layer in manifest.layers[:_MOST]:
        if layer.media_type.startswith(statements.BUNDLES):
            yield Signature("bundle", await client.document(artifact, layer))
        elif layer.media_type == statements.OLDER:
            encoded = layer.annotations.get(_OLDER_ANNOTATION, "")
            try:
                signature = base64.b64decode(encoded, validate=True)
            except binascii.Error:
                continue
            yield Signature("older", await client.document(artifact, layer), signature)
