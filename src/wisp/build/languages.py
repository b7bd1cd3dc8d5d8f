"""Which language a folder is written in."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from wisp.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wisp.build.builder import Builder

MODULES: Final = {
    "rust": "Cargo.toml",
    "go": "go.mod",
    "python": "app.py, pyproject.toml or requirements.txt",
    "javascript": "package.json, or a .js or .ts file",
    "c": "a .c file",
}
"""The languages, each a module of this package with a `BUILDER`, and what shows them. The order settles doubts: a project
of Rust or Go says so in a file that no other has, while a `package.json` may lie in any project for its tools' sake."""


def builder(language: str) -> Builder:
    """Return the builder of a language."""
    found: Builder = importlib.import_module(f"wisp.build.{language}").BUILDER
    return found


def builders() -> Iterable[Builder]:
    """Return all builders, in the order in which they are asked."""
    return (builder(language) for language in MODULES)


def detect(folder: Path) -> Builder | None:
    """Return the builder for a folder, or None when none knows it."""
    return next((candidate for candidate in builders() if candidate.detect(folder)), None)


def require(folder: Path, component: str) -> Builder:
    """Return the builder for a folder.

    Raises:
        BuildError: none knows it; with what they look for.

    """
    if not folder.is_dir():
        message = f"the folder of component `{component}` does not exist: {folder}"
        raise BuildError(message, component=component, file=folder)
    found = detect(folder)
    if found is None:
        message = f"no language found for component `{component}` in {folder}"
        hint = "looked for " + "; ".join(f"{language}: {files}" for language, files in MODULES.items())
        raise BuildError(message, component=component, file=folder, hint=hint)
    return found
