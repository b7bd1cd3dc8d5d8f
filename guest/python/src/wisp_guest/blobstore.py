"""Blobs, which are files in containers of the host: `wasi:blobstore`.

    from wisp_guest import blobstore

    images = blobstore.container("images")

    images.write("cat.png", data)               # bytes, or an iterable of bytes
    images.read("cat.png")
    "cat.png" in images
    for name in images: ...
    with images.open("cat.png") as file:        # or "wb": files as Python has them, nothing of them whole in memory
        file.read(100)

The manifest grants it: `grants = { blobstore = ["images"] }`. A container is there, or made, when it is first used; what is written
appears under its name when it is complete, and never in part.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast, overload

from wisp_guest import _host
from wisp_guest._host import Err
from wisp_guest.errors import CapabilityError, NotGrantedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import ReadableBuffer, WriteableBuffer

    from wit_world.imports import wasi_blobstore_blobstore as blobs
    from wit_world.imports import wasi_blobstore_container as containers
    from wit_world.imports import wasi_blobstore_types as types
    from wit_world.imports.wasi_io_streams import InputStream, OutputStream
else:
    blobs = _host.Interface("wasi:blobstore/blobstore")
    containers = _host.Interface("wasi:blobstore/container")
    types = _host.Interface("wasi:blobstore/types")

__all__ = ["BlobError", "Container", "DeniedError", "Info", "NotFoundError", "container"]

PIECE = 65_536
PAGE = 1000
END = 2**64 - 1


class BlobError(CapabilityError):
    """A blob could not be read or written."""


class DeniedError(BlobError, NotGrantedError):
    """The container is not granted."""


class NotFoundError(BlobError):
    """There is no such blob."""


@dataclass(frozen=True, slots=True)
class Info:
    """What the host knows of a blob."""

    name: str
    size: int
    created: datetime


class Container:
    """A container of blobs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._container = _host.Kept(lambda: _open(name))

    def __repr__(self) -> str:
        return f"blobstore.container({self.name!r})"

    def __contains__(self, name: object) -> bool:
        with self._asked() as container:
            return isinstance(name, str) and container.has_object(name)

    def __iter__(self) -> Iterator[str]:
        """Return the names of all blobs."""
        with self._asked() as container:
            names = container.list_objects()
        with names:
            at_end = False
            while not at_end:
                with self._asked():
                    page, at_end = names.read_stream_object_names(PAGE)
                yield from page

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return a blob, or its bytes from `start` up to `end`."""
        with self._reader(name, start, end) as file:
            return file.readall()

    def write(self, name: str, data: bytes | Iterable[bytes]) -> None:
        """Write a blob, in place of the one that was there."""
        pieces = (data,) if isinstance(data, bytes | bytearray | memoryview) else data
        with self._writer(name) as file:
            for piece in pieces:
                file.write(piece)

    @overload
    def open(self, name: str, mode: Literal["rb"] = "rb") -> io.BufferedReader: ...
    @overload
    def open(self, name: str, mode: Literal["wb"]) -> io.BufferedWriter: ...
    def open(self, name: str, mode: Literal["rb", "wb"] = "rb") -> io.BufferedReader | io.BufferedWriter:
        """Open a blob as a file of bytes. What is written is there when the file is closed, unless its block raised."""
        if mode == "rb":
            return io.BufferedReader(self._reader(name, 0, None), PIECE)
        if mode == "wb":
            return _Writing(self._writer(name), PIECE)
        message = f"a blob is opened for 'rb' or 'wb', not {mode!r}"
        raise ValueError(message)

    def info(self, name: str) -> Info:
        """Return what is known of a blob."""
        with self._asked() as container:
            found = container.object_info(name)
        return Info(found.name, found.size, datetime.fromtimestamp(found.created_at, UTC))

    def delete(self, *names: str) -> None:
        """Delete blobs; nothing happens when they are not there."""
        with self._asked() as container:
            container.delete_objects(list(names))

    def clear(self) -> None:
        """Delete all blobs."""
        with self._asked() as container:
            container.clear()

    def copy(self, name: str, to: str, *, container: str | None = None) -> None:
        """Copy a blob to another name, in another container if one is given."""
        with self._asked():
            target = types.ObjectId(container or self.name, to)
            blobs.copy_object(types.ObjectId(self.name, name), target)

    def move(self, name: str, to: str, *, container: str | None = None) -> None:
        """Move a blob to another name, in another container if one is given."""
        with self._asked():
            target = types.ObjectId(container or self.name, to)
            blobs.move_object(types.ObjectId(self.name, name), target)

    def _reader(self, name: str, start: int, end: int | None) -> _Reader:
        if end is not None and end <= start:
            return _Reader(None)
        with self._asked() as container:
            value = container.get_data(name, start, END if end is None else end - 1)
            return _Reader(types.IncomingValue.incoming_value_consume_async(value))

    def _writer(self, name: str) -> _Writer:
        with self._asked() as container:
            value = types.OutgoingValue.new_outgoing_value()
            stream = value.outgoing_value_write_body()
            container.write_data(name, value)
        return _Writer(value, stream)

    @contextmanager
    def _asked(self) -> Iterator[containers.Container]:
        """Hold the container, and turn the interface's errors into ours."""
        with _words():
            yield self._container.get()


def container(name: str) -> Container:
    """Return a container of blobs, by the name that the manifest grants."""
    return Container(name)


def _open(name: str) -> containers.Container:
    return (blobs.get_container if blobs.container_exists(name) else blobs.create_container)(name)


class _Reader(io.RawIOBase):
    """A blob that is being read."""

    def __init__(self, stream: InputStream | None) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._piece(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self._piece(PIECE), b""))

    def _piece(self, size: int) -> bytes:
        while self._stream is not None and size:
            try:
                if piece := self._stream.blocking_read(min(size, PIECE)):
                    return piece
            except Err as error:
                self._end()
                if _host.case(error.value) != "closed":
                    raise _broken(error) from None
        return b""

    def close(self) -> None:
        self._end()
        super().close()

    def _end(self) -> None:
        if self._stream is not None:
            self._stream.__exit__(None, None, None)
            self._stream = None


class _Writer(io.RawIOBase):
    """A blob that is being written: it becomes one when this is closed, unless it was given up before."""

    def __init__(self, value: types.OutgoingValue, stream: OutputStream) -> None:
        super().__init__()
        self._value = value
        self._stream: OutputStream | None = stream
        self._given_up = False

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self.give_up()
        self.close()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        if self._given_up:
            return size  # What a buffer still has goes where the rest went.
        if self._stream is None:
            message = "the blob is written already"
            raise ValueError(message)
        try:
            while left:
                left = left[self._give(self._stream, left) :]
        except Err as error:
            self.give_up()
            raise _broken(error) from None
        return size

    def _give(self, stream: OutputStream, left: memoryview) -> int:
        """Hand over as much as the host takes now, and return how much that is; wait while it takes nothing."""
        if allowed := stream.check_write():
            stream.write(bytes(left[:allowed]))
        else:
            with stream.subscribe() as writable:
                writable.block()
        return min(allowed, len(left))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.__exit__(None, None, None)
            self._stream = None
            with _words():
                types.OutgoingValue.finish(self._value)
        super().close()

    def give_up(self) -> None:
        """Leave what was there as it is."""
        self._given_up = True
        if self._stream is not None:
            self._stream.__exit__(None, None, None)
            self._stream = None
            self._value.__exit__(None, None, None)


class _Writing(io.BufferedWriter):
    """A file to write to, which a `with` block that raises leaves unwritten."""

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            cast("_Writer", self.raw).give_up()
        self.close()


@contextmanager
def _words() -> Iterator[None]:
    """Turn the errors of the interface, which are texts, into ours."""
    try:
        yield
    except Err as error:
        text = str(error.value)
        if text.startswith("access denied"):
            raise DeniedError(text) from None
        if text.startswith("there is no object"):
            raise NotFoundError(text) from None
        raise BlobError(text) from None


def _broken(error: Err[object]) -> BlobError:
    """Return the error for a stream that broke off."""
    inner = getattr(error.value, "value", None)
    said = inner.to_debug_string() if inner is not None else "the stream was closed"
    return BlobError(said)
