"""What a handler is given.

A request reads lazily: each part of it is a call into the host, and most handlers want few of them. Where the parts come
from is a `RequestSource`; inside a component that is `wisp_guest._wasi`, in a test it is what `Request(...)` was given.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self
from urllib.parse import parse_qsl, unquote

from wisp_guest._multimap import Headers, Pairs, Parameters
from wisp_guest._problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Reader(Protocol):
    """The bytes of a request's body, once."""

    def read(self) -> bytes:
        """Wait for the next piece; empty at the end."""

    async def read_async(self) -> bytes:
        """Do the same, letting other tasks run."""


class RequestSource(Protocol):
    """Where a request's parts come from; each is asked for at most once."""

    def method(self) -> str:
        """Return the method in capitals."""

    def target(self) -> str:
        """Return path and query as they were sent."""

    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Return the header fields."""

    def body(self) -> Reader:
        """Begin to read the body."""


class _Given:
    """The parts of a request that was made here."""

    def __init__(self, method: str, target: str, headers: Headers, body: bytes) -> None:
        self._method = method
        self._target = target
        self._headers = headers
        self._rest = body

    def method(self) -> str:
        return self._method

    def target(self) -> str:
        return self._target

    def headers(self) -> Sequence[tuple[str, bytes]]:
        return [(name, value.encode("latin-1")) for name, value in self._headers.items()]

    def body(self) -> Reader:
        return self

    def read(self) -> bytes:
        piece, self._rest = self._rest, b""
        return piece

    async def read_async(self) -> bytes:
        return self.read()


class RequestBody:
    """The body piece by piece, as it arrives: `for piece in body`, or `async for` in a coroutine."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if piece := self._reader.read():
            return piece
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if piece := await self._reader.read_async():
            return piece
        raise StopAsyncIteration


class Request:
    """One HTTP request.

    Made by hand only in tests: `Request("POST", "/packets?dry=1", headers={...}, body=b"...")`.
    """

    def __init__(
        self, method: str = "GET", target: str = "/", *, headers: Pairs = (), body: bytes = b""
    ) -> None:
        self._source: RequestSource = _Given(method, target, Headers(headers), body)
        self._streamed = False

    @classmethod
    def from_source(cls, source: RequestSource) -> Self:
        """Make a request whose parts come from elsewhere."""
        request = cls.__new__(cls)
        request.__dict__.update(_source=source, _streamed=False)
        return request

    @cached_property
    def method(self) -> str:
        """The method in capitals: `GET`."""
        return self._source.method()

    @cached_property
    def target(self) -> str:
        """Path and query as they were sent: `/a%20b?c=d`."""
        return self._source.target()

    @cached_property
    def path(self) -> str:
        """The path, percent-decoded: `/a b`."""
        return unquote(self.target.partition("?")[0])

    @cached_property
    def query(self) -> Parameters:
        """The query's parameters, decoded."""
        text = self.target.partition("?")[2]
        return Parameters(parse_qsl(text, keep_blank_values=True) if text else ())

    @cached_property
    def headers(self) -> Headers:
        """The header fields."""
        return Headers([(name, value.decode("latin-1")) for name, value in self._source.headers()])

    @cached_property
    def parameters(self) -> Parameters:
        """The parameters of the route: for `/users/:id`, `parameters["id"]`; decoded."""
        prefix = "wisp-param-"
        named = (
            (name.removeprefix(prefix), value)
            for name, value in self.headers.items()
            if name.startswith(prefix)
        )
        return Parameters([(name, unquote(value)) for name, value in named])

    @property
    def path_info(self) -> str | None:
        """What the `...` of a route like `/files/...` stands for, decoded; None for other routes."""
        found = self.headers.get("wisp-path-info")
        return None if found is None else unquote(found)

    @property
    def client_address(self) -> str | None:
        """The client's IP address; set by the host, a client cannot forge it."""
        return self.headers.get("wisp-client-address")

    @property
    def id(self) -> str | None:
        """The request's id, which the host's log lines also have."""
        return self.headers.get("x-request-id")

    def stream(self) -> RequestBody:
        """Read the body piece by piece, as it arrives; a body can be streamed once, and not read whole afterwards."""
        if self._streamed or "body" in self.__dict__:
            message = "the body has been read already"
            raise RuntimeError(message)
        self._streamed = True
        return RequestBody(self._source.body())

    @cached_property
    def body(self) -> bytes:
        """The whole body; waits until it has arrived."""
        return b"".join(self.stream())

    async def read(self) -> bytes:
        """Return the whole body as `body` does, letting other tasks run while it arrives."""
        if "body" not in self.__dict__:
            pieces = [piece async for piece in self.stream()]
            self.__dict__["body"] = b"".join(pieces)
        return self.body

    def text(self) -> str:
        """Return the body as text.

        Raises:
            Problem: 400, the body is not UTF-8.

        """
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise Problem(400, "the body is not UTF-8", field="body") from error

    def json(self, *, parse_int: Callable[[str], Any] = int) -> Any:  # noqa: ANN401 - JSON can be anything
        """Return the body's JSON value; strict: `NaN` and `Infinity` are not JSON.

        Args:
            parse_int: What reads a number without fraction and exponent; `int` refuses more than 4300 digits.

        Raises:
            Problem: 400, the body is not UTF-8 or not JSON.

        """
        text = self.text()
        try:
            _refuse_deep(text)
            return json.loads(text, parse_int=parse_int, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "the body is not JSON", field="body") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


DEEPEST = 400
"""Levels of JSON: the parser recurses on the stack of WebAssembly, which ends the instance when it is used up; a host with
the usual 512 KiB of it bears twice as many."""

_NOT_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^\[\]{}"]+', re.DOTALL)


def _refuse_deep(text: str) -> None:
    """Refuse a text whose brackets are nested too deeply, at the speed of the regular expression engine.

    What is left after as many rounds, or does not get shorter, is too deep or has brackets that do not match.
    """
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    left, size = _NOT_BRACKETS.sub("", text), -1
    for _ in range(DEEPEST):
        if len(left) == size:
            break
        size = len(left)
        left = left.replace("[]", "").replace("{}", "")
    if left:
        message = "nested too deeply"
        raise ValueError(message)
