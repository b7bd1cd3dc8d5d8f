"""Resources that Python implements: classes, whose objects a guest has handles of.

What answers an interface has a class under the resource's name as Python writes it. The guest's constructor makes an object, its methods
are the object's, its static functions the class's. An object lives as long as the guest's handle: when that is dropped, or the
instance ends, it is closed (`close()`, else `__exit__`, where it has one) and forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wisp.errors import LinkError
from wisp.host.embed import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wisp.host.embed.description import Definition, Function, Interface, TypeUse, World

__all__ = ["check", "classes", "function", "member"]


def member(answers: Any, name: str) -> Any:  # noqa: ANN401 - anything may answer
    """Return what an object, or a mapping, has under a name; None when it has nothing."""
    return answers.get(name) if hasattr(answers, "keys") else getattr(answers, name, None)


def classes(world: World, interface: Interface, answers: object) -> dict[int, type]:
    """Return the classes that implement the resources of an interface, by the place of the resource.

    Raises:
        LinkError: a class is missing, or lacks a method.

    """
    found = {}
    for name, place in interface.types.items():
        definition = world.types[place]
        if definition.kind == "resource" and definition.owner == interface.name:
            of = member(answers, names.class_name(name))
            if not isinstance(of, type):
                raise _no_class(interface, name, place)
            found[place] = of
            _check_methods(interface, name, place, of)
    return found


def function(description: Function, own: Mapping[int, type]) -> Callable[..., Any] | None:
    """Return what answers a function of a resource; None for one that belongs to none."""
    if description.resource is None or description.resource not in own:
        return None
    of = own[description.resource]
    if description.role == "constructor":
        return of
    name = names.attribute(description.plain_name)
    if description.role == "static":
        found: Callable[..., Any] = getattr(of, name)
        return found

    def method(self: object, *given: object) -> Any:  # noqa: ANN401 - the class decides
        return getattr(self, name)(*given)

    return method


def check(world: World, interface: Interface, implemented: Mapping[int, type]) -> None:
    """Refuse functions that pass what cannot cross, or resources which no class of the program implements.

    Raises:
        LinkError: there is one.

    """
    for each in interface.functions:
        for use in (*(use for _, use in each.parameters), each.result):
            for part in _parts(world, use, set()):
                if word := _uncrossable(world, part):
                    raise _refused(interface, each, word)
                if isinstance(part, int) and world.types[part].kind == "resource" and part not in implemented:
                    raise _foreign(interface, each, world.types[part])


def _parts(world: World, use: TypeUse | None, seen: set[int]) -> Iterator[TypeUse]:
    """Every type that a type is made of, itself included."""
    if use is None or use in seen:
        return
    yield use
    if not isinstance(use, int):
        return
    seen.add(use)
    definition = world.types[use]
    parts = [part for _, part in definition.parts]
    parts += [definition.of.get(key) for key in ("item", "ok", "err", "key", "value", "resource")]
    for part in (*parts, *definition.of.get("items", ())):
        yield from _parts(world, part, seen)


def _uncrossable(world: World, use: TypeUse) -> str | None:
    """Return the word for a type that has no place in Python."""
    if not isinstance(use, int):
        return "error-context" if use == "error-context" else None
    definition = world.types[use]
    if definition.kind in {"map", "fixed-length-list"}:
        return definition.kind.replace("-", " ")
    if definition.kind in {"stream", "future"} and not isinstance(definition.of["item"], str):
        return f"{definition.kind} of what is no number, bool, char or string"
    return None


def _refused(interface: Interface, description: Function, word: str) -> LinkError:
    message = f"`{description.name}` of `{interface.name}` passes a {word}, which cannot cross to Python"
    return LinkError(message, interface=interface.name, hint="let a component answer this import")


def _check_methods(interface: Interface, name: str, place: int, of: type) -> None:
    for each in interface.functions:
        if each.resource != place or each.role == "constructor":
            continue
        method = names.attribute(each.plain_name)
        if not callable(getattr(of, method, None)):
            message = (
                f"the class {of.__name__} for the resource `{name}` of `{interface.name}` has no `{method}`"
            )
            kind = "static method" if each.role == "static" else "method"
            raise LinkError(
                message, interface=interface.name, hint=f"give it a {kind} `{_head(each, method)}`"
            )


def _head(description: Function, name: str) -> str:
    given = [names.attribute(each) for each, _ in description.parameters]
    return f"{name}({', '.join(given)})"


def _no_class(interface: Interface, name: str, place: int) -> LinkError:
    made = names.class_name(name)
    methods = [
        names.attribute(each.plain_name)
        for each in interface.functions
        if each.resource == place and each.role != "constructor"
    ]
    message = f"what answers `{interface.name}` has no class for the resource `{name}`"
    having = f" with {', '.join(methods)}" if methods else ""
    return LinkError(message, interface=interface.name, hint=f"give it a class `{made}`{having}")


def _foreign(interface: Interface, description: Function, resource: Definition) -> LinkError:
    message = (
        f"`{description.name}` of `{interface.name}` passes a `{resource.name}` of `{resource.owner}`, "
        "which Python does not implement"
    )
    hint = (
        "let a component answer this import"
        if resource.owner.startswith("wasi:")
        else f"answer `{resource.owner}` too"
    )
    return LinkError(message, interface=interface.name, hint=hint)
