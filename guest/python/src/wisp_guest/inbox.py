"""Messages that a component takes: `wisp:messaging/consumer`.

    from wisp_guest import inbox

    @inbox.handler
    def take(message: inbox.Message) -> None:
        order = message.json()

The manifest says which: `[[messaging]]` with a `subject` and this component. A project that imports this module and not
`wisp_guest.http` makes a component that answers no requests.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

    from wisp_guest._multimap import Headers

__all__ = ["Handler", "Message", "handler"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and how it came."""

    subject: str
    """What it was published to."""

    body: bytes
    content_type: str | None
    headers: Headers
    sequence: int
    """Its number among the messages of the app: the same each time that it comes."""

    attempt: int
    """How often it has come, this time included."""

    published: datetime
    """When it was published, in UTC."""

    id: str
    """What names this delivery in the log of the host."""

    def text(self) -> str:
        """Return the body as text. Raises UnicodeDecodeError."""
        return self.body.decode()

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Return what the body says as JSON. Raises ValueError."""
        return json.loads(self.body)


Handler: TypeAlias = Callable[[Message], object] | Callable[[Message], Awaitable[object]]
"""What `handler` decorates: a function, or a coroutine function. What it returns is not looked at."""

Decorated = TypeVar("Decorated", bound=Handler)

_handlers: list[Handler] = []


def handler(function: Decorated) -> Decorated:
    """Make this function the one that takes the component's messages; it stays callable as it is.

    A component has one. A message has been taken when the function returns. After an exception it comes again, as often as the manifest
    says, and goes to the dead-letter subject then.
    """
    if _handlers:
        message = f"a component has one handler of messages; {_name(_handlers[0])} is it already, {_name(function)} cannot be"
        raise TypeError(message)
    _handlers.append(function)
    return function


def _handler() -> Handler | None:
    return _handlers[0] if _handlers else None


def _is_async(function: Handler) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _name(function: Handler) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
