"""Between requests to others and WASI 0.2.

The handle of a request is gone when it has been handed over; its body is written after that, while the host sends it. When
writing fails, the host has given up, and says why in place of the response.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlsplit

from wisp_guest import _host
from wisp_guest._bodies import BodyReader, BodyWriter
from wisp_guest._host import Err
from wisp_guest._request_errors import RequestError, UnreachableError, explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

    from wisp_guest._loop import Loop
    from wisp_guest._multimap import Headers
    from wit_world.imports import wasi_http_outgoing_handler as handler
    from wit_world.imports import wasi_http_types as http
else:
    handler = _host.Interface("wasi:http/outgoing-handler")
    http = _host.Interface("wasi:http/types")

NANOSECONDS = 1_000_000_000
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
WITH_BODY = ("POST", "PUT", "PATCH")
PATH = "/%:@!$&'()*+,;=~-._"
"""What stands in a path as it is, besides letters and digits."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Durations in seconds; None leaves it to the host."""

    connect: float | None = None
    first_byte: float | None = None
    """From the end of the request to the head of the response."""

    between_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, ready to be sent."""

    method: str
    url: str
    headers: Headers
    content: bytes | Iterable[bytes] | AsyncIterable[bytes]
    timeouts: Timeouts


class Incoming(BodyReader):
    """A response: its head, and its body as it arrives."""

    def __init__(self, url: str, response: http.IncomingResponse) -> None:
        self._url = url
        self._response: http.IncomingResponse | None = response
        self.status = response.status()
        with response.headers() as fields:
            self.headers = fields.entries()
        super().__init__(response.consume(), None, _running_loop())

    def broken(self, error: object) -> Exception:
        """Return what is raised when the body does not come to its end."""
        inner = getattr(error, "value", None)
        code = None if inner is None else http.http_error_code(inner)
        if code is None:
            return UnreachableError(f"{self._url}: the response's body broke off", "connection-terminated")
        found = explain(self._url, code)
        # There was a connection and a response; what has no better name is one that broke.
        return UnreachableError(str(found), found.code) if type(found) is RequestError else found

    def __del__(self) -> None:
        # A response that nobody read or closed: Python would give its parts back in the wrong order, which ends the instance.
        self.close()

    def close(self) -> None:
        """Give everything back."""
        super().close()
        if self._response is not None:
            self._response.__exit__(None, None, None)
            self._response = None


def send(request: Outgoing) -> Incoming:
    """Send a request, and wait for the head of its response."""
    future, body = _begin(request)
    with contextlib.suppress(ConnectionAbortedError):
        _write(request.content, body)
    with future:
        with future.subscribe() as answered:
            answered.block()
        return _answer(request, future)


async def send_async(request: Outgoing) -> Incoming:
    """Do the same, letting other tasks run."""
    loop = _running_loop()
    if loop is None:
        message = "send_async() is awaited in an async handler"
        raise RuntimeError(message)
    future, body = _begin(request)
    with contextlib.suppress(ConnectionAbortedError):
        await _write_async(request.content, body, loop)
    with future:
        await loop.ready(future.subscribe())
        return _answer(request, future)


def _begin(request: Outgoing) -> tuple[http.FutureIncomingResponse, http.OutgoingBody]:
    """Hand a request over to the host."""
    outgoing = http.OutgoingRequest(_fields(request))
    try:
        _address(outgoing, request)
        body = outgoing.body()
        return handler.handle(outgoing, _options(request.timeouts)), body
    except Err as error:
        if error.value is None:
            message = f"{request.method} {request.url}: not a method and an address"
            raise RequestError(message, "HTTP-request-URI-invalid") from None
        raise explain(request.url, error.value) from None


def _fields(request: Outgoing) -> http.Fields:
    entries = [(name, value.encode("latin-1")) for name, value in request.headers.items()]
    content = request.content
    if isinstance(content, bytes) and (content or request.method in WITH_BODY):
        entries.append(("content-length", b"%d" % len(content)))
    try:
        return http.Fields.from_list(entries)
    except Err as error:
        message = f"a header field is not allowed ({_host.case(error.value)}): {request.headers!r}"
        raise RequestError(message, _host.case(error.value)) from None


def _address(outgoing: http.OutgoingRequest, request: Outgoing) -> None:
    parts = urlsplit(request.url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        message = f"an address begins with http:// or https:// and a host, unlike {request.url!r}"
        raise RequestError(message, "HTTP-request-URI-invalid")
    path = quote(parts.path or "/", safe=PATH)
    query = f"?{quote(parts.query, safe=PATH + '?')}" if parts.query else ""
    known = request.method in METHODS
    method = (
        getattr(http, f"Method_{request.method.capitalize()}")()
        if known
        else http.Method_Other(request.method)
    )
    outgoing.set_method(method)
    outgoing.set_scheme(http.Scheme_Https() if parts.scheme == "https" else http.Scheme_Http())
    outgoing.set_authority(parts.netloc)
    outgoing.set_path_with_query(path + query)


def _options(timeouts: Timeouts) -> http.RequestOptions | None:
    if timeouts == Timeouts():
        return None
    options = http.RequestOptions()
    options.set_connect_timeout(_duration(timeouts.connect))
    options.set_first_byte_timeout(_duration(timeouts.first_byte))
    options.set_between_bytes_timeout(_duration(timeouts.between_bytes))
    return options


def _duration(seconds: float | None) -> int | None:
    return None if seconds is None else max(round(seconds * NANOSECONDS), 1)


def _write(content: bytes | Iterable[bytes] | AsyncIterable[bytes], body: http.OutgoingBody) -> None:
    if hasattr(content, "__aiter__"):
        message = "an asynchronous body is sent with send_async()"
        raise TypeError(message)
    writer = BodyWriter(body, None)
    try:
        for piece in (content,) if isinstance(content, bytes) else content:
            writer.write(piece)
            writer.flush()
    except BaseException:
        writer.abort()
        raise
    writer.finish()


async def _write_async(
    content: bytes | Iterable[bytes] | AsyncIterable[bytes], body: http.OutgoingBody, loop: Loop
) -> None:
    writer = BodyWriter(body, loop)
    try:
        if isinstance(content, bytes):
            await writer.write_async(content)
        elif hasattr(content, "__aiter__"):
            async for piece in content:
                await writer.write_async(piece)
                writer.flush()
        else:
            for piece in content:
                await writer.write_async(piece)
                writer.flush()
    except BaseException:
        writer.abort()
        raise
    writer.finish()


def _answer(request: Outgoing, future: http.FutureIncomingResponse) -> Incoming:
    result = future.get()
    response = result.value.value if result is not None and not isinstance(result.value, Err) else None
    if response is None:
        error = None if result is None else getattr(result.value, "value", None)
        raise explain(request.url, error)
    return Incoming(request.url, response)


def _running_loop() -> Loop | None:
    """Return the event loop that runs this; asyncio is there only when the handler is asynchronous."""
    loops = sys.modules.get("wisp_guest._loop")
    return None if loops is None else cast("Loop | None", loops.running())
