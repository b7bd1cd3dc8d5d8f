"""What things of WIT are called in Python: the same as componentize-py calls them inside a guest."""

from __future__ import annotations

import keyword


def value_name(name: str) -> str:
    """Return the name of a function, a parameter or a field: `encryption-level` is `encryption_level`."""
    word = name.replace("-", "_").lower()
    return f"{word}_" if keyword.iskeyword(word) else word


def type_name(name: str) -> str:
    """Return the name of a type or an interface: `data-processor` is `DataProcessor`."""
    word = "".join(part[:1].upper() + part[1:] for part in name.split("-"))
    return f"{word}_" if keyword.iskeyword(word) else word


def case_name(name: str) -> str:
    """Return the name of a member of an enumeration or of flags: `too-long` is `TOO_LONG`."""
    return name.replace("-", "_").upper()


def interface_name(name: str) -> str:
    """Return the name of the class of an interface: `DataProcessor` for `cyber:packets/data-processor@0.2.0`."""
    return type_name(name.partition("@")[0].rpartition("/")[2])
