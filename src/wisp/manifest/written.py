"""Writing a manifest's data as a `wisp.toml`, as a person would lay it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from wisp.manifest.toml import write_key, write_value

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARRAYS: Final = ("http", "cron", "messaging")
_NAMED: Final = ("secrets", "component")


def dumps(data: Mapping[str, Any], head: str) -> str:
    """Write the tables of a manifest; `head` is a comment before them."""
    tables = [f"# {head}\n", _table("[app]", data["app"])]
    for array in _ARRAYS:
        tables += [_table(f"[[{array}]]", one) for one in data.get(array, ())]
    for kind in _NAMED:
        for name, one in data.get(kind, {}).items():
            tables += _component(f"{kind}.{write_key(name)}", one)
    return "\n".join(tables)


def _component(name: str, data: Mapping[str, Any]) -> Iterator[str]:
    """Write a table, with those in it as tables of their own: but not deeper, where they are short."""
    yield _table(f"[{name}]", {key: value for key, value in data.items() if not isinstance(value, Mapping)})
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield _table(f"[{name}.{write_key(key)}]", value)


def _table(header: str, data: Mapping[str, Any]) -> str:
    return (
        "\n".join([header, *(f"{write_key(key)} = {write_value(value)}" for key, value in data.items())])
        + "\n"
    )
