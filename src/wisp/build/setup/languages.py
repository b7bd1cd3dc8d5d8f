"""The languages that a project can be set up in."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from wisp.build import worlds
from wisp.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.build.setup.files import Plan

LANGUAGES: Final = ("rust", "python", "javascript", "typescript", "go", "c")
"""Each a module of this package with a function `plan`."""

_SETTINGS: Final = {
    "python": "pyproject.toml: [tool.wisp] world",
    "javascript": 'package.json: {"wisp": {"world": ...}}',
    "typescript": 'package.json: {"wisp": {"world": ...}}',
    "rust": 'src/lib.rs: generate!({ world: "..." })',
}
"""Where a project says which of several worlds is its own, in the languages that have a place for it."""


def plan(folder: Path, language: str, *, world: str | None = None) -> Plan:
    """Say what a project needs for its world.

    Args:
        folder: The project.
        language: One of `LANGUAGES`.
        world: The name of its world; not needed when there is only one.

    Raises:
        BuildError: there is no WIT, it is wrong, or it is not clear which world is meant.

    """
    found = worlds.find(folder, named=world)
    if found is None:
        message = f"there is no WIT in the folder {worlds.FOLDER}, which says what is to be written"
        hint = "write wit/world.wit: package my:component; world my-component { import ...; export ...; }"
        raise BuildError(message, file=folder, hint=hint)
    if world is not None and language not in _SETTINGS and len(worlds.names(folder)) > 1:
        message = f"a project in {language} cannot say which of several worlds it means"
        hint = "leave one world in the folder wit, and put the others into other projects"
        raise BuildError(message, file=found.path, hint=hint)
    module = importlib.import_module(
        f"wisp.build.setup.{'javascript' if language == 'typescript' else language}"
    )
    made: Plan = module.plan(folder, found, language)
    return made
