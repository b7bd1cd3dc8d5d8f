"""Messages to whom it may concern: `wisp:messaging`.

    from wisp_guest import messaging

    messaging.publish("orders.created", {"id": 7})

The manifest grants the subjects: `grants = { messaging = ["orders.*"] }`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wisp_guest import _host
from wisp_guest._host import Err
from wisp_guest._multimap import Headers
from wisp_guest.errors import CapabilityError, NotGrantedError

if TYPE_CHECKING:
    from wisp_guest._multimap import Pairs
    from wit_world.imports import wisp_messaging_producer as producer
    from wit_world.imports import wisp_messaging_types as types
else:
    producer = _host.Interface("wisp:messaging/producer")
    types = _host.Interface("wisp:messaging/types")

__all__ = [
    "DeniedError",
    "InvalidSubjectError",
    "MessagingError",
    "TooLargeError",
    "UnavailableError",
    "publish",
]


class MessagingError(CapabilityError):
    """The message was not published."""


class DeniedError(MessagingError, NotGrantedError):
    """The subject is not granted."""


class InvalidSubjectError(MessagingError):
    """That is no subject: words of letters, digits, `_` and `-`, with dots between them."""


class TooLargeError(MessagingError):
    """Body and headers have more bytes than a message may have."""


class UnavailableError(MessagingError):
    """Messages cannot be kept now."""


_ERRORS = {
    "access-denied": DeniedError,
    "invalid-subject": InvalidSubjectError,
    "too-large": TooLargeError,
    "unavailable": UnavailableError,
}


def publish(subject: str, body: object, *, content_type: str | None = None, headers: Pairs = ()) -> None:
    """Publish a message; it is kept when this returns.

    Args:
        subject: Words with dots between them: `orders.created`.
        body: Bytes or text as they are; anything else as JSON.
        content_type: The media type, if it is not to be found by the kind of the body.
        headers: More of it, by name.

    """
    found, content = _content(body)
    pairs = Headers(headers).items()
    try:
        producer.publish(subject, types.Message(content, content_type or found, pairs))
    except Err as error:
        case, inner = _host.case(error.value), getattr(error.value, "value", None)
        message = f"{subject}: {inner or case.replace('-', ' ')}"
        raise _ERRORS.get(case, MessagingError)(message) from None


def _content(body: object) -> tuple[str | None, bytes]:
    if isinstance(body, bytes | bytearray | memoryview):
        return None, bytes(body)
    if isinstance(body, str):
        return "text/plain; charset=utf-8", body.encode()
    return "application/json", json.dumps(body, separators=(",", ":")).encode()
