"""Python classes for WIT types: made once for each component.

A record is a frozen dataclass; a variant the union of frozen dataclasses, one for each case, so that `match` tells them
apart; an enum an `enum.Enum`, flags an `enum.Flag`, a resource a class with methods.
"""

from __future__ import annotations

import enum
import functools
import operator
from dataclasses import make_dataclass
from typing import TYPE_CHECKING, Any

from wisp.errors import GuestError
from wisp.host.embed import names
from wisp.host.embed.resources import resource_class

if TYPE_CHECKING:
    from wisp.host.embed.description import Definition, Function, World

__all__ = ["Classes"]

_FLAGS = 32
"""The component model allows no more in one type."""


class Classes:
    """The classes of one component."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_type: tuple[Any, ...] = tuple(self._class(place) for place in range(len(world.types)))
        """By the place of the type: the class with its parts, as the core wants them; None for types without a name."""
        self.hosted: dict[int, type] = {}
        """The classes of the program that implement imported resources, by the place of the resource."""
        self._errors: dict[str, type[GuestError]] = {}

    def named(self, place: int, name: str) -> dict[str, Any]:
        """Return what users see of a type that an interface has under this name: its class, and those of its cases."""
        made = self.by_type[place]
        if made is None:
            return {}
        if not isinstance(made, tuple):
            return {name: made}
        if self._world.types[place].kind != "variant":
            return {name: made[0]}
        cases = {
            f"{name}_{names.class_name(case)}": of
            for (case, _), of in zip(self._world.types[place].parts, made[1], strict=True)
        }
        return {name: made[0], **cases}

    def of(self, place: int) -> Any:  # noqa: ANN401 - a class
        """Return the class of a type."""
        made = self.by_type[place]
        return made[0] if isinstance(made, tuple) else made

    def is_resource(self, place: int) -> bool:
        """Say whether a type is a resource."""
        return self._world.types[place].kind == "resource"

    def error(self, function: Function) -> type[GuestError]:
        """Return the exception that a function raises when its result is an error."""
        result = self._world.definition(function.result)
        error = self._world.definition(result.of.get("err")) if result and result.kind == "result" else None
        if error is None or error.name is None:
            return GuestError
        key = f"{error.owner}/{error.name}"
        if key not in self._errors:
            name = f"{names.class_name(error.name)}Raised"
            documentation = f"A function answered with a `{error.name}`, which is the `value`."
            self._errors[key] = type(
                name, (GuestError,), {"__doc__": documentation, "__module__": _module(error)}
            )
        return self._errors[key]

    def _class(self, place: int) -> Any:  # noqa: ANN401 - as the core wants it
        definition = self._world.types[place]
        makers = {"record": _record, "variant": _variant, "enum": _enum, "flags": _flags}
        if maker := makers.get(definition.kind):
            return maker(definition)
        if definition.kind == "resource":
            return resource_class(self._world, place, _module(definition))
        return None


def _module(definition: Definition) -> str:
    return definition.owner or "world"


def _name(definition: Definition) -> str:
    return names.class_name(definition.name or definition.kind)


def _record(definition: Definition) -> tuple[type, tuple[str, ...]]:
    attributes = tuple(names.attribute(name) for name, _ in definition.parts)
    made = make_dataclass(_name(definition), attributes, frozen=True, slots=True)
    made.__module__ = _module(definition)
    made.__doc__ = f"The record `{definition.name}`."
    return made, attributes


def _variant(definition: Definition) -> tuple[Any, tuple[type, ...]]:
    cases = []
    for case, carried in definition.parts:
        name = f"{_name(definition)}_{names.class_name(case)}"
        made = make_dataclass(name, () if carried is None else ("value",), frozen=True, slots=True)
        made.__module__ = _module(definition)
        made.__doc__ = f"The case `{case}` of the variant `{definition.name}`."
        cases.append(made)
    return functools.reduce(operator.or_, cases), tuple(cases)


def _enum(definition: Definition) -> tuple[type, tuple[enum.Enum, ...]]:
    made: Any = enum.Enum(  # type: ignore[misc]  # its members are the component's
        _name(definition),
        [(names.constant(case), case) for case in definition.of["cases"]],
        module=_module(definition),
    )
    return made, tuple(made)


def _flags(definition: Definition) -> tuple[type, tuple[enum.Flag, ...]]:
    made: Any = enum.Flag(  # type: ignore[misc]  # its members are the component's
        _name(definition),
        [(names.constant(flag), 1 << place) for place, flag in enumerate(definition.of["flags"][:_FLAGS])],
        module=_module(definition),
    )
    return made, tuple(made)
