"""Why a request has no response: the host's codes, and the exceptions that they become."""

from __future__ import annotations

import re

from wisp_guest import _host
from wisp_guest.errors import CapabilityError, NotGrantedError


class RequestError(CapabilityError):
    """There is no response, or it broke off; `code` is the interface's word for why."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class DeniedError(RequestError, NotGrantedError):
    """The manifest does not grant it."""


class TimedOutError(RequestError, TimeoutError):
    """It took longer than it may."""


class UnreachableError(RequestError):
    """There is no such name, no connection, or it broke."""


class TlsError(RequestError):
    """The other side's certificate is not trusted, or TLS failed."""


class TooLargeError(RequestError):
    """A request or a response has more bytes than it may have."""


_KINDS: tuple[tuple[str, type[RequestError]], ...] = (
    ("HTTP-request-denied|destination-IP-prohibited", DeniedError),
    ("DNS-timeout|connection-.*timeout|HTTP-response-timeout", TimedOutError),
    ("TLS-.*", TlsError),
    (".*-size", TooLargeError),
    ("DNS-error|destination-.*|connection-.*|HTTP-response-incomplete", UnreachableError),
)


def explain(url: str, error: object) -> RequestError:
    """Return the exception for what the host says of a request."""
    code = re.sub(r"\b(?:dns|http|ip|tls|uri)\b", lambda word: word[0].upper(), _host.case(error))
    kind = next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, code)), RequestError)
    more = _more(getattr(error, "value", None))
    return kind(f"{url}: {code}{f': {more}' if more else ''}", code)


def _more(value: object) -> str:
    """Return what a code has besides its name, if it is text, or a record with text."""
    if value is None or isinstance(value, str | int):
        return str(value or "")
    return ", ".join(str(part) for part in vars(value).values() if part is not None)
