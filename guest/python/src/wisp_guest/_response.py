"""What a handler returns."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterable
from typing import Self, TypeAlias

from wisp_guest._multimap import Headers, Pairs
from wisp_guest._problem import Problem

Body: TypeAlias = bytes | str | Iterable[bytes] | AsyncIterable[bytes]
"""A whole body, or one that is sent piece by piece, each piece at once; text is sent as UTF-8."""

Content: TypeAlias = bytes | Iterable[bytes] | AsyncIterable[bytes]

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
FIRST_STATUS, LAST_STATUS = 200, 599


_encode = json.JSONEncoder(separators=(",", ":")).encode


class Response:
    """One HTTP response.

    Args:
        body: Bytes, text, or an iterator of bytes (or an asynchronous one): then each piece is sent at once.
        status: The HTTP status.
        headers: Header fields.
        content_type: What the body is, unless a header field says it; found by the kind of the body when not given.

    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, body: Body = b"", status: int = 200, *, headers: Pairs = (), content_type: str | None = None
    ) -> None:
        if not FIRST_STATUS <= status <= LAST_STATUS:
            message = f"a response cannot have status {status}"
            raise ValueError(message)
        self.status = status
        self.headers = Headers(headers)
        self.body: Content = body.encode() if isinstance(body, str) else body
        if content_type is None and body:
            content_type = TEXT if isinstance(body, str) else BYTES
        if content_type is not None and not (headers and "content-type" in self.headers):
            self.headers.add("content-type", content_type)

    @classmethod
    def json(cls, value: object, status: int = 200, *, headers: Pairs = ()) -> Self:
        """Make a response from anything that `json.dumps` takes."""
        return cls(_encode(value).encode(), status, headers=headers, content_type="application/json")

    @classmethod
    def text(cls, text: str, status: int = 200, *, headers: Pairs = ()) -> Self:
        """Make a plain-text response."""
        return cls(text, status, headers=headers, content_type=TEXT)

    @classmethod
    def html(cls, text: str, status: int = 200, *, headers: Pairs = ()) -> Self:
        """Make a page."""
        return cls(text, status, headers=headers, content_type="text/html; charset=utf-8")

    @classmethod
    def problem(cls, status: int, detail: str, **extra: object) -> Self:
        """Make an error answer: problem details (RFC 9457) with more members as wanted."""
        members = Problem(status, detail, **extra).members()
        return cls(_encode(members).encode(), status, content_type="application/problem+json")

    def __repr__(self) -> str:
        size = f", {len(self.body)} bytes" if isinstance(self.body, bytes) else ", streamed"
        return f"Response({self.status}{size})"
