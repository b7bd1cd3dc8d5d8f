"""Reading `wisp.toml`: TOML, models, references, and one error for everything that is wrong."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from wisp.errors import ManifestError
from wisp.manifest import checks, problems
from wisp.manifest.models import FILE_NAME, App, Component, HttpTrigger, Manifest
from wisp.manifest.positions import Place, positions
from wisp.manifest.values import parse_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.problems import Problem

_MERGED_TABLES: Final = frozenset({"build", "environment", "grants", "limits", "instances", "link"})
_TOML_PLACE: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def load(path: Path, *, profile: str | None = None) -> Manifest | None:
    """Read the manifest at a path: the file, or the folder that has it.

    Args:
        path: A `wisp.toml`, whatever it is called, or its folder.
        profile: The `[profile.NAME]` whose values are put in place of others.

    Returns:
        The manifest, or None if the path is a folder without one.

    Raises:
        ManifestError: All that is wrong with the file, in the order of the lines.

    """
    file = path.absolute()
    if file.is_dir():
        file /= FILE_NAME
        if not file.exists():
            return None
    return loads(_read(file), path=file, profile=profile)


def loads(text: str, *, path: Path, profile: str | None = None) -> Manifest:
    """Read a manifest from its text; `path` is the file that it stands for."""
    data = _parse(text, path)
    places = positions(text)
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


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        message = f"there is no file {problems.shown(path)}"
        hint = None if path.suffix == ".wasm" else "`wisp new` makes an app with a manifest"
        raise ManifestError(message, path=path, hint=hint) from None
    except OSError as error:
        message = f"cannot read {problems.shown(path)}: {error.strerror}"
        raise ManifestError(message, path=path) from error
    try:
        # Some editors put a mark in front that says that it is UTF-8.
        return content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        message = f"{problems.shown(path)}:{line}:{column}: not UTF-8, which TOML must be"
        raise ManifestError(message, path=path, line=line, column=column) from None


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, path) from None
    except ValueError:
        # Python reads no number of thousands of digits.
        message = f"{problems.shown(path)}: a number has too many digits"
        raise ManifestError(message, path=path) from None
    except RecursionError:
        message = f"{problems.shown(path)}: nested too deeply"
        raise ManifestError(message, path=path) from None


def _syntax_error(complaint: str, text: str, path: Path) -> ManifestError:
    match = _TOML_PLACE.fullmatch(complaint)
    what = match[1] if match else complaint
    if match and match[2]:
        line, column = int(match[2]), int(match[3])
    else:
        last = text.rstrip("\n").rsplit("\n", 1)[-1]
        line, column = text.rstrip("\n").count("\n") + 1, len(last) + 1
    hint = 'text needs quotes: key = "value"' if what == "Invalid value" else None
    message = f"{problems.shown(path)}:{line}:{column}: not TOML: {what[:1].lower()}{what[1:]}"
    return ManifestError(message, path=path, line=line, column=column, hint=hint)


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
