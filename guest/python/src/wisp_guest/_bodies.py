"""The bytes of bodies, on their way in and out; needs no more of the inside of a component than what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from wisp_guest import _host
from wisp_guest._host import Err

if TYPE_CHECKING:
    from wisp_guest._loop import Loop
    from wit_world.imports.wasi_http_types import IncomingBody, OutgoingBody
    from wit_world.imports.wasi_io_streams import InputStream, OutputStream

PIECE = 65_536
"""How much of a body is asked for at once: what hosts commonly have at hand."""


class BodyReader:
    """The bytes of an incoming body."""

    def __init__(self, body: IncomingBody, length: int | None, loop: Loop | None) -> None:
        self._body = body
        self._stream: InputStream | None = body.stream()
        self._left = length
        self._loop = loop

    def read(self) -> bytes:
        """Wait for the next piece; empty at the end."""
        while self._stream is not None and self._left != 0:
            try:
                piece = self._stream.blocking_read(PIECE)
            except Err as error:
                return self._end(error)
            if piece:
                return self._took(piece)
        return b""

    async def read_async(self) -> bytes:
        """Do the same, letting other tasks run."""
        while self._stream is not None and self._left != 0 and self._loop is not None:
            try:
                piece = self._stream.read(PIECE)
            except Err as error:
                return self._end(error)
            if piece:
                return self._took(piece)
            await self._loop.ready(self._stream.subscribe())
        return b""

    def _took(self, piece: bytes) -> bytes:
        if self._left is not None:
            self._left = max(self._left - len(piece), 0)
        return piece

    def _end(self, error: Err[object]) -> bytes:
        if _host.case(error.value) == "closed":
            self.close()
            return b""
        raise self.broken(error.value)

    def broken(self, _error: object) -> Exception:
        """Return what is raised when the body does not come to its end."""
        return ConnectionError("the request's body broke off")

    def close(self) -> None:
        """Give stream and body back."""
        if self._stream is not None:
            self._stream.__exit__(None, None, None)
            self._body.__exit__(None, None, None)
            self._stream = None


class BodyWriter:
    """The bytes of an outgoing body; a `with` block that ends well ends the body well, any other breaks it off."""

    def __init__(self, body: OutgoingBody, loop: Loop | None) -> None:
        self._body = body
        self._loop = loop
        self._stream: OutputStream = body.write()

    def write(self, data: bytes) -> None:
        """Hand all of it to the host, waiting while the client is slow."""
        while data:
            if allowed := self._allowed():
                data = self._give(data, allowed)
            else:
                with self._stream.subscribe() as writable:
                    writable.block()

    async def write_async(self, data: bytes) -> None:
        """Do the same, letting other tasks run."""
        while data:
            if allowed := self._allowed():
                data = self._give(data, allowed)
            elif self._loop is not None:
                await self._loop.ready(self._stream.subscribe())

    def flush(self) -> None:
        """Ask the host to send what it has."""
        try:
            self._stream.flush()
        except Err as error:
            _gone(error)

    def _allowed(self) -> int:
        try:
            return self._stream.check_write()
        except Err as error:
            _gone(error)

    def _give(self, data: bytes, allowed: int) -> bytes:
        try:
            self._stream.write(data if len(data) <= allowed else data[:allowed])
        except Err as error:
            _gone(error)
        return data[allowed:]

    def finish(self) -> None:
        """Say that the body is complete."""
        self._stream.__exit__(None, None, None)
        type(self._body).finish(self._body, None)

    def abort(self) -> None:
        """Give the body back unfinished: the client sees that it is not whole."""
        self._stream.__exit__(None, None, None)
        self._body.__exit__(None, None, None)


def _gone(error: Err[object]) -> NoReturn:
    message = "the client went away"
    raise ConnectionAbortedError(message) from error
