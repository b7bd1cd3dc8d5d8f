"""Between WASI 0.2 and a handler; works only inside a component.

Each call into the host costs microseconds, so the ordinary request makes few: the parts of the request are fetched when
asked for, the status is set only when it is not 200, a body that ends where `content-length` says is not read once more.

Order matters where resources belong to each other: a stream is given back before the body that it came from. Everything
is given back here and not left to the garbage collector, because an instance may serve many requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from componentize_py_types import Ok
from wisp_guest import _serve
from wisp_guest._bodies import BodyReader, BodyWriter
from wisp_guest._host import Err
from wisp_guest._request import Request
from wit_world.imports.wasi_http_types import (
    Fields,
    IncomingRequest,
    Method_Other,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from wisp_guest._loop import Loop
    from wisp_guest._request import Reader
    from wisp_guest._response import Response

SMALL = 4096
"""What one blocking call can write at most (`wasi:io/streams`)."""

OK = 200
BODILESS = (204, 304)


class Source:
    """The parts of an incoming request."""

    def __init__(self, request: IncomingRequest, loop: Loop | None) -> None:
        self._request = request
        self._loop = loop
        self._length: int | None = None
        self._body: BodyReader | None = None

    def method(self) -> str:
        """Return the method in capitals."""
        method = self._request.method()
        return method.value if isinstance(method, Method_Other) else type(method).__name__[7:].upper()

    def target(self) -> str:
        """Return path and query as they were sent."""
        return self._request.path_with_query() or "/"

    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Return the header fields."""
        with self._request.headers() as fields:
            entries = fields.entries()
        self._length = _length(entries)
        return entries

    def body(self) -> Reader:
        """Begin to read the body."""
        self._body = BodyReader(self._request.consume(), self._length, self._loop)
        return self._body

    def close(self) -> None:
        """Give everything back."""
        if self._body is not None:
            self._body.close()
        self._request.__exit__(None, None, None)


def _length(entries: Iterable[tuple[str, bytes]]) -> int | None:
    value = next((value for name, value in entries if name == "content-length"), b"")
    return int(value) if value.isdigit() else None


def _begin(response: Response, out: ResponseOutparam) -> OutgoingBody:
    entries = [(name, value.encode("latin-1")) for name, value in response.headers.items()]
    content = response.body
    if (
        isinstance(content, bytes)
        and response.status not in BODILESS
        and "content-length" not in response.headers
    ):
        entries.append(("content-length", b"%d" % len(content)))
    fields = Fields.from_list(entries)
    outgoing = OutgoingResponse(fields)
    if response.status != OK:
        outgoing.set_status_code(response.status)
    body = outgoing.body()
    ResponseOutparam.set(out, Ok(outgoing))
    return body


def _start(response: Response, request: Request, out: ResponseOutparam) -> tuple[Response, OutgoingBody]:
    """Send the head; a response whose header fields the host refuses is a bug like another."""
    try:
        return response, _begin(response, out)
    except (Err, ValueError) as error:
        refused = TypeError(f"a header field of the response is not allowed: {response.headers.items()!r}")
        refused.__cause__ = error
        response = _serve.excuse(refused, request)
        return response, _begin(response, out)


def respond(handler: Callable[[Request], Response], incoming: IncomingRequest, out: ResponseOutparam) -> None:
    """Answer one request with a plain function."""
    source = Source(incoming, None)
    request = Request.from_source(source)
    response, body = _start(_serve.answer(handler, request), request, out)
    content = response.body
    if isinstance(content, bytes) and len(content) <= SMALL:
        _send_small(content, body)
    else:
        _send(response, BodyWriter(body, None))
    source.close()


def _send_small(content: bytes, body: OutgoingBody) -> None:
    """Send a whole body with as few calls as there can be."""
    try:
        if content:
            with body.write() as stream:
                stream.blocking_write_and_flush(content)
    except Err:
        body.__exit__(None, None, None)  # The client went away.
    else:
        OutgoingBody.finish(body, None)


def _send(response: Response, writer: BodyWriter) -> None:
    try:
        _send_pieces(response.body, writer)
    except BaseException as error:  # noqa: BLE001 - the head is sent, all that is left is to break off
        _break_off(error, writer)
    else:
        writer.finish()


def _send_pieces(content: object, writer: BodyWriter) -> None:
    if isinstance(content, bytes):
        return writer.write(content)
    if not isinstance(content, Iterable):
        message = f"a body is bytes or an iterator of bytes, not {type(content).__name__}; an asynchronous one needs an async handler"
        raise TypeError(message)
    for piece in content:
        writer.write(piece)
        writer.flush()
    return None


async def _send_async(response: Response, writer: BodyWriter) -> None:
    content = response.body
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


def _break_off(error: BaseException, writer: BodyWriter) -> None:
    if not isinstance(error, ConnectionAbortedError):
        _serve.log(error)
    writer.abort()


def respond_in(
    loop: Loop,
    handler: Callable[[Request], Awaitable[Response]],
    incoming: IncomingRequest,
    out: ResponseOutparam,
) -> None:
    """Answer one request with a coroutine function."""
    source = Source(incoming, loop)

    async def run() -> None:
        request = Request.from_source(source)
        response, body = _start(await _serve.answer_async(handler, request), request, out)
        writer = BodyWriter(body, loop)
        try:
            await _send_async(response, writer)
        except BaseException as error:  # noqa: BLE001 - the head is sent, all that is left is to break off
            _break_off(error, writer)
        else:
            writer.finish()

    loop.run(run())
    source.close()
