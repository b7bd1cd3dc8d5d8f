"""A component as an artifact: the "Wasm OCI artifact layout" of the CNCF, which wkg and others read and write.

It is a manifest with one layer, the component as it is, and a config that says what it imports and exports. The time
in the config is that of `SOURCE_DATE_EPOCH`, or the beginning of the epoch, so that the same component is the same artifact.
Layouts of older tools are read too: one layer of a type that only WebAssembly has.
"""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from wisp.errors import RegistryError
from wisp.registry.fetch import LIMIT
from wisp.registry.oci import documents
from wisp.registry.oci.documents import Descriptor, ImageManifest, Index
from wisp.registry.oci.upload import Content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.manifest.references import Reference
    from wisp.native import ComponentInfo
    from wisp.registry.cache import Cache
    from wisp.registry.oci.client import Client, Found

CONFIG: Final = "application/vnd.wasm.config.v0+json"
LAYER: Final = "application/wasm"
_LAYERS: Final = frozenset(
    {
        LAYER,
        "application/vnd.wasm.content.layer.v1+wasm",
        "application/vnd.module.wasm.content.layer.v1+wasm",
        "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    }
)
_ARCHITECTURE: Final = "wasm"
_SYSTEMS: Final = {"component": "wasip2", "module": "wasip1"}


class Pushed(NamedTuple):
    """What came of pushing."""

    reference: Reference
    """Pinned to the digest of the manifest."""

    sent: int
    """Bytes that had to be sent."""

    size: int
    """Bytes of all blobs."""


class Component(NamedTuple):
    """A component in a registry."""

    reference: Reference
    """Pinned to the digest of its manifest."""

    layer: Descriptor
    annotations: Mapping[str, str]


class Gate(Protocol):
    """Decides what of a registry may come to this machine."""

    async def admit(self, client: Client, *chain: Found) -> None:
        """Let an artifact in, or raise: the last of these; before it stands the index that has it."""


async def find(client: Client, reference: Reference, gate: Gate) -> Component:
    """Return the component that a reference names; nothing of it is fetched.

    Raises:
        RegistryError: it is not there, or no component.
        SignatureError: it is not admitted.

    """
    return component_of(await image(client, reference, gate))


async def image(client: Client, reference: Reference, gate: Gate) -> Found:
    """Return the manifest that a reference names; of several, the one for WebAssembly.

    Raises:
        RegistryError: it is not there, or none of them is.
        SignatureError: it is not admitted.

    """
    chain = await resolve(client, reference)
    await gate.admit(client, *chain)
    return chain[-1]


async def resolve(client: Client, reference: Reference) -> tuple[Found, ...]:
    """Return the manifest that a reference names as the last; of several, the one for WebAssembly, behind the index.

    Raises:
        RegistryError: it is not there, or none of them is.

    """
    found = await client.manifest(reference)
    if not isinstance(found.manifest, Index):
        return (found,)
    fitting = [
        one
        for one in found.manifest.manifests
        if one.platform is not None and one.platform.architecture == _ARCHITECTURE
    ]
    if len(fitting) != 1:
        message = f"{reference} is an index of {len(found.manifest.manifests)} manifests, {len(fitting)} of them WebAssembly"
        raise RegistryError(
            message, hint="name the manifest that is meant by its digest", reference=str(reference)
        )
    return found, await client.manifest(reference.at(fitting[0].digest))


def component_of(found: Found) -> Component:
    """Return the component of a manifest.

    Raises:
        RegistryError: it is something else.

    """
    manifest, reference = found.manifest, found.reference
    if not isinstance(manifest, ImageManifest):
        message = f"{reference} is an index in an index"
        raise RegistryError(message, reference=str(reference))
    if len(manifest.layers) != 1 or manifest.layers[0].media_type not in _LAYERS:
        message = f"{reference} is not a component: {_described(manifest)}"
        raise RegistryError(message, reference=str(reference))
    return Component(reference, manifest.layers[0], manifest.annotations)


async def pull(client: Client, component: Component, cache: Cache) -> str:
    """See to it that the cache has a component, and return its digest.

    Raises:
        RegistryError, ArtifactError: it cannot be had, is something else, or the disk is full.

    """
    digest = component.layer.digest
    if not cache.has(digest):
        cache.folder("components", "sha256")
        await client.blob(component.reference, component.layer, cache.component(digest), limit=LIMIT)
    cache.remember_place(component.reference.registry, digest, component.reference.repository)
    return digest


async def push(
    client: Client,
    reference: Reference,
    digest: str,
    info: ComponentInfo,
    cache: Cache,
    annotations: Mapping[str, str],
) -> Pushed:
    """Push a component of the cache.

    Raises:
        RegistryError: it is no WebAssembly, or the registry does not take it.

    """
    if info.kind not in _SYSTEMS:
        message = f"{digest} is not WebAssembly, and nothing else is pushed"
        raise RegistryError(message, reference=str(reference))
    path = cache.component(digest)
    layer = Content(digest, path.stat().st_size, path)
    config = Content.of(describe(digest, info))
    sent = 0
    for content in (layer, config):
        known = cache.place(reference.registry, content.digest)
        sent += content.size if await client.push_blob(reference, content, known) else 0
        cache.remember_place(reference.registry, content.digest, reference.repository)
    manifest = documents.image_manifest(
        Descriptor(mediaType=CONFIG, digest=config.digest, size=config.size),
        [
            Descriptor(
                mediaType=LAYER,
                digest=digest,
                size=layer.size,
                annotations={documents.TITLE: f"{reference.repository.rpartition('/')[2]}.wasm"},
            )
        ],
        annotations,
    )
    pushed = await client.push_manifest(reference, manifest)
    return Pushed(reference.at(pushed), sent, layer.size + config.size)


def describe(digest: str, info: ComponentInfo) -> bytes:
    """Return the config: what a component, or a core module, needs of whoever runs it."""
    document: dict[str, object] = {
        "created": created(),
        "architecture": _ARCHITECTURE,
        "os": _SYSTEMS[info.kind],
        "layerDigests": [digest],
    }
    if info.kind == "component":
        document["component"] = {"exports": list(info.exports), "imports": list(info.imports), "target": None}
    return documents.encode(document)


def created() -> str:
    """Return the time of artifacts: the same for the same content."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdecimal() else 0
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _described(manifest: ImageManifest) -> str:
    """Say what a manifest is instead."""
    kinds = sorted({layer.media_type for layer in manifest.layers})
    what = f"{len(manifest.layers)} layers" if len(manifest.layers) != 1 else "one layer"
    return f"its config is {manifest.config.media_type}, and it has {what} ({', '.join(kinds) or 'none'})"
