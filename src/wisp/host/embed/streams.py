"""Streams and futures between Python and guests: Python's side of them.

A guest's stream is an asynchronous iterator, a guest's future can be awaited; without asyncio, they are an iterator and an object with
`result()`. What Python gives a guest is read by a task of the event loop, or by a thread where there is no loop, which hands the items
on as the guest takes them. Bytes, lists and tuples are handed over in one go.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wisp.errors import InstanceClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Self

    from wisp.native import Chunks, Feed

__all__ = [
    "BlockingFuture",
    "BlockingStream",
    "Future",
    "Stream",
    "feed",
    "feed_future",
    "future",
    "stream",
]

T = TypeVar("T")

_UNORDERLY = "the source of a stream was given up before its end"
_tasks: set[asyncio.Task[None]] = set()
"""Loops hold their tasks only weakly."""


class _Items(Generic[T]):
    """What came out of a stream in one go and was not asked for yet; bytes are not taken apart."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._waiting: deque[T] = deque()
        self._ended = False

    def _take(self, chunk: Any) -> None:  # noqa: ANN401 - bytes are one item, of others there is a list
        if chunk is None:
            self._ended = True
        else:
            items: Any = (chunk,) if isinstance(chunk, bytes) else chunk
            self._waiting.extend(items)

    def _end(self) -> None:
        self._ended = True
        self._waiting.clear()
        self._chunks.close()


class Stream(_Items[T]):
    """A stream that a guest writes: an asynchronous iterator over its items; over pieces, if it carries bytes.

    A guest that is faster than its reader waits. Closing it, or forgetting it, tells the guest that nobody reads.

    Raises:
        InstanceClosed: from the iteration, when the instance ended before the stream did.

    """

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._waiting and not self._ended:
            self._take(await self._chunks.next())
        if not self._waiting:
            raise StopAsyncIteration
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Tell the guest that nobody reads any more."""
        self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._end()


class BlockingStream(_Items[T]):
    """The same without asyncio: an iterator."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        while not self._waiting and not self._ended:
            self._take(self._chunks.next())
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft()

    def close(self) -> None:
        """Tell the guest that nobody reads any more."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()


class _Value(Generic[T]):
    """The value of a future, once it is known."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._known: list[T] = []

    def _take(self, value: T | None) -> T:
        if value is None:
            message = "the guest gave up a future without a value"
            raise InstanceClosed(message)
        self._known.append(value)
        return value


class Future(_Value[T]):
    """A value that a guest gives later: to be awaited, as often as one likes.

    Raises:
        InstanceClosed: when it is awaited and the instance ended without giving it.

    """

    def __init__(self, chunks: Chunks) -> None:
        super().__init__(chunks)
        self._turn = asyncio.Lock()

    def __await__(self) -> Generator[Any, None, T]:
        return self._get().__await__()

    async def _get(self) -> T:
        async with self._turn:
            return self._known[0] if self._known else self._take(await self._chunks.next())


class BlockingFuture(_Value[T]):
    """The same without asyncio."""

    def __init__(self, chunks: Chunks) -> None:
        super().__init__(chunks)
        self._turn = threading.Lock()

    def result(self) -> T:
        """Wait for the value."""
        with self._turn:
            return self._known[0] if self._known else self._take(self._chunks.next())


def stream(chunks: Chunks, blocking: bool) -> Stream[Any] | BlockingStream[Any]:
    """Return a guest's stream as Python sees it."""
    return BlockingStream(chunks) if blocking else Stream(chunks)


def future(chunks: Chunks, blocking: bool) -> Future[Any] | BlockingFuture[Any]:
    """Return a guest's future as Python sees it."""
    return BlockingFuture(chunks) if blocking else Future(chunks)


def feed(source: object, to: Feed) -> bool:
    """Begin to hand on what Python gives as a stream; False when that cannot be iterated."""
    if isinstance(source, str):
        return False
    if isinstance(source, bytes | bytearray | memoryview | list | tuple):
        to.put(_joined(source) if to.bytes else source)
        return True
    if isinstance(source, AsyncIterable):
        if to.blocking:
            return False
        _start(_hand_on(source, to))
        return True
    if not isinstance(source, Iterable):
        return False
    if to.blocking:
        threading.Thread(target=_hand_on_here, args=(source, to), name="wisp-stream", daemon=True).start()
    else:
        _start(_hand_on(_each(source), to))
    return True


def feed_future(source: object, to: Feed) -> bool:
    """Begin to hand on what Python gives as a future: something to be awaited, or the value itself."""
    if isinstance(source, concurrent.futures.Future):
        source.add_done_callback(lambda done: _settle(done, to))
    elif isinstance(source, Awaitable) and not to.blocking:
        _start(_await(source, to))
    else:
        to.put(source)
    return True


async def _each(source: Iterable[T]) -> Any:  # noqa: ANN401 - an asynchronous generator
    for item in source:
        yield item


def _joined(items: Any) -> bytes:  # noqa: ANN401 - bytes, or a list of them or of numbers
    if isinstance(items, bytes | bytearray | memoryview):
        return bytes(items)
    return b"".join(bytes([item]) if isinstance(item, int) else bytes(item) for item in items)


def _chunk(item: object, to: Feed) -> object:
    return _joined((item,)) if to.bytes else [item]


def _start(work: Any) -> None:  # noqa: ANN401 - a coroutine
    task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _hand_on(source: AsyncIterable[object], to: Feed) -> None:
    fault: str | None = _UNORDERLY
    try:
        async for item in source:
            if not await to.send(_chunk(item, to)):
                break
        fault = None
    except Exception as error:  # noqa: BLE001 - whatever the program raises is told
        fault = _raised(error)
    finally:
        to.close(fault)
        await _leave(source)


async def _leave(source: object) -> None:
    """Let a generator end, which may have something open."""
    close: Callable[[], Awaitable[None]] | None = getattr(source, "aclose", None)
    if close is not None:
        await close()


def _hand_on_here(source: Iterable[object], to: Feed) -> None:
    fault: str | None = None
    try:
        for item in source:
            if not to.send(_chunk(item, to)):
                break
    except Exception as error:  # noqa: BLE001 - whatever the program raises is told
        fault = _raised(error)
    finally:
        to.close(fault)


async def _await(source: Awaitable[object], to: Feed) -> None:
    fault: str | None = _UNORDERLY
    try:
        to.put(await source)
        fault = None
    except Exception as error:  # noqa: BLE001 - whatever the program raises is told
        fault = _raised(error)
    finally:
        to.close(fault)


def _settle(done: concurrent.futures.Future[object], to: Feed) -> None:
    fault: str | None = None
    try:
        to.put(done.result())
    except BaseException as error:  # noqa: BLE001 - a cancelled one, too
        fault = _raised(error)
    to.close(fault)


def _raised(error: BaseException) -> str:
    return f"the source of a stream raised {error!r}"
