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

FIRST_STATUS, LAST_STATUS = 200, 599


class Response:
    """One HTTP response.

    Args:
        body: Bytes, text, or an iterator of bytes (or an asynchronous one): then each piece is sent at once.
        status: The HTTP status.
        headers: Header fields; `content-type` is set by the kind of the body unless it is given here.

    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, body: Body = b"", status: int = 200, *, headers: Pairs = ()) -> None:
        if not FIRST_STATUS <= status <= LAST_STATUS:
            message = f"a response cannot have status {status}"
            raise ValueError(message)
        self.status = status
        self.headers = Headers(headers)
        self.body: Content = body.encode() if isinstance(body, str) else body
        if body != b"" and "content-type" not in self.headers:
            kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/octet-stream"
            self.headers.add("content-type", kind)

    @classmethod
    def json(cls, value: object, status: int = 200, *, headers: Pairs = ()) -> Self:
        """Make a response from anything that `json.dumps` takes."""
        return cls._of("application/json", json.dumps(value, separators=(",", ":")), status, headers)

    @classmethod
    def text(cls, text: str, status: int = 200, *, headers: Pairs = ()) -> Self:
        """Make a plain-text response."""
        return cls._of("text/plain; charset=utf-8", text, status, headers)

    @classmethod
    def html(cls, text: str, status: int = 200, *, headers: Pairs = ()) -> Self:
        """Make a page."""
        return cls._of("text/html; charset=utf-8", text, status, headers)

    @classmethod
    def problem(cls, status: int, detail: str, **extra: object) -> Self:
        """Make an error answer: problem details (RFC 9457) with more members as wanted."""
        members = Problem(status, detail, **extra).members()
        return cls._of("application/problem+json", json.dumps(members, separators=(",", ":")), status, ())

    @classmethod
    def _of(cls, kind: str, text: str, status: int, headers: Pairs) -> Self:
        given = Headers(headers)
        if "content-type" not in given:
            given.add("content-type", kind)
        return cls(text.encode(), status, headers=given.items())

    def __repr__(self) -> str:
        size = f", {len(self.body)} bytes" if isinstance(self.body, bytes) else ", streamed"
        return f"Response({self.status}{size})"
