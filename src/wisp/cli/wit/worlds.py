"""Which world of a package is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wisp.errors import WitError

if TYPE_CHECKING:
    from pathlib import Path

    from wisp.wit.model import Wit


def choose(wit: Wit, name: str | None, path: Path) -> str:
    """Return the world with this name, or the only one there is.

    Raises:
        WitError: there is none of this name, or it is not clear which one is meant.

    """
    names = ", ".join(wit.worlds) or "none"
    if name is None and len(wit.worlds) == 1:
        return next(iter(wit.worlds))
    if name is None:
        message = f"{wit.package.name} has {len(wit.worlds) or 'no'} worlds"
        raise WitError(message, path=path, hint=f"name one with --world: {names}")
    if name not in wit.worlds:
        message = f"there is no world `{name}` in {wit.package.name}"
        raise WitError(message, path=path, hint=f"its worlds: {names}")
    return name
