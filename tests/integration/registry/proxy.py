"""What stands between a client and a registry and breaks connections, at bytes that a test chooses."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    Cut = Callable[[bytes], int | None]


class Proxy:
    """Passes bytes on, until it was told to break the connection.

    `down` and `up` are asked about every piece that comes from the registry and from the client: None passes it on, a number passes
    on so many bytes of it and breaks the connection.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._registry = (host, int(port))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.down: Cut = lambda _: None
        self.up: Cut = lambda _: None
        self.cuts = 0
        self.passed_up = 0
        self.passed_down = 0
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection(*self._registry)
        pipes = [
            asyncio.ensure_future(self._pass(reader, onward, up=True)),
            asyncio.ensure_future(self._pass(there, writer, up=False)),
        ]
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            for end in (writer, onward):
                # Not closed in order: broken.
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                cut = (self.up if up else self.down)(piece)
                rest = piece if cut is None else piece[:cut]
                writer.write(rest)
                await writer.drain()
                if up:
                    self.passed_up += len(rest)
                else:
                    self.passed_down += len(rest)
                if cut is not None:
                    self.cuts += 1
                    return


class After:
    """Breaks once, when so many bytes have passed since it was made."""

    def __init__(self, count: int, times: int = 1) -> None:
        self._count = self._left = count
        self._times = times

    def __call__(self, piece: bytes) -> int | None:
        if self._times == 0:
            return None
        if len(piece) < self._left:
            self._left -= len(piece)
            return None
        cut = self._left
        self._times -= 1
        self._left = self._count
        return cut
