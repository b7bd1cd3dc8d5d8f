"""Requests to others: `wasi:http/outgoing-handler`.

    from wisp_guest import client

    response = client.get("https://api.example.com/users/7", timeout=5)
    response.raise_for_status()
    response.json()

    client.post("https://api.example.com/users", json={"name": "you"}, headers={"authorization": "Bearer ..."})

    with client.get("https://example.com/large") as response:
        for piece in response.stream(): ...

In a coroutine, `await client.send_async("GET", ...)` lets other tasks run, so that several requests are under way at once.

The manifest grants where to: `grants = { http = ["https://api.example.com"] }`. Redirects are not followed: `response.headers["location"]`
says where to, and that needs a grant as well. What goes wrong before there is a response is a `RequestError`:

    RequestError
    +- DeniedError          the manifest does not grant it (a `NotGrantedError` too)
    +- TimedOutError        it took longer than it may (a `TimeoutError` too)
    +- UnreachableError     no such name, no connection, or one that broke
    +- TlsError             the certificate, or TLS itself
    +- TooLargeError        more bytes than a request or a response may have
    StatusError             `raise_for_status()` of a response from 400 on
"""

from __future__ import annotations

import json as _json
from collections.abc import AsyncIterable, Iterable
from typing import Any, Self, TypeAlias

from wisp_guest import _outgoing
from wisp_guest._multimap import Headers, Pairs
from wisp_guest._outgoing import Incoming, Outgoing, Timeouts
from wisp_guest._request import RequestBody
from wisp_guest._request_errors import (
    DeniedError,
    RequestError,
    TimedOutError,
    TlsError,
    TooLargeError,
    UnreachableError,
)

__all__ = [
    "DeniedError",
    "RequestError",
    "Response",
    "StatusError",
    "TimedOutError",
    "Timeouts",
    "TlsError",
    "TooLargeError",
    "UnreachableError",
    "delete",
    "get",
    "head",
    "patch",
    "post",
    "put",
    "send",
    "send_async",
]

Content: TypeAlias = bytes | str | Iterable[bytes] | AsyncIterable[bytes]
"""A whole body, or one that is sent piece by piece; an asynchronous one needs `send_async`."""

FIRST_ERROR = 400


class StatusError(Exception):
    """The status of a response is one of an error."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.method} {response.url} was answered with {response.status}")
        self.response = response


class Response:
    """A response. Its body is read when it is asked for; close it, or use it in a `with` block, if you leave some of it unread."""

    def __init__(self, request: Outgoing, incoming: Incoming) -> None:
        self.method = request.method
        self.url = request.url
        self.status = incoming.status
        self.headers = Headers([(name, value.decode("latin-1")) for name, value in incoming.headers])
        self._incoming = incoming
        self._body: bytes | None = None
        self._streamed = False

    def __repr__(self) -> str:
        return f"Response({self.status}, {self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ok(self) -> bool:
        """Whether the status is none of an error."""
        return self.status < FIRST_ERROR

    def raise_for_status(self) -> Self:
        """Return the response, if its status is none of an error."""
        if not self.ok:
            raise StatusError(self)
        return self

    def stream(self) -> RequestBody:
        """Read the body piece by piece, as it arrives: `for`, or `async for` in a coroutine."""
        if self._streamed or self._body is not None:
            message = "the body has been read already"
            raise RuntimeError(message)
        self._streamed = True
        return RequestBody(self._incoming)

    @property
    def body(self) -> bytes:
        """The whole body; waits until it has arrived."""
        if self._body is None:
            self._body = b"".join(self.stream())
        return self._body

    async def read(self) -> bytes:
        """Return the whole body as `body` does, letting other tasks run while it arrives."""
        if self._body is None:
            self._body = b"".join([piece async for piece in self.stream()])
        return self._body

    def text(self) -> str:
        """Return the body as text; what is not UTF-8 is replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:  # noqa: ANN401 - JSON can be anything
        """Return the body's JSON value."""
        return _json.loads(self.body)

    def close(self) -> None:
        """Give back what was not read."""
        self._incoming.close()


def send(
    method: str,
    url: str,
    content: Content = b"",
    *,
    headers: Pairs = (),
    json: object = None,
    timeout: float | Timeouts | None = None,
) -> Response:
    """Send a request and wait for the head of its response.

    Args:
        method: In capitals.
        url: With its scheme: `https://api.example.com/users?page=2`.
        content: The body: bytes, text, or an iterable of bytes that are sent as they come.
        headers: Header fields.
        json: What the body says, as JSON, in place of `content`.
        timeout: Seconds to connect, until the response begins, and between its pieces; or each of them by itself.

    Raises:
        RequestError: there is no response.

    """
    request = Outgoing(method, url, *_body(content, headers, json), _timeouts(timeout))
    return Response(request, _outgoing.send(request))


async def send_async(
    method: str,
    url: str,
    content: Content = b"",
    *,
    headers: Pairs = (),
    json: object = None,
    timeout: float | Timeouts | None = None,  # noqa: ASYNC109 - the host's, until it answers
) -> Response:
    """Do the same, letting other tasks run."""
    request = Outgoing(method, url, *_body(content, headers, json), _timeouts(timeout))
    return Response(request, await _outgoing.send_async(request))


def get(url: str, *, headers: Pairs = (), timeout: float | Timeouts | None = None) -> Response:
    """Send a GET request."""
    return send("GET", url, headers=headers, timeout=timeout)


def head(url: str, *, headers: Pairs = (), timeout: float | Timeouts | None = None) -> Response:
    """Send a HEAD request."""
    return send("HEAD", url, headers=headers, timeout=timeout)


def delete(url: str, *, headers: Pairs = (), timeout: float | Timeouts | None = None) -> Response:
    """Send a DELETE request."""
    return send("DELETE", url, headers=headers, timeout=timeout)


def post(
    url: str,
    content: Content = b"",
    *,
    headers: Pairs = (),
    json: object = None,
    timeout: float | Timeouts | None = None,
) -> Response:
    """Send a POST request."""
    return send("POST", url, content, headers=headers, json=json, timeout=timeout)


def put(
    url: str,
    content: Content = b"",
    *,
    headers: Pairs = (),
    json: object = None,
    timeout: float | Timeouts | None = None,
) -> Response:
    """Send a PUT request."""
    return send("PUT", url, content, headers=headers, json=json, timeout=timeout)


def patch(
    url: str,
    content: Content = b"",
    *,
    headers: Pairs = (),
    json: object = None,
    timeout: float | Timeouts | None = None,
) -> Response:
    """Send a PATCH request."""
    return send("PATCH", url, content, headers=headers, json=json, timeout=timeout)


def _body(
    content: Content, headers: Pairs, value: object
) -> tuple[Headers, bytes | Iterable[bytes] | AsyncIterable[bytes]]:
    fields = Headers(headers)
    if value is not None:
        content, kind = _json.dumps(value, separators=(",", ":")).encode(), "application/json"
    elif isinstance(content, str):
        content, kind = content.encode(), "text/plain; charset=utf-8"
    else:
        kind = "application/octet-stream"
    if content and "content-type" not in fields:
        fields.add("content-type", kind)
    return fields, content


def _timeouts(timeout: float | Timeouts | None) -> Timeouts:
    return timeout if isinstance(timeout, Timeouts) else Timeouts(timeout, timeout, timeout)
