"""A `spin.toml` in the words of a `wisp.toml`: the same tables that would have been read from there.

Everything that is wrong with the file is found at once, with its place; what reads the tables next finds the rest, and is told
where each of them stands in `spin.toml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from wisp.errors import ManifestError
from wisp.manifest import problems
from wisp.manifest.positions import Place, Position, positions
from wisp.manifest.spin import components, routes, variables
from wisp.manifest.spin.components import Context
from wisp.manifest.spin.dependencies import Added
from wisp.manifest.spin.models import TAGS, VERSION, SpinManifest
from wisp.manifest.spin.notes import Note, Notebook
from wisp.manifest.spin.variables import Values
from wisp.manifest.values import parse_name, parse_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.manifest.positions import Path as KeyPath
    from wisp.manifest.spin.models import Component
    from wisp.manifest.spin.runtime import RuntimeConfig

_START: Final = Place(Position(1, 1), Position(1, 1))
_OLD: Final = (
    "`spin doctor` rewrites the file. By hand: `spin_manifest_version = 2`; `name`, `version`, `description` and `authors` go"
    " into [application]; `trigger` at the top goes away; each [[component]] becomes [component.ID]; its [component.trigger]"
    ' becomes a [[trigger.http]] with the `route`, and component = "ID"; its `config` becomes `variables`; `allowed_http_hosts`'
    " becomes `allowed_outbound_hosts`"
)
_KEYS: Final = {
    "grants": ("allowed_outbound_hosts", "files", "key_value_stores", "sqlite_databases", "variables"),
    "link": ("dependencies", "allowed_outbound_hosts"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is said besides the file."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Where values of variables come from."""

    given: tuple[str, ...] = ()
    """The variables that were given by hand, which must be there."""

    runtime: RuntimeConfig | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """A manifest of Spin in our words."""

    data: dict[str, Any]
    """What `wisp.toml` would have."""

    places: dict[KeyPath, Place]
    """Where in `spin.toml` each of it stands."""

    notes: tuple[Note, ...]


def translate(data: dict[str, Any], text: str, path: Path, settings: Settings) -> Translation:
    """Say a manifest of Spin in our words.

    Raises:
        ManifestError: it is of another version, or something in it is wrong or cannot be said.

    """
    places = positions(text)
    _check_version(data, path, places)
    notebook = Notebook(places)
    manifest = _validated(_without_triggers(data, notebook), path, notebook)
    _check_given(manifest, settings, path)
    made = _Translator(manifest, notebook, settings)
    result = made.run()
    if notebook.problems:
        raise problems.manifest_error(path, notebook.problems, places)
    return Translation(result, made.places(), tuple(sorted(set(notebook.notes))))


def _check_version(data: Mapping[str, Any], path: Path, places: Mapping[KeyPath, Place]) -> None:
    version = data.get("spin_manifest_version", data.get("spin_version"))
    if version == VERSION:
        return
    key = "spin_version" if "spin_version" in data else "spin_manifest_version"
    if version is None:
        message = f"missing; write `spin_manifest_version = {VERSION}`"
    elif str(version) == "1":
        message = "this is version 1 of Spin's manifest, and version 2 is read"
    else:
        message = f"Spin's manifest has no version {version!r} that is known here; version {VERSION} is read"
    error = problems.manifest_error(path, [problems.Problem((key,), message)], places)
    error.hint = _OLD if str(version) == "1" else None
    raise error


def _without_triggers(data: dict[str, Any], notebook: Notebook) -> dict[str, Any]:
    """Refuse triggers of other kinds by name, and leave them out."""
    triggers = data.get("trigger")
    if not isinstance(triggers, dict):
        return data
    for kind in triggers.keys() - {"http"}:
        notebook.refuse(("trigger", kind), _other_trigger(kind), on_key=True)
    return {**data, "trigger": {kind: each for kind, each in triggers.items() if kind == "http"}}


def _other_trigger(kind: str) -> str:
    advice = {
        "cron": "convert the rest, and write the schedule as [[cron]] into wisp.toml",
        "command": "`wisp run` runs a program",
    }.get(kind, "leave these triggers to Spin, and serve the others here from a file of their own")
    return f"of Spin's triggers only `http` is served here; {advice}"


def _validated(data: dict[str, Any], path: Path, notebook: Notebook) -> SpinManifest:
    try:
        return SpinManifest.model_validate(data)
    except ValidationError as error:
        wrong = problems.found(error, data, root=SpinManifest, tags=TAGS)
        raise problems.manifest_error(path, [*notebook.problems, *wrong], notebook.places) from None


def _check_given(manifest: SpinManifest, settings: Settings, path: Path) -> None:
    for name in settings.given:
        if name not in manifest.variables:
            advice = problems.nearest(name, list(manifest.variables), what="variables")
            message = f"{problems.shown(path)} has no variable `{name}`; {advice}"
            raise ManifestError(message, path=path, key="variables")


class _Translator:
    def __init__(self, manifest: SpinManifest, notebook: Notebook, settings: Settings) -> None:
        self._manifest = manifest
        self._notebook = notebook
        self._runtime = settings.runtime
        self._routed = routes.read(manifest.trigger.http, manifest.component, notebook)
        self._components: dict[str, tuple[KeyPath, Component]] = {
            **{name: (("component", name), one) for name, one in manifest.component.items()},
            **self._routed.inline,
        }
        for index, trigger in enumerate(manifest.trigger.http):
            if isinstance(trigger.component, str) and trigger.component not in self._components:
                advice = problems.nearest(trigger.component, list(self._components), what="components")
                message = f'there is no component "{trigger.component}"; {advice}'
                notebook.refuse(("trigger", "http", index, "component"), message)
        self._context = Context(
            values=Values(manifest.variables, settings.environment),
            notebook=notebook,
            serving=[name for name in self._routed.components if name in self._components],
            private=self._runtime is None or not self._runtime.blocks_private,
            names=list(self._components),
        )

    def run(self) -> dict[str, Any]:
        known = {name: one for name, (_, one) in self._components.items()}
        added = Added(known, self._context)
        made = {
            name: components.component(path, one, self._context)
            for name, (path, one) in self._components.items()
        }
        for name, (path, one) in self._components.items():
            link = added.links(path, (name, made[name]), one, one.dependencies)
            if link:
                made[name]["link"] = {**made[name].get("link", {}), **link}
        profile = self._profiles(added, made)
        made |= added.components
        data: dict[str, Any] = {
            "app": self._app(),
            "http": [*self._routed.http, *routes.well_known(self._manifest.application)],
            "secrets": variables.secrets(self._manifest.variables),
            "component": made,
            "profile": profile,
        }
        if self._runtime is not None:
            self._runtime.apply(data["component"])
        return {key: value for key, value in data.items() if value or key == "component"}

    def places(self) -> dict[KeyPath, Place]:
        """Say where in `spin.toml` each of our tables stands."""
        places: dict[KeyPath, Place] = {("app",): self._at(("application",))}
        for index in range(len(self._routed.http) + 3):
            path = self._routed.paths[index] if index < len(self._routed.paths) else ()
            places["http", index] = self._at(path)
            places["http", index, "route"] = self._at((*path, "route"))
        for name, (path, _) in self._components.items():
            places |= {
                ("component", name, *inner[len(path) :]): place
                for inner, place in self._notebook.places.items()
                if inner[: len(path)] == path
            }
            for ours, theirs in _KEYS.items():
                found = [place for key in theirs if (place := self._notebook.places.get((*path, key)))]
                if found:
                    places.setdefault(("component", name, ours), found[0])
        return places

    def _at(self, path: KeyPath) -> Place:
        while path and path not in self._notebook.places:
            path = path[:-1]
        return self._notebook.places.get(path, _START)

    def _app(self) -> dict[str, str]:
        told = self._manifest.application
        self._unread(told)
        made = {"name": self._name(told.name), "version": told.version, "description": told.description}
        try:
            parse_version(told.version or "0.0.0")
        except ValueError:
            made["version"] = ""
            self._notebook.no_equal(("application", "version"), "not a semantic version, and left out")
        return {key: value for key, value in made.items() if value}

    def _unread(self, told: Any) -> None:  # noqa: ANN401 - the application's table
        for key in ("authors", "targets", "tool"):
            if getattr(told, key):
                self._notebook.no_equal(("application", key), "read by tools of Spin only")
        for kind, settings in (told.trigger or {}).items() if isinstance(told.trigger, dict) else ():
            path = ("application", "trigger", kind)
            base = settings.get("base", "/") if isinstance(settings, dict) else "/"
            if kind == "http" and base != "/":
                self._notebook.refuse((*path, "base"), "Spin has dropped it; put it before each `route`")
            elif kind != "http":
                self._notebook.no_equal(path, "there is no such trigger here")

    def _name(self, name: str) -> str:
        try:
            return parse_name(name)
        except ValueError:
            made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-")
            made = made if made[:1].isalpha() else f"app-{made}".rstrip("-")
            self._notebook.differs(("application", "name"), f'apps have names like components: "{made}"')
            return made

    def _profiles(self, added: Added, made: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        profiles: dict[str, Any] = {}
        for name, (path, one) in self._components.items():
            for profile, override in one.profile.items():
                where = (*path, "profile", profile)
                changed: dict[str, Any] = {
                    "source": override.source
                    and components.source((*where, "source"), override.source, self._notebook),
                    "build": override.build and {"command": " && ".join(override.build.command)},
                    "environment": override.environment,
                    "link": added.links(where, (name, made[name]), one, override.dependencies),
                }
                table = profiles.setdefault(profile, {}).setdefault("component", {})
                table[name] = {key: value for key, value in changed.items() if value}
        return profiles
