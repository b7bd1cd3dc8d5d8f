"""What an app stands on when it is served: the folder of its stores, and the environment that its secrets come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wisp.errors import ManifestError
from wisp.host.resolve import Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wisp.cli.prepared import PreparedApp
    from wisp.manifest.spin.runtime import RuntimeConfig


@dataclass(frozen=True, slots=True)
class Given:
    """What was said on the command line."""

    variables: Mapping[str, str]
    state: Path | None
    """The folder of the stores of all apps."""

    runtime_config: Path | None


def environment(folder: Path, given: Given) -> Mapping[str, str]:
    """Return the variables that an app's secrets may come from: ours, and those that Spin would look at."""
    from wisp.manifest.spin import variables  # noqa: PLC0415 - slow to import, and most apps do without

    config = _config(given)
    provided = None if config is None else config.variables(os.environ)
    return variables.environment(folder, given.variables, provided)


def place(app: PreparedApp, given: Given) -> Place:
    """Return where an app is, and put the files of its stores where a `runtime-config.toml` has them."""
    config = _config(given)
    state = given.state
    if state is None and config is not None:
        state = config.state
    made = Place.of(app.name, app.folder, state)
    if config is not None:
        _lead_stores(made, config)
    return made


def _config(given: Given) -> RuntimeConfig | None:
    if given.runtime_config is None:
        return None
    from wisp.manifest.spin import runtime  # noqa: PLC0415 - slow to import, and rarely needed

    return runtime.load(given.runtime_config)


def _lead_stores(place: Place, config: RuntimeConfig) -> None:
    """Let the names of stores lead to the files that somebody wants for them."""
    for kind, label, file in config.stores():
        link = place.state / kind / f"{label}.db"
        if link.is_symlink() and link.readlink() == file:
            continue
        if link.exists() and not link.is_symlink():
            message = (
                f"the store {label} has a file already, {link}; move it to {file}, or leave out its `path`"
            )
            raise ManifestError(message, path=link)
        for folder in (link.parent, file.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        link.unlink(missing_ok=True)
        link.symlink_to(file)
