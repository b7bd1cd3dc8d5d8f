"""Between `wisp:messaging/consumer` and a handler; works only inside a component."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wisp_guest import _serve, inbox
from wisp_guest._handlers import called
from wisp_guest._host import Err
from wisp_guest._multimap import Headers

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def consumer_class(module: ModuleType) -> type:
    """Return the class that exports the module's handler of messages.

    Raises:
        TypeError: it has none.

    """
    function = inbox._handler()  # noqa: SLF001 - ours, and none of the user's business
    if function is None:
        message = f"module {module.__name__} has no handler of messages: decorate a function with @wisp_guest.inbox.handler"
        raise TypeError(message)
    call = called(function)

    class Consumer:
        """The export of the component."""

        def take(self, message: Any, delivery: Any) -> None:  # noqa: ANN401 - the bindings have types of their own for it
            """Take one message."""
            try:
                call(_message(message, delivery))
            except BaseException as error:  # noqa: BLE001 - nothing that a handler raises may end the instance
                _serve.log(error)
                reason = f"{type(error).__name__}: {error}"
                raise Err(reason) from None

    return Consumer


def _message(message: Any, delivery: Any) -> inbox.Message:  # noqa: ANN401 - the same
    return inbox.Message(
        subject=delivery.subject,
        body=message.body,
        content_type=message.content_type,
        headers=Headers(message.headers),
        sequence=delivery.sequence,
        attempt=delivery.attempt,
        published=datetime.fromtimestamp(delivery.published / 1000, UTC),
        id=delivery.id,
    )
