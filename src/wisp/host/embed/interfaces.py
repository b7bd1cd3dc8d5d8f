"""An instance's interfaces: its functions and types as attributes."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from wisp.errors import LinkError
from wisp.host.embed import names
from wisp.host.embed.resources import ResourceType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wisp.host.embed.classes import Classes
    from wisp.host.embed.description import Function, World
    from wisp.host.embed.description import Interface as Description
    from wisp.native import EmbeddedInstance

__all__ = ["Interface", "find", "find_name", "interfaces"]


class Interface:
    """An exported interface: its functions, and the classes of its types."""

    def __init__(self, name: str, members: Mapping[str, Any], docs: str | None) -> None:
        self.__name__ = name
        self.__doc__ = docs
        self._members = tuple(members)
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what an interface has, the component decides
        known = ", ".join(self._members)
        near = difflib.get_close_matches(name, self._members, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else "."
        message = f"{self.__name__ or 'the world'} has no `{name}`{hint} It has {known}"
        raise AttributeError(message, name=name, obj=None)

    def __dir__(self) -> Iterator[str]:
        return iter(self._members)

    def __repr__(self) -> str:
        return f"<interface {self.__name__ or 'of the world'}>"


def interfaces(world: World, classes: Classes, instance: EmbeddedInstance) -> dict[str, Interface]:
    """Return all exported interfaces of an instance, by name; that of the world itself has none."""
    made = {}
    first = 0
    for description in world.exports:
        made[description.name] = _interface(description, classes, instance, first)
        first += len(description.functions)
    return made


def find(all_of_them: Mapping[str, Interface], name: str) -> Interface:
    """Return an interface by its name, with or without its version.

    Raises:
        LinkError: there is none, or more than one.

    """
    return all_of_them.get(name) or all_of_them[find_name(list(all_of_them), name)]


def find_name(exported: Sequence[str], name: str) -> str:
    """Return the full name of an exported interface.

    Raises:
        LinkError: there is none, or more than one.

    """
    if name in exported:
        return name
    candidates = [known for known in exported if known.partition("@")[0] == name]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        message = f"`{name}` is exported in several versions: {', '.join(candidates)}"
        raise LinkError(message, interface=name, hint="name the version too")
    near = difflib.get_close_matches(name, exported, n=1)
    known = ", ".join(key or "functions of the world, as instance['']" for key in exported) or "nothing"
    message = f"the component does not export `{name}`" if name else "the world itself has no functions"
    raise LinkError(
        message, interface=name, hint=f"did you mean `{near[0]}`?" if near else f"it exports {known}"
    )


def _interface(
    description: Description, classes: Classes, instance: EmbeddedInstance, first: int
) -> Interface:
    members: dict[str, Any] = {}
    made: dict[int, _OfResource] = {}
    for number, function in enumerate(description.functions, first):
        if function.role == "function":
            members[names.attribute(function.name)] = instance.function(number)
        elif function.resource is not None:
            made.setdefault(function.resource, _OfResource()).add(function, instance.function(number))
    for name, place in description.types.items():
        seen = classes.named(place, names.class_name(name))
        if place in classes.hosted:
            seen = dict.fromkeys(seen, classes.hosted[place])
        elif classes.is_resource(place):
            of = made.get(place, _OfResource())
            seen = {each: of.seen(found) for each, found in seen.items()}
        members.update(seen)
    return Interface(description.name, members, description.docs)


class _OfResource:
    """The functions of a resource that are no methods."""

    def __init__(self) -> None:
        self.constructor: Any = None
        self.statics: dict[str, Any] = {}

    def add(self, function: Function, called: object) -> None:
        if function.role == "constructor":
            self.constructor = called
        elif function.role == "static":
            self.statics[names.attribute(function.plain_name)] = called

    def seen(self, of: type) -> ResourceType:
        return ResourceType(of, self.constructor, self.statics)
