"""What is in an app, as a bill of materials: CycloneDX 1.6 in JSON.

The app consists of its components, each known by its digest, with what its tools have written into it (the producers section); a
component consists of packages that others publish. The same app has the same document: no time, and a number that is made of the content.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import wisp
from wisp.registry.cache import hex_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"
_NAMESPACE: Final = uuid.UUID("5f0f7e7e-3a43-5d0b-9d0b-2f7f6d3c5a10")


class Package(Protocol):
    """A package that somebody else publishes."""

    @property
    def name(self) -> str:
        """As its registry has it."""

    @property
    def version(self) -> str:
        """The one that was taken."""

    @property
    def digest(self) -> str:
        """`SHA-256:<hex>`, or nothing."""

    @property
    def url(self) -> str:
        """The package URL."""


@dataclass(frozen=True, slots=True)
class Part:
    """A component of an app."""

    name: str
    digest: str
    producers: Mapping[str, Sequence[str]]
    """Who made it: `language`, `processed-by`, `sdk`."""

    packages: Sequence[Package] = ()
    origin: str | None = None
    """Where it was taken from, when it was not built here."""

    @property
    def reference(self) -> str:
        """What the document calls it."""
        return f"component:{self.name}"


def document(name: str, version: str, description: str, parts: Sequence[Part]) -> bytes:
    """Write the bill of materials of an app, or of one component."""
    packages = {package.url: package for part in parts for package in part.packages}
    whole = {"type": "application", "bom-ref": "app", "name": name, "version": version}
    if description:
        whole["description"] = description
    data: dict[str, object] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "wisp", "version": wisp.__version__}]},
            "component": whole,
        },
        "components": [*map(_part, parts), *(_package(packages[url]) for url in sorted(packages))],
        "dependencies": [
            {"ref": "app", "dependsOn": [part.reference for part in parts]},
            *({"ref": part.reference, "dependsOn": _urls(part)} for part in parts),
            *({"ref": url} for url in sorted(packages)),
        ],
    }
    data["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, _written(data))}"
    return f"{_written(data)}\n".encode()


def _part(part: Part) -> dict[str, Any]:
    made = [
        {"name": f"wisp:producers:{key}", "value": name}
        for key, names in sorted(part.producers.items())
        for name in names
    ]
    data: dict[str, Any] = {
        "type": "application",
        "bom-ref": part.reference,
        "name": part.name,
        "mime-type": "application/wasm",
        "hashes": [{"alg": "SHA-256", "content": hex_of(part.digest)}],
    }
    if made:
        data["properties"] = made
    if part.origin is not None:
        data["externalReferences"] = [{"type": "distribution", "url": part.origin}]
    return data


def _package(package: Package) -> dict[str, Any]:
    data: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.url,
        "name": package.name,
        "version": package.version,
        "purl": package.url,
    }
    if package.digest:
        algorithm, _, content = package.digest.partition(":")
        data["hashes"] = [{"alg": algorithm, "content": content}]
    return data


def _urls(part: Part) -> list[str]:
    return sorted({package.url for package in part.packages})


def _written(data: Mapping[str, object]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
