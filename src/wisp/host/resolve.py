"""What only this machine knows of a locked app: its folders, the host's environment, and the values of secrets.

A locked app says names. Just before it is told to workers, the names become values; the result is never written anywhere.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wisp.errors import ManifestError
from wisp.manifest.templates import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wisp.host.settings import JsonObject

_STATE = Path(".wisp", "state")
"""Where the stores of an app are, below its folder, unless somebody says otherwise."""

_PATIENCE = 30.0
"""Seconds that the command of a secret may take."""


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


def resolve(locked: JsonObject, place: Place, environment: Mapping[str, str] = os.environ) -> JsonObject:
    """Return what a worker is told of an app.

    Raises:
        ManifestError: a secret is not there.

    """
    app: dict[str, Any] = {**locked, "state": str(place.state)}
    declared = app.pop("secrets")
    secrets = {name: _secret(name, source, place.folder, environment) for name, source in declared.items()}
    app["components"] = {
        name: _component(component, place.folder, environment, secrets)
        for name, component in app["components"].items()
    }
    return app


def _component(
    component: Mapping[str, Any], folder: Path, environment: Mapping[str, str], secrets: Mapping[str, str]
) -> JsonObject:
    grants = dict(component["grants"])
    named = {name: environment[name] for name in grants.pop("environment") if name in environment}
    grants["files"] = [{**mount, "source": str(folder / mount["source"])} for mount in grants["files"]]
    grants["http"] = [_target(target, folder) for target in grants["http"]]
    grants["config"] = {key: _value(value, secrets) for key, value in grants["config"].items()}
    return {**component, "environment": {**named, **component["environment"]}, "grants": grants}


def _value(value: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    if value["secret"]:
        return secrets[value["secret"]]
    return str(fill(value["template"], secrets.__getitem__) if value["template"] else value["value"])


def _target(target: Mapping[str, Any], folder: Path) -> JsonObject:
    files = {key: str(folder / target[key]) for key in ("roots", "certificate", "key") if target[key]}
    return {**target, **files}


def _secret(name: str, source: Mapping[str, Any], folder: Path, environment: Mapping[str, str]) -> str:
    if source["environment"]:
        if source["default"] is not None and source["environment"] not in environment:
            return str(source["default"])
        return _from_environment(name, source["environment"], environment)
    if source["file"]:
        return _from_file(name, folder / source["file"])
    return _from_command(name, source["command"], folder)


def _from_environment(name: str, variable: str, environment: Mapping[str, str]) -> str:
    try:
        return environment[variable]
    except KeyError:
        message = f"there is no secret {name}: the environment variable {variable} is not set"
        hint = f"set it, or say in [secrets.{name}] where it comes from: `environment`, `file` or `command`"
        raise ManifestError(message, hint=hint) from None


def _from_file(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        message = f"there is no secret {name}: cannot read {path}: {error.strerror}"
        raise ManifestError(message) from None
    except UnicodeDecodeError:
        # The error has the bytes in it.
        message = f"there is no secret {name}: {path} is not UTF-8"
        raise ManifestError(message) from None


def _from_command(name: str, command: str, folder: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S602 - the manifest's owner wrote it, for the shell
            command,
            shell=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"there is no secret {name}: its command took longer than {_PATIENCE:g} s"
        raise ManifestError(message) from None
    if done.returncode != 0:
        # What it wrote may hold parts of the secret.
        message = f"there is no secret {name}: its command ended with {done.returncode}"
        raise ManifestError(message, hint=f"run it by hand: {command}")
    try:
        return done.stdout.decode().removesuffix("\n")
    except UnicodeDecodeError:
        message = f"there is no secret {name}: what its command wrote is not UTF-8"
        raise ManifestError(message) from None
