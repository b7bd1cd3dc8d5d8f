"""Resources of a guest, as Python objects with methods.

They live in the guest. Leaving a `with` (or `async with`) block frees one; so does forgetting it, later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wisp.host.embed import names

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from wisp.host.embed.description import Function, World
    from wisp.native import Handle

__all__ = ["Resource", "ResourceType", "resource_class"]


class Resource:
    """A resource that a guest gave."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def __enter__(self) -> Self:
        if not self._handle.blocking:
            message = (
                f"use `async with` for this {type(self).__name__}: it belongs to an asynchronous instance"
            )
            raise TypeError(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handle.release()

    def close(self) -> Any:  # noqa: ANN401 - awaitable, where calls are
        """Free it; to be awaited where calls are. Closing twice is harmless."""
        return self._handle.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        done = self._handle.release()
        if not self._handle.blocking:
            await done

    def __repr__(self) -> str:
        state = "" if self._handle.held else ", gone"
        return f"<{type(self).__qualname__}{state}>"


class ResourceType:
    """A resource of an instance: its constructor as `new`, and its functions.

    Args:
        of: The class of its objects.
        constructor: Makes one, where WIT has a constructor.
        statics: Its functions, by name.

    """

    def __init__(
        self, of: type, constructor: Callable[..., Any] | None, statics: dict[str, Callable[..., Any]]
    ) -> None:
        self._of = of
        if constructor is not None:
            self.new = constructor
        self.__dict__.update(statics)

    def __instancecheck__(self, candidate: object) -> bool:
        return isinstance(candidate, self._of)

    def __repr__(self) -> str:
        return f"<resource {self._of.__name__}>"


def resource_class(world: World, place: int, module: str) -> type[Resource]:
    """Make the class of a resource, with its methods."""
    members: dict[str, Any] = {"__slots__": (), "__module__": module}
    number = 0
    for interface in world.exports:
        for function in interface.functions:
            if function.role == "method" and function.resource == place:
                members[names.attribute(function.plain_name)] = _method(function, number)
            number += 1
    name = names.class_name(world.types[place].name or "resource")
    members["__doc__"] = f"The resource `{world.types[place].name}`."
    return type(name, (Resource,), members)


def _method(function: Function, number: int) -> Callable[..., Any]:
    def method(self: Resource, *given: object, **named: object) -> Any:  # noqa: ANN401 - the component decides
        return self._handle.function(number)(self, *given, **named)

    method.__name__ = names.attribute(function.plain_name)
    method.__doc__ = function.docs
    return method
