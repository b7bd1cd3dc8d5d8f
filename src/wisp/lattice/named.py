"""What documents name: digests of other objects, and secrets. Whatever has a digest in it counts, so that what a newer wisp names counts too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIGEST: Final = re.compile(rb"sha256:[0-9a-f]{64}")
_SECRET: Final = re.compile(rb'"id":"([0-9a-f]{32})"')


def digests(contents: Iterable[bytes]) -> frozenset[str]:
    """Return the digests in documents."""
    return frozenset(found.decode() for content in contents for found in _DIGEST.findall(content))


def secrets(contents: Iterable[bytes]) -> frozenset[str]:
    """Return the ids of secrets in configurations."""
    return frozenset(found.decode() for content in contents for found in _SECRET.findall(content))
