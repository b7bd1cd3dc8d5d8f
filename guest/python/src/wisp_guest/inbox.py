"""Messages that a component takes: `wisp:messaging/consumer`.

    from wisp_guest import inbox

    @inbox.handler
    def take(message: inbox.Message) -> None:
        order = message.json()

The manifest says which: `[[messaging]]` with a `subject` and this component. A project that imports this module and not
`wisp_guest.http` makes a component that answers no requests.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from wisp_guest._handlers import only

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
    return only(_handlers, function, "messages")


def _handler() -> Handler | None:
    return _handlers[0] if _handlers else None
