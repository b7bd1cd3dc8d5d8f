"""What only this machine knows of a locked app: its folders, the host's environment, and the values of secrets.

A locked app says names. Just before it is told to workers, the names become values; the result is never written anywhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wisp.manifest.alike import Alike
from wisp.manifest.templates import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wisp.host.settings import JsonObject

    Missing = Callable[[str, str, str], None]

_STATE = Path(".wisp", "state")
"""Where the stores of an app are, below its folder, unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an app is on this machine."""

    folder: Path
    """What its relative paths start from."""

    state: Path
    """Where its stores are."""

    @classmethod
    def of(cls, name: str, folder: Path, state: Path | None) -> Place:
        """Return the place of an app with this folder; `state` is a folder for the stores of all apps."""
        return cls(folder, folder / _STATE if state is None else state.absolute() / name)


def resolve(
    locked: JsonObject,
    place: Place,
    secrets: Mapping[str, str],
    *,
    environment: Mapping[str, str] = os.environ,
    missing: Missing = lambda component, variable, why: None,
) -> JsonObject:
    """Return what a worker is told of an app.

    Args:
        locked: The app.
        place: Where it is.
        secrets: The value of each of its secrets, by name (`wisp.host.secrets`).
        environment: The host's.
        missing: Told each component, each variable that it was granted and that is not there, and why. That is no failure: it
            may be left out, as `TZ` may.

    """
    app: dict[str, Any] = {**locked, "state": str(place.state)}
    del app["secrets"]
    app.pop("health", None)
    for name, component in app["components"].items():
        for variable in component["grants"]["environment"]:
            if _readable(environment.get(variable)) is None:
                missing(name, variable, "is not UTF-8" if variable in environment else "is not set")
    alike = Alike()
    app["components"] = {
        name: _component(component, place.folder, environment, secrets, alike)
        for name, component in app["components"].items()
    }
    return app


def _component(
    component: Mapping[str, Any],
    folder: Path,
    environment: Mapping[str, str],
    secrets: Mapping[str, str],
    alike: Alike,
) -> JsonObject:
    grants = dict(component["grants"])
    variables = {name: _readable(environment.get(name)) for name in grants.pop("environment")}
    named = {name: value for name, value in variables.items() if value is not None}
    grants["files"] = [
        {"source": str(folder / mount["source"]), "mount": mount["mount"], "write": mount["write"]}
        for mount in grants["files"]
    ]
    grants["http"] = [_target(target, folder) for target in grants["http"]]
    grants["config"] = {key: _value(value, secrets) for key, value in grants["config"].items()}
    seen = alike.one({**named, **component["environment"]})
    return {**component, "environment": seen, "grants": alike.one(grants)}


def _value(value: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    if value["secret"]:
        return secrets[value["secret"]]
    return str(fill(value["template"], secrets.__getitem__) if value["template"] else value["value"])


def _target(target: Mapping[str, Any], folder: Path) -> JsonObject:
    files = {key: str(folder / target[key]) for key in ("roots", "certificate", "key") if target[key]}
    return {**target, **files}


def _readable(value: str | None) -> str | None:
    """Return a value that can be told to a worker; variables may hold any bytes, and workers are told UTF-8."""
    if value is None or any("\ud800" <= character <= "\udfff" for character in value):
        return None
    return value
