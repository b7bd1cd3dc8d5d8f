"""The packages of WIT that come with wisp: those of WASI, and its own. They are added by their names."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).parents[1] / "guests" / "wit"
PLACES: Final = ("capabilities", "http-0.2", "http-0.3")
"""Where they lie; of two versions, a name without one means the first that is found."""

NAME: Final = re.compile(r"[a-z][a-z0-9-]*:[a-z][a-z0-9-]*(@[0-9A-Za-z.+-]+)?")
"""What the name of a package looks like."""

_PACKAGE: Final = re.compile(r"^\s*package\s+([a-z0-9:-]+@[0-9A-Za-z.+-]+)\s*;", re.MULTILINE)


@functools.cache
def packages() -> Mapping[str, Path]:
    """Return the folder of each package, by its name with the version."""
    found: dict[str, Path] = {}
    for place in PLACES:
        for file in sorted((FOLDER / place / "deps").glob("*/package.wit")):
            match = _PACKAGE.search(file.read_text(encoding="utf-8"))
            if match is not None:
                found.setdefault(match[1], file.parent)
    return found


def find(name: str) -> str | None:
    """Return the full name of a package that wisp has, given its name with or without the version."""
    return next((known for known in packages() if name in {known, known.partition("@")[0]}), None)
