"""Where a host's policy lies, and of which files it consists; no model is needed to say that.

The first that is there decides: what a command was told, then this user's, then the machine's.
"""

from __future__ import annotations

import os
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE_NAME: Final = "policy.toml"
INLINE: Final = "-----BEGIN"
"""What a key that is written into the policy itself begins with."""


def candidates(told: Path | None) -> tuple[Path, ...]:
    """Return where a policy may lie; the first that is there decides. What a command was told must be there."""
    if told is not None:
        return (told.absolute(),)
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    own = Path(home) if home.startswith("/") else Path.home() / ".config"
    return (own / "wisp" / FILE_NAME, Path("/etc/wisp", FILE_NAME))


def find(told: Path | None) -> Path | None:
    """Return the policy that is in force, or None where there is none."""
    found = candidates(told)
    return told.absolute() if told is not None else next((path for path in found if path.exists()), None)


def files(told: Path | None) -> tuple[Path, ...]:
    """Return every file whose change may change what is trusted, whether it is there or not."""
    found = list(candidates(told))
    policy = find(told)
    if policy is not None:
        with suppress(OSError, ValueError, AttributeError, TypeError):
            tables = tomllib.loads(policy.read_text(encoding="utf-8"))["trust"]
            found += [policy.parent / key for table in tables for key in table["keys"] if not _is_inline(key)]
    return tuple(found)


def _is_inline(key: str) -> bool:
    return key.lstrip().startswith(INLINE)
