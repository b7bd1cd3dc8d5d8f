"""Reading `wisp.toml`: TOML, models, references, and one error for everything that is wrong.

A `spin.toml` is read in the same way, after it was put in the words of a `wisp.toml`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from wisp.errors import ManifestError
from wisp.manifest import checks, document, problems, spin
from wisp.manifest.models import FILE_NAME, App, Component, Manifest
from wisp.manifest.positions import Place, positions
from wisp.manifest.triggers import HttpTrigger
from wisp.manifest.values import parse_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.problems import Problem
    from wisp.manifest.spin.runtime import RuntimeConfig
    from wisp.manifest.spin.translate import Translation

_MERGED_TABLES: Final = frozenset({"build", "environment", "grants", "limits", "instances", "link"})
_SPIN_KEYS: Final = ("spin_manifest_version", "spin_version")


@dataclass(frozen=True, slots=True)
class SpinOptions:
    """What is said of apps of Spin besides their manifests."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of variables; others come from the environment."""

    runtime_config: RuntimeConfig | None = None


def load(
    path: Path, *, profile: str | None = None, spin_options: SpinOptions | None = None
) -> Manifest | None:
    """Read the manifest at a path: the file, or the folder that has it.

    Args:
        path: A `wisp.toml` or a `spin.toml`, whatever it is called, or its folder.
        profile: The `[profile.NAME]` whose values are put in place of others.
        spin_options: What is said of an app of Spin besides its manifest.

    Returns:
        The manifest, or None if the path is a folder without one.

    Raises:
        ManifestError: All that is wrong with the file, in the order of the lines.

    """
    file = path.absolute()
    remarks: list[str] = []
    if file.is_dir():
        ours, theirs = file / FILE_NAME, file / spin.FILE_NAME
        if ours.exists() and theirs.exists():
            remarks.append(f"{problems.shown(ours)} is used, and {spin.FILE_NAME} beside it is not")
        file = ours if ours.exists() else theirs
        if not file.exists():
            return None
    manifest = loads(document.read(file), path=file, profile=profile, spin_options=spin_options)
    return manifest.saying(*remarks)


def loads(
    text: str, *, path: Path, profile: str | None = None, spin_options: SpinOptions | None = None
) -> Manifest:
    """Read a manifest from its text; `path` is the file that it stands for."""
    data = document.parse(text, path)
    places = positions(text)
    remarks: tuple[str, ...] = ()
    if is_spin(data, path):
        translation = read_spin(data, text, path, spin_options or SpinOptions())
        data, places = translation.data, translation.places
        remarks = tuple(
            f"{problems.shown(path)}:{note.line}: {note.key}: {note.message}"
            for note in translation.notes
            if note.kind == "no equal"
        )
    return _loaded(data, places, path, profile).saying(*remarks)


def is_spin(data: Mapping[str, Any], path: Path) -> bool:
    """Whether a document is a manifest of Spin. What is called as ours is, is meant to be one of ours."""
    return path.name == spin.FILE_NAME or (path.name != FILE_NAME and any(key in data for key in _SPIN_KEYS))


def read_spin(data: dict[str, Any], text: str, path: Path, options: SpinOptions) -> Translation:
    """Put a manifest of Spin in our words."""
    from wisp.manifest.spin import variables  # noqa: PLC0415 - most apps are none of Spin's
    from wisp.manifest.spin.translate import Settings, translate  # noqa: PLC0415 - the same

    config = options.runtime_config
    provided = None if config is None else config.variables(os.environ)
    environment = variables.environment(path.parent, options.variables, provided)
    return translate(data, text, path, Settings(environment, tuple(options.variables), config))


def _loaded(data: dict[str, Any], places: dict[KeyPath, Place], path: Path, profile: str | None) -> Manifest:
    manifest = _validated(data, path, places)
    if profile is not None:
        data, places = _with_profile(data, places, manifest, profile)
        manifest = _validated(data, path, places).at(path, written=manifest)
    missing = list(checks.check_sources(manifest))
    if missing:
        raise problems.manifest_error(path, missing, places)
    return manifest


def of_component(source: Path) -> Manifest:
    """Make the manifest that a folder or a `.wasm` file without one stands for: one component, serving everything."""
    source = source.absolute()
    name = re.sub(r"[^a-z0-9]+", "-", source.stem.lower()).strip("-")[:64].strip("-")
    try:
        parse_name(name)
    except ValueError:
        name = "app"
    folder, text = (source.parent, source.name) if source.suffix == ".wasm" else (source, ".")
    manifest = Manifest(
        app=App(name=name),
        http=(HttpTrigger(route="/...", component=name),),
        component={name: Component(source=text)},
    )
    return manifest.at(folder / FILE_NAME)


def _validated(data: dict[str, Any], path: Path, places: Mapping[KeyPath, Place]) -> Manifest:
    wrong: list[Problem] = []
    manifest = None
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        wrong += problems.found(error, data)
    wrong += checks.check(data, places)
    if wrong or manifest is None:
        raise problems.manifest_error(path, wrong, places)
    return manifest.at(path)


def _with_profile(
    data: dict[str, Any], places: Mapping[KeyPath, Place], manifest: Manifest, profile: str
) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    """Put a profile's values in place, and note that they stand where the profile has them."""
    if profile not in manifest.profile:
        advice = problems.nearest(profile, list(manifest.profile), what="profiles")
        message = f'{problems.shown(manifest.path)} has no profile "{profile}"; {advice}'
        raise ManifestError(message, path=manifest.path, key="profile")
    overrides = data["profile"][profile].get("component", {})
    components = {
        name: _merged(component, overrides.get(name, {})) for name, component in data["component"].items()
    }
    prefix = ("profile", profile)
    moved = {path[2:]: place for path, place in places.items() if path[:2] == prefix and len(path) > 4}  # noqa: PLR2004 - a key below profile.NAME.component.NAME
    return {**data, "component": components}, {**places, **moved}


def _merged(component: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    return {
        **component,
        **{
            key: {**component.get(key, {}), **value} if key in _MERGED_TABLES else value
            for key, value in override.items()
        },
    }
