"""Containers of blobs: written out object by object, read into a folder of their own, then exchanged for the one that was there.

The exchange is one step of the file system, under the lock with which the core changes a container. A host that reads at that moment
reads the old object or the new one, and whatever is killed when, one of the two containers is there, whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import shutil
import sys
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

from wisp.errors import StoreError
from wisp.host.stores import found, lines
from wisp.host.stores.lines import Header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wisp.host.stores.found import Store
    from wisp.host.stores.lines import Line

CHUNK: Final = 48 * 1024
"""Bytes of an object in one line."""

_EXCHANGE: Final = 2
"""RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS."""


def dump(store: Store) -> tuple[Header, Iterator[Line]]:
    """Return what a container begins with, and the lines of its objects; each is as it was at one moment. Raises StoreError."""
    if not store.path.is_dir():
        message = f"there is no store {store.title}"
        raise StoreError(message)
    return Header(store.kind, store.name, None, None), _lines(store)


def _lines(store: Store) -> Iterator[Line]:
    for file in found.objects(store.path):
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # removed meanwhile
        with os.fdopen(descriptor, "rb") as stream:
            size = os.fstat(descriptor).st_size
            yield {"blob": urllib.parse.unquote(file.name), "size": size}
            while chunk := stream.read(CHUNK):
                yield {"bytes": lines.encode_bytes(chunk)}


def load(store: Store, head: Header, content: Iterator[Line], *, replace: bool) -> int:
    """Put what was written out in the place of a container; returns how many objects it has.

    Raises:
        StoreError: it cannot be; then the container is as it was.

    """
    if head.kind != store.kind:
        message = f"{store.title}: a store of the kind {head.kind} cannot become one"
        raise StoreError(message)
    root = store.path.parent
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    clear(store)
    beside = root / f".import-{store.path.name[:100]}-{secrets.token_hex(8)}"
    beside.mkdir(mode=0o700)
    held = os.open(beside, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_SH)
    try:
        count = _fill(beside, content)
        os.fsync(held)
        _place(store, beside, replace=replace)
    except OSError as error:
        raise found.failure(store, error) from error
    finally:
        # After the exchange, that is what was there before.
        shutil.rmtree(beside, ignore_errors=True)
        os.close(held)
    return count


def leftovers(root: Path) -> list[Path]:
    """Find what imports and hosts that were killed have left behind."""
    incoming = (root / ".incoming").iterdir() if (root / ".incoming").is_dir() else ()
    imports = root.glob(".import-*")
    return [path for path in sorted([*imports, *incoming]) if found.is_abandoned(path)]


def clear(store: Store) -> None:
    """Remove what an import of this container that was killed has left behind."""
    for path in store.path.parent.glob(f".import-{store.path.name[:100]}-*"):
        if found.is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _fill(folder: Path, content: Iterator[Line]) -> int:
    count, left = 0, 0
    with contextlib.ExitStack() as stack:
        stream: Any = None
        for number, line in enumerate(content, start=2):
            match line:
                case {"blob": str(name), "size": int(size)} if left == 0:
                    stack.close()
                    stream = stack.enter_context(_new(folder / _file(name, number), number))
                    count, left = count + 1, size
                case {"bytes": str(text)} if stream is not None:
                    chunk = lines.decode_bytes(text)
                    left -= len(chunk)
                    stream.write(chunk)
                case _:
                    raise lines.broken(number, "it is nothing that a container has")
            if left < 0:
                raise lines.broken(number, "there are more bytes than the object has")
        if left:
            message = f"the last object lacks {left} bytes"
            raise StoreError(message)
    return count


def _file(name: str, number: int) -> str:
    try:
        return found.file_name(name)
    except StoreError as error:
        raise lines.broken(number, error.message) from None


@contextlib.contextmanager
def _new(path: Path, number: int) -> Iterator[Any]:
    """Open a new file, which is on the disk when the block ends."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise lines.broken(number, "an object comes twice") from None
    with os.fdopen(descriptor, "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(descriptor)


def _place(store: Store, beside: Path, *, replace: bool) -> None:
    """Put a complete folder in the place of a container, and write down how much it has."""
    used = found.charge(beside)
    ledgers = store.path.parent / ".used"
    ledgers.mkdir(exist_ok=True, mode=0o700)
    descriptor = os.open(ledgers / store.path.name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        if not store.path.exists():
            beside.rename(store.path)
        elif replace or not found.objects(store.path):
            _exchange(beside, store.path)
        else:
            message = f"{store.title} is not empty"
            raise StoreError(message, hint="`--replace` puts what is imported in its place")
        found.sync_folder(store.path.parent)
        ledger.write(f"{used:020}\n".encode())


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders in one step; Python has no function for it."""
    library = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(one), os.fsencode(other))
    if sys.platform == "darwin":
        failed = library.renamex_np(*names, _EXCHANGE)
    else:
        here = -100  # AT_FDCWD
        failed = library.renameat2(here, names[0], here, names[1], _EXCHANGE)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
