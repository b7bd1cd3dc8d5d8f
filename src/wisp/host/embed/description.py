"""What the core says that a component imports and exports, as types."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Definition", "Function", "Interface", "TypeUse", "World"]

TypeUse: TypeAlias = str | int
"""A type that WIT itself has, by its name, or the place of another in `World.types`."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One type of a component."""

    kind: str
    """`record`, `variant`, ..."""

    name: str | None
    owner: str
    """The interface that defines it; empty where the world does, or where it has no name."""

    parts: Sequence[tuple[str, TypeUse | None]]
    """Fields or cases with their types; enumerations and flags have none."""

    of: Mapping[str, Any]
    """All that the core says, for kinds without parts."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of an interface."""

    name: str
    """As the component has it: `process`, `[method]connection.send`."""

    role: str
    """`function`, `method`, `static` or `constructor`."""

    resource: int | None
    """The place of the resource that it belongs to."""

    parameters: Sequence[tuple[str, TypeUse]]
    result: TypeUse | None
    docs: str | None

    @property
    def plain_name(self) -> str:
        """The name without its role: `send` of `[method]connection.send`."""
        name = self.name.rpartition("]")[2]
        return name.rpartition(".")[2] if self.role in {"method", "static"} else name


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface that is imported or exported; the functions of the world itself are one without a name."""

    name: str
    types: Mapping[str, int]
    functions: Sequence[Function]
    docs: str | None


@dataclass(frozen=True, slots=True)
class World:
    """A component's imports and exports."""

    types: Sequence[Definition] = ()
    imports: Sequence[Interface] = ()
    exports: Sequence[Interface] = field(default=())

    @classmethod
    def of_json(cls, text: str) -> World:
        """Read what the core wrote."""
        data = json.loads(text)
        return cls(
            tuple(map(_definition, data["types"])),
            tuple(map(_interface, data["imports"])),
            tuple(map(_interface, data["exports"])),
        )

    def definition(self, use: TypeUse | None) -> Definition | None:
        """Return the type of the table that is meant, if it is one of it."""
        return self.types[use] if isinstance(use, int) else None


def _definition(data: Mapping[str, Any]) -> Definition:
    parts = data.get("fields") or (data.get("cases") if data["kind"] == "variant" else None) or ()
    return Definition(
        kind=data["kind"],
        name=data["name"],
        owner=data["owner"],
        parts=tuple((part["name"], part["type"]) for part in parts),
        of=data,
    )


def _interface(data: Mapping[str, Any]) -> Interface:
    return Interface(data["name"], data["types"], tuple(map(_function, data["functions"])), data["docs"])


def _function(data: Mapping[str, Any]) -> Function:
    return Function(
        name=data["name"],
        role=data["role"],
        resource=data.get("resource"),
        parameters=tuple((part["name"], part["type"]) for part in data["parameters"]),
        result=data["result"],
        docs=data["docs"],
    )
