"""Files that others may read at any moment: they appear whole or not at all.

A file is written beside its final name, flushed to the disk and renamed. A process that dies in between leaves a file
whose name starts with `TEMPORARY`; `Cache.prune` removes those.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from wisp.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from io import BufferedReader
    from pathlib import Path
    from typing import BinaryIO

TEMPORARY = ".writing-"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LOCK_POLL_SECONDS = 0.05


def temporary(target: Path) -> Path:
    """Return a new name beside a file, for what will become it."""
    return target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")


def write(target: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a whole file.

    Raises:
        ArtifactError: the disk is full, or the folder cannot be written.

    """
    with explained(target, needed=len(content)):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(target, mode=mode) as stream:
            stream.write(content)


@contextmanager
def replacing(target: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Open a file that takes its name when the block ends well, and vanishes when it does not."""
    beside = temporary(target)
    try:
        with open(beside, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        publish(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def publish(source: Path, target: Path) -> None:
    """Give a file, whose content is on the disk already, its name, and get the name on the disk too."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def explained(path: Path, *, needed: int | None = None) -> Iterator[None]:
    """Turn what the system says about a file of the cache into an error that says how to mend it.

    Args:
        path: The file.
        needed: About how many bytes it needs.

    """
    try:
        yield
    except OSError as error:
        raise trouble(path, error, needed=needed) from error


def trouble(path: Path, error: OSError, *, needed: int | None = None) -> ArtifactError:
    """Return the error that says what happened to a file of the cache, and how to mend it."""
    if error.errno in _FULL:
        amount = f" for {needed / 2**20:.1f} MiB" if needed else ""
        message = f"there is no room{amount} on the disk of the cache: {path.parent}"
        hint = "make room with `wisp cache prune`, or set WISP_CACHE_DIR to a folder on another disk"
    else:
        message = f"the cache cannot be used: {path}: {error.strerror or error}"
        hint = "set WISP_CACHE_DIR to a folder that can be written"
    return ArtifactError(message, hint=hint, path=path)


def sha256(stream: BufferedReader) -> str:
    """Return the digest of what is left in a file: `sha256:<64 hex>`."""
    return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


@asynccontextmanager
async def exclusive(path: Path) -> AsyncIterator[None]:
    """Hold a lock between processes while the block runs. It ends with the process that holds it, however that ends."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while (descriptor := _try_lock(path)) is None:  # noqa: ASYNC110 - see below
            # The kernel has no way to be told of a lock that can also be cancelled.
            await asyncio.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        _unlock(path, descriptor)


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _unlock(path: Path, descriptor: int) -> None:
    # Whoever opened it meanwhile finds that what it has locked is not the file with the name, and tries again.
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)
