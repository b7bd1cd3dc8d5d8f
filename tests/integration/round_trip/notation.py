"""WIT values as JSON, told apart by tags; used on both sides: in a guest that serves HTTP, and by the test that asks it.

A value of a type with a name is written with the name of its class and the values of its fields, so that neither side
needs a description of the types. Two values are the same when their texts are: also a NaN, and 0.0 is not -0.0.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from typing import Any


def text(value: Any) -> str:
    """Return a value as text."""
    return json.dumps(write(value))


def write(value: Any) -> Any:
    """Return what JSON writes for a value."""
    parts = _parts(value)
    return value if parts is None else [type(value).__name__, *parts]


def _parts(value: Any) -> list[Any] | None:
    match value:
        case list() | tuple():
            return [write(each) for each in value]
        case enum.Enum():
            return [value.value if isinstance(value, enum.Flag) else value.name]
        case bytes():
            return [value.hex()]
        case float():
            return ["nan" if math.isnan(value) else value.hex()]
    if not dataclasses.is_dataclass(value):
        return None
    return [write(getattr(value, field.name)) for field in dataclasses.fields(value)]


def read(tree: Any, types: Any) -> Any:
    """Return the value that was written; `types` has the classes."""
    if not isinstance(tree, list):
        return tree
    tag, *parts = tree
    if tag == "bytes":
        return bytes.fromhex(*parts)
    if tag == "float":
        return float.fromhex(*parts)
    if tag in {"list", "tuple"}:
        return {"list": list, "tuple": tuple}[tag](read(part, types) for part in parts)
    made = getattr(types, tag)
    if issubclass(made, enum.Enum):
        return made(*parts) if issubclass(made, enum.Flag) else made[parts[0]]
    return made(*(read(part, types) for part in parts))
