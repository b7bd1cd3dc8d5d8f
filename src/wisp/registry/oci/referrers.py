"""What refers to an artifact: signatures of it, and lists of what is in it.

A referrer is an artifact whose manifest names another one as its subject. Registries of OCI's distribution 1.1 list the referrers of a
digest. Where they do not, an index with the name `sha256-<hex>` has the list, and whoever adds to it writes it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wisp.errors import RegistryError
from wisp.manifest.references import Reference
from wisp.registry.oci import documents
from wisp.registry.oci.documents import Descriptor, Index
from wisp.registry.oci.upload import Content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.registry.oci.client import Client, Found

_MOST_PAGES: Final = 20
_NOT_FOUND: Final = 404
_ATTEMPTS: Final = 5
"""How often a list is written anew when somebody else writes it in the same moment."""


async def attach(
    client: Client, subject: Found, content: bytes, media_type: str, annotations: Mapping[str, str]
) -> str:
    """Have one blob refer to an artifact, and return the digest of its manifest; the same blob again changes nothing.

    Raises:
        RegistryError: the registry does not take it.

    """
    home = _repository(subject.reference)
    config, layer = Content.of(documents.NOTHING), Content.of(content)
    for blob in (config, layer):
        await client.push_blob(home, blob)
    manifest = documents.image_manifest(
        Descriptor(mediaType=documents.EMPTY, digest=config.digest, size=config.size),
        [Descriptor(mediaType=media_type, digest=layer.digest, size=layer.size)],
        annotations,
        artifact_type=media_type,
        subject=_named(subject),
    )
    named = Content.of(manifest)
    digest = await client.push_manifest(home.at(named.digest), manifest)
    if await client.listing(subject.reference, "") is None:
        referrer = Descriptor(
            mediaType=documents.MANIFEST,
            digest=digest,
            size=named.size,
            artifactType=media_type,
            annotations=dict(annotations),
        )
        await _list(client, subject.reference, referrer)
    return digest


async def listed(client: Client, artifact: Reference) -> tuple[Descriptor, ...]:
    """Return what refers to an artifact, which is named by its digest.

    Raises:
        RegistryError: it cannot be had.

    """
    found: list[Descriptor] = []
    following: str | None = ""
    for _ in range(_MOST_PAGES):
        answer = await client.listing(artifact, following or "")
        if answer is None:
            index = await _tagged(client, artifact)
            return index.manifest.manifests if index and isinstance(index.manifest, Index) else ()
        content, following = answer
        parsed = documents.parse(content, f"the list of what refers to {artifact}")
        found += parsed.manifests if isinstance(parsed, Index) else ()
        if following is None:
            break
    return tuple(found)


async def tagged(client: Client, reference: Reference) -> Found | None:
    """Return what a tag names; None if there is no such tag.

    Raises:
        RegistryError: it cannot be had for another reason.

    """
    try:
        return await client.manifest(reference)
    except RegistryError as error:
        if error.status == _NOT_FOUND:
            return None
        raise


def tag(artifact: Reference, suffix: str = "") -> Reference:
    """Return the name under which something about a digest is kept where referrers are not listed."""
    return Reference(
        artifact.registry, artifact.repository, (artifact.digest or "").replace(":", "-") + suffix
    )


async def _tagged(client: Client, artifact: Reference) -> Found | None:
    found = await tagged(client, tag(artifact))
    return found if found is not None and isinstance(found.manifest, Index) else None


async def _list(client: Client, artifact: Reference, referrer: Descriptor) -> None:
    """Add to the list of a registry that keeps none, until the list has it. What others wrote there stays as it is."""
    for _ in range(_ATTEMPTS):
        found = await _tagged(client, artifact)
        known = documents.parse_json(found.content, "the list")["manifests"] if found is not None else []
        if any(one["digest"] == referrer.digest for one in known):
            return
        document = {
            "schemaVersion": 2,
            "mediaType": documents.INDEX,
            "manifests": [*known, referrer.document()],
        }
        await client.push_manifest(tag(artifact), documents.encode(document), documents.INDEX)
    message = (
        f"{tag(artifact)}, the list of what refers to {artifact}, is overwritten by others again and again"
    )
    raise RegistryError(message, reference=str(artifact))


def _named(subject: Found) -> Descriptor:
    return Descriptor(mediaType=subject.manifest.media_type, digest=subject.digest, size=len(subject.content))


def _repository(reference: Reference) -> Reference:
    return Reference(reference.registry, reference.repository)
