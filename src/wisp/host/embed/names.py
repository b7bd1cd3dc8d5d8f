"""WIT's names as Python writes them."""

from __future__ import annotations

import keyword

__all__ = ["attribute", "class_name", "constant"]


def attribute(name: str) -> str:
    """Return a name for a function, a field, a parameter: `encryption-level` is `encryption_level`."""
    plain = name.replace("-", "_")
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def class_name(name: str) -> str:
    """Return a name for a type: `processed-packet` is `ProcessedPacket`."""
    plain = "".join(word[:1].upper() + word[1:] for word in name.split("-"))
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def constant(name: str) -> str:
    """Return a name for a member of an enumeration: `not-found` is `NOT_FOUND`."""
    return name.replace("-", "_").upper()
