"""What a component imports, and the Python objects that answer.

An object answers an interface with a method for each of its functions, under the function's name as Python writes it. A mapping of names
to functions does as well. What is missing is said before anything runs. Resources are classes: see `hosted`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wisp.errors import LinkError
from wisp.host.embed import hosted, names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wisp.host.embed.classes import Classes
    from wisp.host.embed.description import Function, Interface, World

__all__ = ["Given", "Imports", "Names", "given"]


@dataclass(frozen=True, slots=True)
class Names:
    """What Python calls a function's parameters, and the exception for its error."""

    parameters: tuple[str, ...]
    exception: type[BaseException]

    @classmethod
    def of(cls, function: Function, classes: Classes) -> Names:
        """Return those of a function."""
        return cls(tuple(names.attribute(name) for name, _ in function.parameters), classes.error(function))


@dataclass(frozen=True, slots=True)
class Given:
    """An imported interface that Python answers."""

    interface: int
    """Its place in `World.imports`."""

    functions: list[tuple[Callable[..., Any], Names]]


@dataclass(frozen=True, slots=True)
class Imports:
    """All that Python answers for a component."""

    interfaces: list[Given] = field(default_factory=list)
    classes: dict[int, type] = field(default_factory=dict)
    """The classes that implement resources, by the place of the resource in `World.types`."""


def given(
    world: World, classes: Classes, imports: Mapping[str, object], *, tolerant: bool = False
) -> Imports:
    """Match the objects to the component's imports; a tolerant host answers what is missing with a failure, when it is called.

    Raises:
        LinkError: the component does not import that, an object lacks a function, or nobody answers an import.

    """
    by_name = {interface.name: place for place, interface in enumerate(world.imports)}
    found = Imports()
    for name, answers in imports.items():
        place = _place(name, by_name)
        interface = world.imports[place]
        own = hosted.classes(world, interface, answers)
        functions = [
            (
                hosted.function(function, own) or _callable(interface, function, answers),
                Names.of(function, classes),
            )
            for function in interface.functions
        ]
        found.classes.update(own)
        found.interfaces.append(Given(place, functions))
    for each in found.interfaces:
        hosted.check(world, world.imports[each.interface], found.classes)
    _answer_the_rest(world, classes, found, tolerant=tolerant)
    return found


def _answer_the_rest(world: World, classes: Classes, found: Imports, *, tolerant: bool) -> None:
    for place in _unanswered(world, {each.interface for each in found.interfaces}):
        interface = world.imports[place]
        if not tolerant:
            raise _missing(interface)
        functions = [(_failing(interface), Names.of(function, classes)) for function in interface.functions]
        found.interfaces.append(Given(place, functions))


def _place(name: str, by_name: Mapping[str, int]) -> int:
    if name in by_name:
        return by_name[name]
    candidates = [known for known in by_name if known.partition("@")[0] == name]
    if len(candidates) == 1:
        return by_name[candidates[0]]
    near = difflib.get_close_matches(name, by_name, n=1)
    message = f"the component does not import `{name}`"
    known = ", ".join(known for known in by_name if not known.startswith("wasi:")) or "nothing but WASI"
    raise LinkError(
        message, interface=name, hint=f"did you mean `{near[0]}`?" if near else f"it imports {known}"
    )


def _callable(interface: Interface, function: Function, answers: object) -> Callable[..., Any]:
    name = names.attribute(function.plain_name)
    found = hosted.member(answers, name)
    if callable(found):
        return found  # type: ignore[no-any-return]  # it is callable: that is all we ask
    parameters = ", ".join(names.attribute(each) for each, _ in function.parameters)
    message = f"what answers `{interface.name}` has no function for `{function.plain_name}`"
    raise LinkError(message, interface=interface.name, hint=f"give it a method `{name}({parameters})`")


def _unanswered(world: World, answered: set[int]) -> list[int]:
    return [
        place
        for place, interface in enumerate(world.imports)
        if place not in answered and interface.functions and not interface.name.startswith("wasi:")
    ]


def _missing(interface: Interface) -> LinkError:
    what = f"`{interface.name}`" if interface.name else "functions of the world"
    message = f"the component imports {what}, and nothing answers it"
    hint = f"load it with imports={{{interface.name!r}: ...}}"
    return LinkError(message, interface=interface.name, hint=hint)


def _failing(interface: Interface) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise _missing(interface)

    return fail
