"""Writing what a `spin.toml` means as a `wisp.toml`, as a person would lay it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import tomlkit
from tomlkit.items import AoT, Array, InlineTable, Table

_WIDTH: Final = 100
_TABLES: Final = ("build", "grants", "link", "limits", "environment")
"""Keys of a component that have a table of their own."""

_INNER: Final = ("config",)


def dumps(data: Mapping[str, Any], name: str) -> str:
    """Write the tables; `name` is the file that they come from."""
    text = tomlkit.document()
    text.add(tomlkit.comment(f"Converted from {name} by `wisp convert`."))
    text.add(tomlkit.nl())
    text["app"] = _table(data["app"])
    if data.get("http"):
        routes = AoT([])
        for route in data["http"]:
            routes.append(_table(route))
        text["http"] = routes
    if data.get("secrets"):
        text["secrets"] = _named({key: _table(value) for key, value in data["secrets"].items()})
    text["component"] = _named({key: _component(value) for key, value in data["component"].items()})
    if data.get("profile"):
        text["profile"] = _named(
            {
                profile: _named(
                    {"component": _named({key: _component(one) for key, one in each["component"].items()})}
                )
                for profile, each in data["profile"].items()
            }
        )
    return tomlkit.dumps(text)


def _component(data: Mapping[str, Any]) -> Table:
    table = _table({key: value for key, value in data.items() if key not in _TABLES})
    for key in _TABLES:
        if data.get(key):
            inner = _table({name: value for name, value in data[key].items() if name not in _INNER})
            for name in _INNER:
                if data[key].get(name):
                    inner[name] = _table(data[key][name])
            table[key] = inner
    return table


def _table(data: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for key, value in data.items():
        table[key] = _value(value)
    return table


def _named(tables: Mapping[str, Table]) -> Table:
    table = tomlkit.table(is_super_table=True)
    for key, value in tables.items():
        table[key] = value
    return table


def _value(value: Any) -> Any:  # noqa: ANN401 - a value of TOML
    if isinstance(value, Mapping):
        return _inline(value)
    if isinstance(value, list | tuple):
        return _array(value)
    return value


def _inline(data: Mapping[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    for key, value in data.items():
        table[key] = _value(value)
    return table


def _array(values: list[Any] | tuple[Any, ...]) -> Array:
    array = tomlkit.array()
    for value in values:
        array.append(_value(value))
    return array.multiline(len(array.as_string()) > _WIDTH)
