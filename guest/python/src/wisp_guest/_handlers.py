"""Functions that a component's user decorates to be called by the host: of each kind a component has one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Decorated = TypeVar("Decorated")
Event = TypeVar("Event")


def only(handlers: list[Any], function: Decorated, of: str) -> Decorated:
    """Make this function the one of its kind, and return it. Raises TypeError when there is one already."""
    if handlers:
        message = f"a component has one handler of {of}; {name_of(handlers[0])} is it already, {name_of(function)} cannot be"
        raise TypeError(message)
    handlers.append(function)
    return function


def is_async(function: object) -> bool:
    """Whether a function has to run in an event loop."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def name_of(function: object) -> str:
    """Return what a function is called where it is written."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def called(function: Callable[[Event], Any]) -> Callable[[Event], object]:
    """Return a function that ends when its handler has: one that has to is run in an event loop of its own."""
    if not is_async(function):
        return function
    # Only here: asyncio makes a component three megabytes larger.
    from wisp_guest._loop import Loop  # noqa: PLC0415

    loop = Loop()
    return lambda event: loop.run(function(event))
