"""An app as an artifact: what its manifest says, its components by digest, and its files.

The config is the manifest as data, in which every source is a component of the artifact and every folder one of its layers,
so nothing in it leads to the machine that pushed it. Layers are the components as they are, which several apps share, and a tar
for each folder. Who pulls it gets a folder with a `wisp.toml` that any command takes.

An app from a registry can be a stranger's. So it cannot name files of a host, nor commands: both are refused when it is pushed
and when it is pulled. What it may use of the world is in its grants, for everybody to read.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wisp.errors import RegistryError
from wisp.manifest import written
from wisp.manifest.models import FILE_NAME, Manifest
from wisp.manifest.values import Digest
from wisp.registry import files
from wisp.registry.oci import archives, components, documents, packing
from wisp.registry.oci.components import Pushed
from wisp.registry.oci.documents import Descriptor, ImageManifest
from wisp.registry.oci.upload import Content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.manifest.references import Reference
    from wisp.registry.cache import Cache
    from wisp.registry.oci.client import Client, Found

CONFIG: Final = "application/vnd.wisp.app.config.v1+json"
ARTIFACT: Final = "application/vnd.wisp.app.v1"
FILES: Final = "application/vnd.oci.image.layer.v1.tar"
_MOST_FILES_SIZE: Final = 2**30
_MOST_SIZE: Final = 4 * 2**30


class AppConfig(BaseModel):
    """The config of an app's artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = Field(alias="schema")
    manifest: dict[str, Any]
    components: dict[str, Digest]
    folders: dict[str, Digest]
    """By path in the app's folder: the layer with what is in it."""


async def push(
    client: Client, reference: Reference, packed: packing.Packed, digests: Mapping[str, str], cache: Cache
) -> Pushed:
    """Push an app whose components are in the cache.

    Raises:
        RegistryError: the registry does not take it.

    """
    with tempfile.TemporaryDirectory(dir=cache.folder("work"), prefix=".push-") as temporary:
        layers: list[tuple[str, str, Content]] = []
        for name, digest in digests.items():
            path = cache.component(digest)
            content = Content(digest, path.stat().st_size, path)
            layers.append((components.LAYER, f"{packing.COMPONENTS}/{name}.wasm", content))
        for folder, inside in packed.folders.items():
            tar = Path(temporary, folder.replace("/", "-"))
            layers.append((FILES, folder, await asyncio.to_thread(_tar, inside, tar)))
        config = Content.of(
            documents.encode(
                {
                    "schema": 1,
                    "manifest": packed.data,
                    "components": digests,
                    "folders": {place: content.digest for kind, place, content in layers if kind == FILES},
                }
            )
        )
        blobs = {content.digest: content for content in (*(layer[2] for layer in layers), config)}

        async def one(content: Content) -> int:
            sent = await client.push_blob(reference, content, cache.place(reference.registry, content.digest))
            cache.remember_place(reference.registry, content.digest, reference.repository)
            return content.size if sent else 0

        sent = sum(await gathered([one(content) for content in blobs.values()]))
        digest = await client.push_manifest(reference, _manifest(packed, config, layers))
    return Pushed(reference.at(digest), sent, sum(content.size for content in blobs.values()))


def is_app(found: Found) -> bool:
    """Whether a manifest is that of an app."""
    return isinstance(found.manifest, ImageManifest) and found.manifest.config.media_type == CONFIG


async def pull(client: Client, found: Found, folder: Path, cache: Cache) -> Manifest:
    """Write an app into a folder, which is not there yet and is there whole afterwards.

    Raises:
        RegistryError, ArtifactError: it cannot be had, is something else, or the disk is full.

    """
    reference, manifest = found.reference, found.manifest
    if not isinstance(manifest, ImageManifest):
        message = f"{reference} is not an app"
        raise RegistryError(message, reference=str(reference))
    if (size := sum(layer.size for layer in manifest.layers)) > _MOST_SIZE:
        message = f"{reference} has {size / 2**30:.1f} GiB, {_MOST_SIZE / 2**30:.0f} are allowed"
        raise RegistryError(message, reference=str(reference))
    config = await _read_config(client, reference, manifest)
    app = _validated(config, reference)
    with files.explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=files.TEMPORARY) as temporary:
            beside = Path(temporary, "app")
            await _Filling(client, found, beside, cache).run(config, app)
            text = written.dumps(config.manifest, f"Pulled from {reference}")
            (beside / FILE_NAME).write_text(text, encoding="utf-8")
            await asyncio.to_thread(beside.rename, folder)
    return app.at(folder / FILE_NAME)


def _tar(inside: Mapping[str, Path], path: Path) -> Content:
    with path.open("xb") as stream:
        archives.pack(inside, stream)
    with path.open("rb") as stream:
        return Content(files.sha256(stream), path.stat().st_size, path)


def _manifest(packed: packing.Packed, config: Content, layers: list[tuple[str, str, Content]]) -> bytes:
    app = packed.manifest.app
    annotations = {
        documents.TITLE: app.name,
        "org.opencontainers.image.version": app.version,
        "org.opencontainers.image.created": components.created(),
    }
    if app.description:
        annotations["org.opencontainers.image.description"] = app.description
    once: dict[str, Descriptor] = {}
    for kind, place, content in layers:
        titled = {documents.TITLE: place}
        layer = Descriptor(mediaType=kind, digest=content.digest, size=content.size, annotations=titled)
        once.setdefault(content.digest, layer)
    named = Descriptor(mediaType=CONFIG, digest=config.digest, size=config.size)
    return documents.image_manifest(named, list(once.values()), annotations, artifact_type=ARTIFACT)


async def _read_config(client: Client, reference: Reference, manifest: ImageManifest) -> AppConfig:
    data = documents.parse_json(
        await client.document(reference, manifest.config), f"the config of {reference}"
    )
    if isinstance(data.get("schema"), int) and data["schema"] > 1:
        message = f"{reference} was pushed by a newer wisp"
        raise RegistryError(message, hint="use that one here too", reference=str(reference))
    try:
        return AppConfig.model_validate(data)
    except ValidationError as error:
        raise _wrong(reference, error.errors(include_url=False)[0]["msg"].lower()) from error


def _validated(config: AppConfig, reference: Reference) -> Manifest:
    """Return the manifest of an artifact, once nothing in it leads elsewhere."""
    try:
        manifest = Manifest.model_validate(config.manifest)
    except ValidationError as error:
        raise _wrong(reference, str(error.errors(include_url=False)[0]["msg"])) from error
    wrong = next(packing.complaints(manifest), None)
    if wrong is None and set(manifest.component) != set(config.components):
        wrong = "its components are not those of its manifest"
    if wrong is None and (stray := [name for name in config.folders if not packing.FOLDER.fullmatch(name)]):
        wrong = f"its folder {stray[0]!r} lies elsewhere"
    if wrong is not None:
        raise _wrong(reference, wrong)
    return manifest


def _wrong(reference: Reference, why: str) -> RegistryError:
    return RegistryError(f"{reference} is not an app as wisp pushes it: {why}", reference=str(reference))


class _Filling:
    """An app on its way into a folder."""

    def __init__(self, client: Client, found: Found, folder: Path, cache: Cache) -> None:
        self._client = client
        self._reference = found.reference
        layers = found.manifest.layers if isinstance(found.manifest, ImageManifest) else ()
        self._layers = {layer.digest: layer for layer in layers}
        self._folder = folder
        self._cache = cache

    async def run(self, config: AppConfig, manifest: Manifest) -> None:
        """Get everything at once."""
        (self._folder / packing.COMPONENTS).mkdir(parents=True)
        await gathered(
            [
                *(self._component(name, digest) for name, digest in config.components.items()),
                *(self._files(place, digest) for place, digest in config.folders.items()),
            ]
        )
        for component in manifest.component.values():
            for grant in component.grants.files:
                (self._folder / (grant.source or ".")).mkdir(parents=True, exist_ok=True)

    async def _component(self, name: str, digest: str) -> None:
        component = components.Component(self._reference, self._layer(digest), {})
        await components.pull(self._client, component, self._cache)
        target = self._folder / packing.COMPONENTS / f"{name}.wasm"
        await asyncio.to_thread(lambda: target.write_bytes(self._cache.read(digest)))

    async def _files(self, place: str, digest: str) -> None:
        tar = self._folder / f".{place.replace('/', '-')}.tar"
        await self._client.blob(self._reference, self._layer(digest), tar, limit=_MOST_FILES_SIZE)
        what = f"the layer {place} of {self._reference}"
        await asyncio.to_thread(archives.unpack, tar, self._folder / place, what)
        tar.unlink()

    def _layer(self, digest: str) -> Descriptor:
        if digest not in self._layers:
            raise _wrong(self._reference, f"it has no layer {digest}")
        return self._layers[digest]


async def gathered(work: list[Any]) -> list[Any]:
    """Do all of it at once; the first to fail ends the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
