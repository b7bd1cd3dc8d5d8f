"""What the distribution protocol passes around: descriptors, manifests, indexes.

Strangers write them. What we do not know is passed over, as the specification wants; what we know has to be right.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wisp.errors import RegistryError
from wisp.manifest.values import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
_DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED: Final = ", ".join((MANIFEST, INDEX, _DOCKER_MANIFEST, _DOCKER_INDEX))

MOST_MANIFEST: Final = 4 * 2**20
"""Bytes of a manifest or a config: what registries allow, too."""

_MOST_LAYERS: Final = 2_000
_MOST_BYTES: Final = 2**40

EMPTY: Final = "application/vnd.oci.empty.v1+json"
"""The type of a config that says nothing."""

NOTHING: Final = b"{}"
"""Its content."""

TITLE: Final = "org.opencontainers.image.title"


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Platform(_Document):
    """What something in an index is for."""

    architecture: str = ""
    os: str = ""


class Descriptor(_Document):
    """Names content by its digest, with its size and type."""

    media_type: str = Field(alias="mediaType")
    digest: Digest
    size: Annotated[int, Field(ge=0, le=_MOST_BYTES)]
    annotations: dict[str, str] = Field(default={})
    artifact_type: str | None = Field(None, alias="artifactType")
    platform: Platform | None = None

    def document(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


class ImageManifest(_Document):
    """The manifest of one thing: a config, and layers."""

    schema_version: Literal[2] = Field(alias="schemaVersion")
    media_type: str = Field(MANIFEST, alias="mediaType")
    artifact_type: str | None = Field(None, alias="artifactType")
    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], Field(max_length=_MOST_LAYERS)]
    subject: Descriptor | None = None
    """What it refers to, where it was made for something else."""

    annotations: dict[str, str] = Field(default={})


class Index(_Document):
    """Several manifests under one name."""

    schema_version: Literal[2] = Field(alias="schemaVersion")
    media_type: str = Field(INDEX, alias="mediaType")
    manifests: Annotated[tuple[Descriptor, ...], Field(max_length=_MOST_LAYERS)]


def parse(content: bytes, reference: str) -> ImageManifest | Index:
    """Read a manifest or an index.

    Raises:
        RegistryError: it is neither.

    """
    data = parse_json(content, f"what {reference} names")
    try:
        if "manifests" in data and "layers" not in data:
            return Index.model_validate(data)
        return ImageManifest.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        message = f"what {reference} names is not a manifest of OCI: {where}: {first['msg'].lower()}"
        raise RegistryError(message, reference=reference) from error


def parse_json(content: bytes, what: str) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises:
        RegistryError: it is none.

    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        message = f"{what} is not a JSON object"
        raise RegistryError(message)
    return data


def encode(document: Mapping[str, object]) -> bytes:
    """Write JSON, the same for the same content: digests are made of it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def image_manifest(
    config: Descriptor,
    layers: list[Descriptor],
    annotations: Mapping[str, str],
    *,
    artifact_type: str | None = None,
    subject: Descriptor | None = None,
) -> bytes:
    """Write a manifest."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.document(),
        "layers": [layer.document() for layer in layers],
    }
    if artifact_type is not None:
        document["artifactType"] = artifact_type
    if subject is not None:
        document["subject"] = subject.document()
    if annotations:
        document["annotations"] = dict(annotations)
    return encode(document)
