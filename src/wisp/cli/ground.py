"""What an app stands on when it is served: the folder of its stores, and the environment that its secrets come from."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from wisp.host.resolve import Place, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.cli.prepared import PreparedApp
    from wisp.host.resolve import Missing
    from wisp.host.settings import JsonObject
    from wisp.manifest.spin.runtime import RuntimeConfig


@dataclass(frozen=True, slots=True)
class Given:
    """What was said on the command line."""

    variables: Mapping[str, str]
    state: Path | None
    """The folder of the stores of all apps."""

    runtime_config: RuntimeConfig | None


async def resolved(
    app: PreparedApp, locked: JsonObject, given: Given, *, missing: Missing = lambda *_: None
) -> JsonObject:
    """Return what workers are told of an app: with values in the place of names.

    Raises:
        ManifestError: a secret is not there.

    """
    values: Mapping[str, str] = {}
    if declared := cast("Mapping[str, JsonObject]", locked["secrets"]):
        from wisp.host.secrets import secrets  # noqa: PLC0415 - few apps have any

        values = await secrets(declared, app.folder, environment(app.folder, given))
    place = await asyncio.to_thread(_place, app, given)
    return resolve(locked, place, values, missing=missing)


def environment(folder: Path, given: Given) -> Mapping[str, str]:
    """Return the variables that an app's secrets may come from: ours, and those that Spin would look at."""
    from wisp.manifest.spin import variables  # noqa: PLC0415 - slow to import, and most apps do without

    config = given.runtime_config
    provided = None if config is None else config.variables(os.environ)
    return variables.environment(folder, given.variables, provided)


def _place(app: PreparedApp, given: Given) -> Place:
    """Return where an app is; a `runtime-config.toml` may say where its stores are."""
    state = given.state
    if state is None and given.runtime_config is not None:
        state = given.runtime_config.state
    return Place.of(app.name, app.folder, state)
