"""What of an app goes into its artifact, and what must not.

In the manifest of an artifact every source is one of its components, and every folder that is only read is one of its layers. Folders
that are written to begin empty where the app runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wisp.errors import ManifestError
from wisp.manifest import copies
from wisp.manifest.models import FILE_NAME, Manifest
from wisp.manifest.problems import shown
from wisp.registry.oci import archives

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wisp.manifest.grants import FileGrant, HttpGrant
    from wisp.manifest.models import Component

COMPONENTS: Final = "components"
"""The folder of the components, below the app's."""

_FOLDERS: Final = "files"
_CERTIFICATES: Final = f"{_FOLDERS}/certificates"
FOLDER: Final = re.compile(rf"{_FOLDERS}/[a-z0-9-]+")
"""The paths of folders that are layers."""

_OWN: Final = frozenset({_FOLDERS, COMPONENTS, ".wisp", FILE_NAME})


@dataclass(frozen=True, slots=True)
class Packed:
    """An app that is ready to be pushed."""

    manifest: Manifest
    """With everything in it leading to the artifact."""

    data: Mapping[str, Any]
    """The same, as it is written."""

    folders: Mapping[str, Mapping[str, Path]]
    """By path in the app's folder: the files that belong there, by name."""


def pack(manifest: Manifest) -> Packed:
    """Look at what an app needs besides its components.

    Raises:
        ManifestError: it names something that does not belong into a registry, or that is not there.

    """
    data: dict[str, Any] = manifest.model_dump(mode="json", exclude_defaults=True)
    data.pop("profile", None)
    folders: dict[str, dict[str, Path]] = {}
    for name, component in data["component"].items():
        component.pop("build", None)
        component["source"] = f"{COMPONENTS}/{name}.wasm"
        granted, grants = manifest.component[name].grants, component.get("grants", {})
        for index, folder in enumerate(granted.files):
            if not folder.write:
                grants["files"][index] = _folder(manifest, name, folder, folders)
        for index, target in enumerate(granted.http):
            grants["http"][index] |= _certificates(manifest, target, folders)
    moved = Manifest.model_validate(data).at(manifest.path)
    if wrong := next(complaints(moved), None):
        message = f"{shown(manifest.path)} cannot be pushed: {wrong}"
        hint = "leave it out, and add it where the app runs: `wisp pull` gives a folder with a wisp.toml"
        raise ManifestError(message, path=manifest.path, hint=hint)
    return Packed(moved, data, folders)


def _folder(
    manifest: Manifest, name: str, grant: FileGrant, folders: dict[str, dict[str, Path]]
) -> dict[str, str]:
    """Note the files of a grant as a folder of the artifact, and return the grant of that folder."""
    place = f"{_FOLDERS}/{len(folders) + 1}"
    try:
        if grant.source is None:
            folders[place] = copies.files(manifest.folder, grant)
        else:
            _require_inside(grant.source)
            folders[place] = archives.below(manifest.folder / grant.source)
    except ValueError as error:
        message = f"component {name}: the files for {grant.mount} cannot be pushed: {error}"
        raise ManifestError(message, path=manifest.path) from error
    return {"source": place, "mount": grant.mount}


def _certificates(
    manifest: Manifest, grant: HttpGrant, folders: dict[str, dict[str, Path]]
) -> dict[str, str]:
    """Note the certificates of a grant as files of the artifact, and return where they are."""
    places = {}
    for key, file in (("roots", grant.roots), ("certificate", grant.certificate)):
        if file is not None:
            inside = folders.setdefault(_CERTIFICATES, {})
            name = f"{len(inside) + 1}.pem"
            inside[name] = manifest.folder / file
            places[key] = f"{_CERTIFICATES}/{name}"
    return places


def _require_inside(path: str) -> None:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        message = f'"{path}" leads out of the folder of the manifest'
        raise ValueError(message)


def complaints(manifest: Manifest) -> Iterator[str]:
    """Say what does not belong into a registry: what leads to a host's files, and commands."""
    for name, secret in manifest.secrets.items():
        if secret.environment is None:
            yield f"the secret {name} comes from a file or a command of the host, and may only come from its environment"
    for name, component in manifest.component.items():
        if component.source != f"{COMPONENTS}/{name}.wasm" or component.build.command is not None:
            yield f"component {name} is not one of the artifact"
        yield from (f"component {name}: {wrong}" for wrong in _wrong_folders(component))
        yield from (f"component {name}: {wrong}" for wrong in _wrong_certificates(component))


def _wrong_folders(component: Component) -> Iterator[str]:
    for grant in component.grants.files:
        source = grant.source or ""
        if grant.write and not _may_be_made(source):
            yield f'the folder "{source}" for {grant.mount} is one of the host'
        elif not grant.write and not FOLDER.fullmatch(source):
            yield f"the folder for {grant.mount} is not one of the artifact"


def _wrong_certificates(component: Component) -> Iterator[str]:
    for grant in component.grants.http:
        if grant.key is not None:
            yield f"the key for {grant.to} is a secret"
        for file in filter(None, (grant.roots, grant.certificate)):
            if not file.startswith(f"{_CERTIFICATES}/") or ".." in file:
                yield f"the certificate for {grant.to} is not one of the artifact"


def _may_be_made(folder: str) -> bool:
    parts = Path(folder).parts
    return not Path(folder).is_absolute() and ".." not in parts and bool(parts) and parts[0] not in _OWN
